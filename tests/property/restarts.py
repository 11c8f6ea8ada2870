"""Runs of the recorder on one day, each with a configuration of its own, and what was received when, kept beside.

All is the recorder's but the network: `Group` stands for a connection group, with sockets that do as told. What it
saw is what the oracle knows; nothing of the oracle comes from a journal but the moment of a killed run's last record.
"""

import os
import ssl
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock, patch

from tests.property.restart_groups import ABSENT, NAMES, SEEN, STOPPED, UNSERVED, Fates, Group
from tests.property.test_recorder_slots import DAY, OPEN_NS
from tests.recorder.bench import GOOD, Behaviour, Bench, hand_over, running
from tests.recorder.fakes import FakeClock, make_calendar, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.access import Access
from harvester.brokers.protocol import GroupPlan
from harvester.calendar import NSE_CASH
from harvester.capture.context import TradingState
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.feed import StreamFeed
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM
from harvester.journal.reader import read_segment
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger

CALENDARS = (((0, 40),), ((0, 16), (22, 40)), ((0, 48),))
"""Windows in seconds after 10:00:00."""
LAST_NS = OPEN_NS + 48 * NS_PER_SECOND
EDGE_NS = 5_500_000_000
"""What a poll's slot may be away from its end, with the longest interval of a plan."""
STOPPED_BEFORE = "stopped before the window"
"""No run was there as the window opened: the next one began late, and where there is none, the last was stopped.

Where the next run's calendar has no break there, the run before it had ended.
"""
SAME = {
    STOPPED_BEFORE: {"not_started", "not_running", "stopped"},
    ABSENT: {"not_running", "not_started", "mute"},
    UNSERVED: {"not_running", "not_started", "stopped"},
}
"""Causes that say the same of a time: no run was there, or it served other symbols."""


class Plan(NamedTuple):
    """The configuration of one run, and what happens in it."""

    polled: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    interval: int
    calendar: int
    steps: tuple[tuple[Any, ...], ...]
    end: str
    pause: float


class World:
    """The day, through all its runs."""

    def __init__(self, directory: Path, start: float, troubles: dict[tuple[str, int], str]) -> None:
        self.directory = directory
        self.clock = FakeClock(OPEN_NS + int(start * NS_PER_SECOND))
        self.fates, self.polls = Fates(), Fates()
        self.seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.received: dict[int, dict[str, int]] = defaultdict(dict)
        """By connection: when each symbol's first snapshot came."""
        self.vague: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """Two sockets delivered the symbol: from when, in which run."""
        self.lives: list[tuple[int, int]] = []
        self.sockets: list[Any] = []
        self.groups: list[Group] = []
        self.answered: dict[tuple[str, int], str] = {}
        """By symbol and slot: data, or the cause that its poll met."""
        self.run_number = 0
        self.is_full = self.is_killed = False
        self.holds: list[tuple[int, int]] = []
        self._troubles = troubles
        self.calendars: set[int] = set()
        self._config = make_settings(directory)
        hand_over(self._config, self.clock)

    async def play(self, plan: Plan, *, is_last: bool) -> None:
        """One start of the recorder, to its end."""
        config = self._configure(plan)
        served = {symbol for group in plan.groups for symbol in group}
        self.groups, self._config, began_ns = [], config, self.clock.wall_ns()
        self.is_killed = False
        feeds = [self._feed(plan)] if plan.groups else []
        self._begin(self.fates, served)
        self._begin(self.polls, set(plan.polled))
        for symbol in plan.polled:
            self.polls.turn(symbol, began_ns, SEEN)
        with self._around():
            async with running(config, self.clock, self._script, feeds) as bench:
                for feed in feeds:
                    feed._context.sink = bench.sink
                for what, *how in plan.steps:
                    await self._step(bench, what, how)
                while is_last and self.clock.wall_ns() < LAST_NS + 5 * NS_PER_SECOND:
                    await self._pass(bench, 5)
                ended_ns = await self._end(bench, plan, "stop" if is_last else plan.end)
        self.lives.append((began_ns, ended_ns))
        self.clock.freeze(plan.pause)
        self.run_number += 1

    def poll_fate(self, symbol: str, slot_ns: int) -> str | None:
        """Data, or the cause of the slot's absence.

        None where a poll was under way as something else began, and where the runs' calendars differ: at the slot, or
        over whether a cause arose in its window.
        """
        near = EDGE_NS
        since_ns, fate = self.polls.at(symbol, slot_ns)
        if not self.is_due(slot_ns, slot_ns):
            return None
        begun = [life for life in self.lives if life[0] <= slot_ns < life[1]]
        if begun and fate != UNSERVED:
            if slot_ns + near >= begun[0][1]:
                return None
            if (symbol, slot_ns) in self.answered:
                return self.answered[symbol, slot_ns]
            holds = [hold for hold in self.holds if hold[0] + near <= slot_ns < hold[1]]
            is_known = any(len(self.calendars) == 1 or self.is_due(hold[0], slot_ns) for hold in holds)
            return "disk_full" if is_known else None
        if fate == STOPPED and not self.is_due(since_ns, slot_ns):
            fate = STOPPED_BEFORE
        edges = [moment for life in self.lives for moment in life]
        return None if any(abs(slot_ns - edge) <= near for edge in edges) else fate

    def knows(self, symbol: str, since_ns: int, moment: int) -> bool:
        """Whether the cause since `since_ns` is known: it arose in the same window, by the calendar of every run.

        When two sockets delivered a symbol, the cause of what both missed is that of either.
        """
        twice = [(begin, self.lives[run][1]) for begin, run in self.vague[symbol]]
        return self.is_due(since_ns, moment) and not any(begin <= since_ns <= end for begin, end in twice)

    def is_due(self, from_ns: int, to_ns: int) -> bool:
        """Whether both moments lie in one window, by the calendar of every run."""
        calendars = [CALENDARS[number] for number in self.calendars]
        since, until = from_ns - OPEN_NS, to_ns - OPEN_NS
        return all(any(a * NS_PER_SECOND <= since and until < b * NS_PER_SECOND for a, b in each) for each in calendars)

    def _configure(self, plan: Plan) -> Settings:
        path = self.directory / f"calendar-{plan.calendar}.json"
        times = [[f"10:00:{second:02}" for second in window] for window in CALENDARS[plan.calendar]]
        file = make_calendar(path, DAY, {"continuous": times})
        self.calendars.add(plan.calendar)
        names = [name for name, used in (("fyers-rest", plan.polled), ("fyers-hsm", plan.groups)) if used]
        return make_settings(
            self.directory,
            symbols=list(plan.polled or NAMES),
            feeds=names,
            poll={"interval_seconds": float(plan.interval)},
            calendar={"file": str(file)},
            journal={"segment_seconds": 5},
        )

    def _feed(self, plan: Plan) -> StreamFeed:
        symbols = tuple(symbol for group in plan.groups for symbol in group)
        unset: Any = None
        source = Mock(symbols=symbols)
        source.topics.return_value = {}

        async def make_plan() -> list[GroupPlan]:
            return [GroupPlan(group, unset) for group in plan.groups]

        source.plan = make_plan
        ledger = StreamLedger(f"run{self.run_number}", FYERS_HSM, symbols)
        access, trading, tls = Access(self._config.limits), TradingState(), ssl.create_default_context()
        ledgers, stale_ns = SegmentLedgers({NSE_CASH: ledger}), 60 * NS_PER_SECOND
        context = FeedContext(FYERS_HSM, Mock(), ledgers, access, self.clock, tls, stale_ns, trading)
        return StreamFeed(context, source)

    def _begin(self, fates: Fates, served: set[str]) -> None:
        """A run without the symbol is another cause than what was before."""
        for symbol in NAMES:
            if symbol not in served:
                fates.turn(symbol, self.clock.wall_ns(), UNSERVED)

    @contextmanager
    def _around(self) -> Iterator[None]:
        real = os.statvfs

        def statvfs(path: str) -> os.statvfs_result:
            values = list(real(path))
            return os.statvfs_result([*values[:4], 1 if self.is_full else 1 << 30, *values[5:]])

        with (
            patch("harvester.capture.streams.feed.ConnectionGroup", partial(Group, self)),
            patch("os.statvfs", statvfs),
        ):
            yield

    def _script(self, symbol: str, slot_ns: int) -> Behaviour:
        cause: Any = self._troubles.get((symbol, (slot_ns - OPEN_NS) // NS_PER_SECOND))
        self.answered[symbol, slot_ns] = cause or "data"
        return Behaviour(0.02, cause, 500) if cause else GOOD

    async def _step(self, bench: Bench, what: str, how: list[Any]) -> None:
        if what == "run":
            await self._pass(bench, how[0])
        elif what == "hold":
            self.is_full, began_ns = True, self.clock.wall_ns()
            await self._pass(bench, how[0])
            self.is_full = False
            self.holds.append((began_ns, self.clock.wall_ns()))
        else:
            await self.clock.advance(0)
            side, symbol = how
            for group in self.groups:
                if symbol in group.symbols:
                    getattr(group, what)(side, symbol)

    async def _pass(self, bench: Bench, seconds: float) -> None:
        """Time passes, and frames come; groups that a hold has replaced have no sockets."""
        while seconds > 0:
            await self.clock.advance(min(seconds, 1))
            seconds = round(seconds - 1, 3)
            for group in self.groups:
                for side in (0, 1):
                    group.frame(side)

    async def _end(self, bench: Bench, plan: Plan, how: str) -> int:
        """Up to when the run is known to have lived: of a killed one, its last record."""
        await self.clock.advance(0)
        now = self.clock.wall_ns()
        served = {symbol for group in plan.groups for symbol in group}
        if how == "stop":
            await bench.stop()
            for symbol in plan.polled:
                self.polls.turn(symbol, now, STOPPED)
            for symbol in served:
                if self.fates.at(symbol, now)[1] != STOPPED:
                    self.fates.turn(symbol, now, STOPPED)
            return now
        for group in self.groups:
            for socket in group.sockets():
                group.forget(socket, socket.last_wall_ns, ABSENT)
        self.is_killed = True
        await bench.kill()
        last_ns = self._last_record()
        for symbol in served:
            if self.fates.at(symbol, last_ns)[1] not in (ABSENT, STOPPED):
                self.fates.turn(symbol, last_ns, ABSENT)
        for symbol in plan.polled:
            self.polls.turn(symbol, last_ns, ABSENT)
        return last_ns

    def _last_record(self) -> int:
        paths = self._config.journal_dir.glob("*/*")
        return max(record.wall_ns for path in paths if path.is_file() for record in read_segment(path))
