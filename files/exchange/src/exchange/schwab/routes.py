"""Which paths of Schwab's the exchange serves, and what each request passes: the token, then the limit."""

import asyncio
import contextlib
from collections import deque

from aiohttp import web

from exchange.hosts import SCHWAB_STREAM_PATH
from exchange.mishaps import Handler
from exchange.replies import schwab_refusal as refuse
from exchange.schwab import marketdata, oauth
from exchange.schwab.streamer import FEED, StreamClient, Users
from exchange.sockets.connection import serve
from exchange.world import world_of
from harvester.base.clock import NS_PER_SECOND, Clock

OAUTH, TRADER, MARKET = "/v1/oauth/", "/trader/v1/", "/marketdata/v1/"
USERS: web.AppKey[Users] = web.AppKey("schwab_users", Users)
PER_MINUTE = 120
"""Requests of an app to market data in any minute (developer portal, product Market Data Production)."""
MINUTE_NS = 60 * NS_PER_SECOND


class MinuteLimit:
    """Counts requests in the minute before now."""

    def __init__(self, clock: Clock, most: int = PER_MINUTE) -> None:
        self._clock, self._most = clock, most
        self._times: deque[int] = deque()

    def take(self) -> bool:
        """Count a request; False where the minute is full."""
        now = self._clock.mono_ns()
        while self._times and self._times[0] <= now - MINUTE_NS:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True


LIMIT: web.AppKey[MinuteLimit] = web.AppKey("schwab_limit", MinuteLimit)


def add_routes(app: web.Application, clock: Clock) -> None:
    """Serve Schwab's paths in an application."""
    app[USERS], app[LIMIT] = Users(), MinuteLimit(clock)
    app.add_routes(
        [
            web.get(f"{OAUTH}authorize", oauth.show),
            web.post(f"{OAUTH}authorize", oauth.allow),
            web.post(f"{OAUTH}token", oauth.token),
            web.get(f"{TRADER}userPreference", marketdata.user_preference),
            web.get(f"{MARKET}pricehistory", marketdata.price_history),
            web.get(f"{MARKET}quotes", marketdata.quotes),
            web.get(MARKET + "{symbol}/quotes", marketdata.quote),
            web.get(SCHWAB_STREAM_PATH, streamer),
        ]
    )


async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the token of a request that needs one, then count it against the app's limit."""
    if request.match_info.http_exception is not None:
        return refuse(404, "Not Found", "no such resource here; the stand-in's README lists what it serves")
    if request.path.startswith(OAUTH) or request.path == SCHWAB_STREAM_PATH:
        return await handler(request)
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not world_of(request).schwab.admits(token):
        return refuse(401, "Unauthorized", "Client not authorized: the access token is invalid or has expired")
    if world_of(request).limits.enabled and request.path.startswith(MARKET) and not request.app[LIMIT].take():
        return refuse(429, "Too Many Requests", f"more than {PER_MINUTE} requests in a minute")
    return await handler(request)


async def streamer(request: web.Request) -> web.StreamResponse:
    """The streamer's socket; its login is a message."""
    world = world_of(request)
    connection = world.sockets.connection(FEED, request)
    socket = await connection.open()
    client = StreamClient(connection, world, request.app[USERS])
    sending = asyncio.create_task(client.run())
    try:
        with world.sockets.serving(client):
            await serve(connection, str, client.take)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
    return socket
