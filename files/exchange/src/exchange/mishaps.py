"""Applies a fault to one HTTP request."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from exchange.faults import Armed
from exchange.hosts import SCHWAB_HOST
from exchange.limits import DAY_SECONDS
from exchange.replies import NO_CANDLES, dump, no_candles, refuse, reply, schwab_refusal
from exchange.sockets.connection import abort
from exchange.world import world_of
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DEFAULT_HUGE = 16 * 1024 * 1024
DEFAULT_GARBAGE = 512
LONGEST_HANG = 3600.0
LOOK_SECONDS = 0.2
LAG_NS = web.RequestKey("lag_ns", int)
"""What a request is given: how far its candles are behind, in ns."""
REVISED_NS = web.RequestKey("revised_ns", int)
"""What a request is given: the broker revises the candle that had ended last at this moment, in wall ns."""


def is_schwab(request: web.Request) -> bool:
    """Whether it is for the second broker, whose refusals have another form."""
    return request.host.partition(":")[0].lower() == SCHWAB_HOST


class NoAnswerError(Exception):
    """The request gets no HTTP answer; its connection is closed or was left hanging."""


async def apply(armed: Armed, now_ns: int, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request as its fault wants it. Raises NoAnswerError for those that send nothing."""
    fault = armed.fault
    retry = {"Retry-After": str(fault.retry_after_seconds)} if fault.retry_after_seconds is not None else None
    match fault.action:
        case "error":
            if is_schwab(request):
                return schwab_refusal(fault.status or 500, "Error", fault.message, headers=retry)
            return refuse(fault.code, fault.message, status=fault.status or 500, headers=retry)
        case "rate_limit":
            if is_schwab(request):
                return schwab_refusal(429, "Too Many Requests", "request limit reached", headers=retry)
            return refuse(-429, "request limit reached", status=429, headers=retry)
        case "block":
            return blocked(request, world_of(request).clock.wall_ns())
        case "slow":
            await asyncio.sleep(fault.delay_seconds)
            return await handler(request)
        case "no_candles":
            symbol = request.query.get("symbol", "")
            return reply(no_candles(symbol) if is_schwab(request) else NO_CANDLES)
        case "candle_lag":
            request[LAG_NS] = int(fault.delay_seconds * NS_PER_SECOND)
            return await handler(request)
        case "revise":
            request[REVISED_NS] = armed.began_at(world_of(request).clock)
            return await handler(request)
        case "hang":
            await _hang(request, armed.left_seconds(now_ns))
        case "reset":
            abort(request.transport, reset=True)
        case "garbage":
            return web.Response(body=armed.noise(DEFAULT_GARBAGE), content_type="application/json")
        case "html":
            text = "<html><head><title>Gateway</title></head><body><h1>Please try again later</h1></body></html>\n"
            return web.Response(text=text, status=fault.status or 502, content_type="text/html")
        case "huge":
            size = DEFAULT_HUGE if fault.size_bytes is None else fault.size_bytes
            return reply({"s": "ok", "d": {}, "message": "x" * size})
        case "truncate":
            return Truncated(await _answer(handler, request), fault.size_bytes)
    raise NoAnswerError(fault.action)


def blocked(request: web.Request, wall_ns: int) -> web.Response:
    """The account is over its limits for the rest of the day; market data is not told until when, as live."""
    left = midnight_ns(to_local(wall_ns).date()) / NS_PER_SECOND + DAY_SECONDS - wall_ns / NS_PER_SECOND
    retry = {"Retry-After": str(int(left) + 1)} if request.path.startswith("/api/") else None
    return refuse(-429, "request limit reached", status=429, headers=retry)


async def _answer(handler: Handler, request: web.Request) -> web.Response:
    response = await handler(request)
    return response if isinstance(response, web.Response) else web.Response(body=dump({}))


def shift_date(response: web.StreamResponse, offset_seconds: float) -> None:
    """Make the server's clock look wrong."""
    moment = datetime.now(UTC) + timedelta(seconds=offset_seconds)
    response.headers["Date"] = format_datetime(moment, usegmt=True)


async def _hang(request: web.Request, seconds: float | None) -> None:
    """Keep the connection without a word until the fault ends or the client leaves."""
    left = LONGEST_HANG if seconds is None else seconds
    while left > 0 and request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(min(left, LOOK_SECONDS))
        left -= LOOK_SECONDS
    abort(request.transport, reset=False)


class Truncated(web.Response):
    """Announces the whole body and closes the connection after a part of it."""

    def __init__(self, whole: web.Response, size: int | None) -> None:
        body = whole.body if isinstance(whole.body, bytes) else b""
        super().__init__(body=body, status=whole.status, content_type="application/json")
        self._sent = len(body) // 2 if size is None else min(size, max(0, len(body) - 1))

    async def write_eof(self, data: bytes = b"") -> None:
        del data
        request, body = self._req, self.body
        if request is None or self._payload_writer is None or not isinstance(body, bytes):
            return
        await self._payload_writer.write(body[: self._sent])
        if request.transport is not None:
            request.transport.close()
