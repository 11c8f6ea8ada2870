"""A socket feed as the recorder sees it: wanted or not, up or down, with all its connections."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from harvester.base.errors import HarvesterError
from harvester.base.redaction import one_line
from harvester.brokers.fyers.adapter import Tally
from harvester.capture.streams.context import Desk
from harvester.capture.streams.group import Line
from harvester.journal.format import FEED_NAMES
from harvester.ledger.streams import Reason
from harvester.net.backoff import Backoff

log = structlog.get_logger()
NewLines = Callable[[], Awaitable[list[Line]]]
"""Makes the feed's lines. Raises HarvesterError when what they need to know cannot be had now."""


class StreamFeed:
    """Starts and stops the lines of one feed, one after the other."""

    def __init__(
        self,
        desk: Desk,
        new_lines: NewLines,
        *,
        topics: Callable[[], dict[str, list[str]]] = dict,
        recall: Callable[[dict[str, list[str]]], None] = lambda _: None,
    ) -> None:
        """`topics` tells what was looked up, `recall` takes in what an earlier run of the day had looked up."""
        self.topics = topics
        self.desk = desk
        self.number = desk.feed
        self.name = FEED_NAMES[desk.feed]
        self.ledger = desk.ledger
        self.recall = recall
        self._new_lines = new_lines
        self._lines: list[Line] = []
        self._past: dict[str, Tally] = {}
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._rotating: asyncio.Task[None] | None = None
        self._hanging_up = asyncio.Lock()
        self._began_ns = 0

    @property
    def is_running(self) -> bool:
        return self._starting is not None

    def follow(self, *, wanted: bool, reason: Reason) -> None:
        """Start when wanted, stop with this reason when not; returns at once."""
        if self._stopping and not self._stopping.done():
            return
        if wanted and not self.is_running:
            self._began_ns = self.desk.clock.mono_ns()
            self._starting = self._beside(self._begin())
        elif not wanted and self.is_running:
            self._stopping = self._beside(self.stop(reason))

    def change_token(self) -> None:
        """A new token was adopted: move to it."""
        if self._rotating is None or self._rotating.done():
            self._rotating = self._beside(self._rotate())

    async def stop(self, reason: Reason) -> None:
        """Hang up everywhere, and close the books; returns when that is done, also where it was being done already."""
        async with self._hanging_up:
            for task in (self._rotating, self._starting):
                if task:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            self._rotating = self._starting = None
            await asyncio.gather(*(line.stop(reason) for line in self._lines))
            self._past = self.tallies()
            self._lines = []
            self.desk.explain(self.ledger.symbols, self.desk.clock.wall_ns(), reason)

    def down_for(self) -> int:
        """For how long, in ns, the line that is down longest has been down; 0: all are up."""
        if not self._lines:
            return self.desk.clock.mono_ns() - self._began_ns if self.is_running else 0
        return max(line.down_for() for line in self._lines)

    def tallies(self) -> dict[str, Tally]:
        """What came by symbol since the start of the recorder."""
        total = dict(self._past)
        for line in self._lines:
            for symbol, tally in line.tallies().items():
                before = total.get(symbol, Tally(0, 0))
                total[symbol] = Tally(before.updates + tally.updates, max(before.last_ns, tally.last_ns))
        return total

    def standing(self) -> dict[int, tuple[list[str], int]]:
        """Of each open connection by stream: its symbols, and the wall ns of its last message."""
        return {stream: standing for line in self._lines for stream, standing in line.standing().items()}

    def describe(self) -> dict[str, Any]:
        """The feed's part of the status file."""
        connections = [connection for line in self._lines for connection in line.describe()]
        return {"running": self.is_running, "down_ns": self.down_for(), "connections": connections}

    async def _begin(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._lines = await self._new_lines()
                break
            except HarvesterError as error:
                detail = one_line(error, 300)
                log.error("feed_not_started", feed=self.name, detail=detail)
                self.desk.explain(self.ledger.symbols, self.desk.clock.wall_ns(), Reason("disconnect", detail))
                await asyncio.sleep(backoff.fail("disconnect"))
        for line in self._lines:
            line.start()

    def _beside(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """A task of which nobody need wait for the end."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: "asyncio.Task[None]") -> None:
        """Only a defect makes one of these tasks fail; a start that did is made again."""
        if task.cancelled() or not (error := task.exception()):
            return
        log.error("feed_failed", feed=self.name, exc_info=error)
        if task is self._starting:
            self._starting = None

    async def _rotate(self) -> None:
        for line in self._lines:
            await line.change_token()
