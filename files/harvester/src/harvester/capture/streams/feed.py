"""A streamed feed: wanted or not, up or down, with its connection groups."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

import structlog

from harvester.base.errors import HarvesterError
from harvester.base.redaction import one_line
from harvester.brokers.protocol import NOTHING, StreamSource, SymbolTally
from harvester.capture.feed import Feed, SymbolCounters, Turn
from harvester.capture.history import ReplayedFeed
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.group import ConnectionGroup
from harvester.journal.format import FEED_NAMES
from harvester.ledger.outage import Cause, Outage
from harvester.net.backoff import Backoff

log = structlog.get_logger()
BETWEEN = Outage("not_started", "between windows the sockets are closed")
NOT_LISTED = Outage("not_listed", "the broker's symbol master does not list it, or not for its data socket")


class StreamFeed(Feed):
    """Starts and stops the connection groups of one feed, one after the other."""

    def __init__(self, context: FeedContext, source: StreamSource) -> None:
        self.number = context.feed
        self.name = FEED_NAMES[context.feed]
        self.ledger = context.ledger
        self.ledgers = context.ledger.parts
        self._context = context
        self._source = source
        self._groups: list[ConnectionGroup] = []
        self._group_of: dict[str, ConnectionGroup] = {}
        self._past: dict[str, SymbolTally] = {}
        """Of groups that are no more."""
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._rotating: asyncio.Task[None] | None = None
        self._close_lock = asyncio.Lock()
        self._began_ns = 0
        self._held_by: Cause | None = None

    @property
    def is_running(self) -> bool:
        return self._starting is not None

    @property
    def connections(self) -> list[StreamConnection]:
        """The connections that are in use, or were since the feed was started."""
        both = [connection for group in self._groups for connection in group.connections]
        return [connection for connection in both if connection.is_running or connection.attempt]

    @property
    def messages(self) -> int:
        return sum(connection.counts()[0] for connection in self.connections)

    def follow(self, turn: Turn) -> None:
        """Connect when a window is near and nothing is held, else close."""
        if self._stopping and not self._stopping.done():
            return
        is_wanted = turn.is_near and turn.hold is None
        if is_wanted and not self.is_running:
            self._began_ns = self._context.clock.mono_ns()
            self._starting = self._run_beside(self._begin())
        elif not is_wanted and self.is_running:
            self._stopping = self._run_beside(self.stop(turn.hold or BETWEEN))
        self._follow_hold(turn.hold)

    def _follow_hold(self, hold: Outage | None) -> None:
        """A hold is the cause of what is not live, whatever the feed does; one that is over before a window is none."""
        cause = hold.cause if hold else None
        if cause != self._held_by and (hold or not self.is_running):
            self._mark_cause(self.ledger.symbols, hold or BETWEEN)
        self._held_by = cause

    def change_token(self) -> None:
        if self._rotating is None or self._rotating.done():
            self._rotating = self._run_beside(self._rotate())

    async def stop(self, outage: Outage) -> None:
        """Close all connections and account for them; returns when that is done, also where it was under way."""
        async with self._close_lock:
            for task in (self._rotating, self._starting):
                if task:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            self._rotating = self._starting = None
            await asyncio.gather(*(group.stop(outage) for group in self._groups))
            self._past = {symbol: self._tally(symbol) for symbol in self.ledger.symbols}
            self._groups, self._group_of = [], {}
            self._mark_cause(self.ledger.symbols, outage)

    def down_for(self) -> int:
        """For how long, in ns, the group that is down longest has been down; 0: all are up."""
        if not self._groups:
            return self._context.clock.mono_ns() - self._began_ns if self.is_running else 0
        return max(group.down_for() for group in self._groups)

    def recall(self, history: ReplayedFeed) -> None:
        self._source.recall(history.topics)

    def checkpoint(self) -> dict[str, Any]:
        """Of each open connection by stream, its symbols and the wall ns of its last message; topics, open gaps."""
        streams = {
            connection.stream: (list(connection.symbols), connection.socket.last_wall_ns)
            for group in self._groups
            for connection in group.connections
            if connection.socket and connection.is_open
        }
        return {"streams": streams, "topics": self._source.topics(), **self.ledger.checkpoint()}

    @property
    def symbols(self) -> Collection[str]:
        return self.ledger.symbols

    def count(self, symbol: str) -> SymbolCounters:
        updates, last_ns = self._tally(symbol)
        return SymbolCounters(updates=updates, last_recv_ns=last_ns or None)

    def _tally(self, symbol: str) -> SymbolTally:
        """The symbol's tally since the start of the recorder."""
        past, group = self._past.get(symbol, NOTHING), self._group_of.get(symbol)
        return past.plus(group.tally(symbol)) if group else past

    async def _begin(self) -> None:
        backoff = Backoff()
        while True:
            try:
                plans = await self._source.plan()
                break
            except HarvesterError as error:
                detail = one_line(error, 300)
                log.error("feed_not_started", feed=self.name, detail=detail)
                self._mark_cause(self.ledger.symbols, Outage("disconnect", detail))
                await asyncio.sleep(backoff.fail("disconnect"))
        planned = {symbol for plan in plans for symbol in plan.symbols}
        self._mark_cause([symbol for symbol in self.ledger.symbols if symbol not in planned], NOT_LISTED)
        self._groups = [ConnectionGroup(number, plan, self._context) for number, plan in enumerate(plans)]
        self._group_of = {
            symbol: group for plan, group in zip(plans, self._groups, strict=True) for symbol in plan.symbols
        }
        for group in self._groups:
            group.start()

    def _mark_cause(self, symbols: list[str], outage: Outage) -> None:
        self._context.mark_cause(symbols, self._context.clock.wall_ns(), outage)

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run `work` in a task whose failure is logged."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: "asyncio.Task[None]") -> None:
        """Log the failure of a task, which only a defect causes; after a failed start another is made."""
        if task.cancelled() or not (error := task.exception()):
            return
        log.error("feed_failed", feed=self.name, exc_info=error)
        if task is self._starting:
            self._starting = None

    async def _rotate(self) -> None:
        for group in self._groups:
            async with self._context.replacing:
                await group.change_token()
