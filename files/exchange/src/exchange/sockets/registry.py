"""All connections to the sockets of one exchange, and the feeds behind them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Protocol

from aiohttp import web

from exchange.faults import FaultSchedule
from exchange.options import SocketRules
from exchange.sockets.connection import Connection
from exchange.sockets.disorder import Disorder
from exchange.sockets.feeds import Client, HsmFeed, TbtFeed
from exchange.sockets.tbt_client import TbtClient
from harvester.base.clock import Clock

REMEMBERED = 1000
"""Connections that are over and still shown."""
DRAINED_BYTES = 256 * 1024
TBT_CONNECTIONS = 3
"""Of one app and user (Fyers API docs, TBT)."""
log = logging.getLogger("exchange")


class Feeds(Protocol):
    """Where the sockets' data come from."""

    @property
    def hsm(self) -> HsmFeed: ...

    @property
    def tbt(self) -> TbtFeed: ...

    def tasks(self) -> list[Coroutine[object, object, None]]:
        """What has to run while the exchange does."""
        ...

    def forget(self) -> None:
        """The calendar has changed."""
        ...


class Sockets:
    """`keep` is a directory for the frames as sent, or None."""

    def __init__(
        self, feeds: Feeds, clock: Clock, rules: SocketRules, faults: FaultSchedule, keep: Path | None
    ) -> None:
        self.feeds = feeds
        self.rules = rules
        self._clock = clock
        self._faults = faults
        self._keep = keep
        self._count = 0
        self._clients: dict[Client, Disorder] = {}
        self._over: deque[dict[str, object]] = deque(maxlen=REMEMBERED)
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the feeds run."""
        for work in self.feeds.tasks():
            task = asyncio.create_task(work)
            task.add_done_callback(_loudly)
            self._running.append(task)

    async def stop(self) -> None:
        """End the feeds."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def connection(self, feed: str, request: web.Request) -> Connection:
        """A new connection of `feed` (fyers-hsm or fyers-tbt)."""
        self._count += 1
        path = self._keep / f"{self._count}-{feed}.frames" if self._keep else None
        return Connection(self._count, feed, request, self._clock, path, self.rules.slow_bytes)

    @contextlib.contextmanager
    def serving(self, client: Client) -> Iterator[Disorder]:
        """List the client while its handler runs; yields the faults that apply to it."""
        self._clients[client] = disorder = Disorder(self._faults, client)
        try:
            yield disorder
        finally:
            client.leave()
            del self._clients[client]
            self._over.append(_describe(client))

    def has_room_for_depth(self) -> bool:
        """Whether one more 50-level connection is allowed."""
        return sum(isinstance(client, TbtClient) for client in self._clients) < TBT_CONNECTIONS

    def drop_refused(self) -> None:
        """End the connections whose token is no longer good."""
        for client in list(self._clients):
            if client.connection.closed_ns is None and not client.is_let_in():
                client.connection.abort("token no longer good")

    def disturb(self) -> None:
        """Begin and end the faults of whole connections."""
        for disorder in list(self._clients.values()):
            disorder.look()

    async def drained(self, most: int = DRAINED_BYTES) -> None:
        """Wait until no client has more than `most` bytes in its queue."""
        for client in list(self._clients):
            await client.connection.drained(most)

    def end_all(self) -> None:
        """The exchange stops: all connections break off."""
        for client in list(self._clients):
            client.connection.abort("exchange stopped")

    def describe(self) -> list[dict[str, object]]:
        """All connections, those that are over first."""
        return [*self._over, *map(_describe, self._clients)]


def _describe(client: Client) -> dict[str, object]:
    client.connection.sent.flush()
    return {**client.connection.describe(), **client.describe()}


def _loudly(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception():
        log.critical("a feed of the sockets has failed", exc_info=task.exception())
