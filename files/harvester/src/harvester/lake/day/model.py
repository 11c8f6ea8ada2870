"""One day: what its journal holds, and what settings and calendar expected of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from harvester.base.market import to_local
from harvester.calendar import NSE_CASH
from harvester.calendar.trading import Phase
from harvester.journal.format import STREAMS
from harvester.lake.day.candles import CandlesExpected, CandlesOfDay, find_candles
from harvester.lake.day.damage import find_damage
from harvester.lake.day.earlier import Earlier
from harvester.lake.day.events import Events, read_events
from harvester.lake.day.intervals import union
from harvester.lake.day.quarantine import Kept
from harvester.lake.day.segments import NEVER, DayIndex
from harvester.lake.day.slots import Grid, Window, build_grid
from harvester.lake.layout import Partition


@dataclass(frozen=True)
class Expectation:
    """What settings and calendar demand of a day. Times are wall ns."""

    symbols: tuple[str, ...]
    windows: tuple[Window, ...]
    interval_ns: int | None
    """From one poll of a symbol to the next; None when no polls are scheduled."""
    grace_ns: int
    """Time from a slot until the answer to its poll is in the journal, at most."""
    sockets: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Symbols that each socket should have data of, by number of the feed."""
    segments: dict[str, str] = field(default_factory=dict)
    """Segment of each symbol that is not of NSE cash, which `windows` are of."""
    phases: dict[str, tuple[Phase, ...]] = field(default_factory=dict)
    """Phases of the day by segment, as the calendar has them."""
    masters: Path | None = None
    """The directory of the symbol masters by day, if there is one."""
    segment_windows: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    """Windows of the other segments."""
    candles: CandlesExpected = field(default_factory=CandlesExpected)
    """The broker's own candles."""


@dataclass(frozen=True)
class Day:
    """A day's journal, interpreted."""

    partition: Partition
    index: DayIndex
    events: Events
    grids: dict[str, Grid]
    """Windows and slots by segment; there is always one of NSE cash."""
    segments: dict[str, str]
    """Segment of each symbol that is not of NSE cash."""
    symbols: frozenset[str]
    """Those polled: expected or recorded."""
    sockets: dict[int, frozenset[str]]
    """Those of each socket: expected, or named by a connection or a gap."""
    candles: CandlesOfDay
    """The broker's own candles that are due, or recorded."""
    earlier: Earlier
    """What runs that began before the day say of it."""

    @property
    def windows(self) -> list[Window]:
        """When any segment is recorded."""
        return union(window for grid in self.grids.values() for window in grid.windows)

    def segment_of(self, symbol: str) -> str:
        """The segment of a symbol of the day."""
        return self.segments.get(symbol, NSE_CASH)

    def grid_of(self, symbol: str) -> Grid:
        """Windows and slots of a symbol."""
        return self.grids[self.segment_of(symbol)]


def read_day(
    partition: Partition,
    index: DayIndex,
    expectation: Expectation,
    earlier: Earlier | None = None,
    kept: Sequence[Kept] = (),
    until_ns: int = NEVER,
) -> Day:
    """The day of an index and an expectation, with what earlier days and the journal's quarantine have of it.

    Of a day that is not over, windows end at `until_ns`, where they have not ended before.
    """
    earlier = earlier or Earlier()
    events = read_events(index, earlier)
    stopped = frozenset(run.run_id for run in events.runs if run.stopped)
    events.damage = find_damage(index, events.uninterpreted, kept, earlier.begun, stopped)
    grids, segments = find_grids(partition.date, events, expectation, until_ns)
    symbols = frozenset(expectation.symbols).union(index.symbols, *(run.symbols for run in events.runs))
    sockets = {
        feed: frozenset(expectation.sockets.get(feed, ())).union(
            events.gaps.symbols_of(feed), *(each.symbols for each in events.connections if each.feed == feed)
        )
        for feed in STREAMS
    }
    candles = find_candles(partition, index, expectation.candles, expectation.phases)
    return Day(partition, index, events, grids, segments, symbols, sockets, candles, earlier)


def find_grids(
    day: date, events: Events, expectation: Expectation, until_ns: int = NEVER
) -> tuple[dict[str, Grid], dict[str, str]]:
    """Windows and slots by segment, and the segment of each symbol that is not of NSE cash."""
    recorded = [
        window._replace(close_ns=min(window.close_ns, until_ns))
        for window in events.windows
        if _date_of(window.open_ns) == day and window.open_ns < until_ns
    ]
    segments = dict(expectation.segments)
    for window in recorded:
        segments |= dict.fromkeys(window.symbols, window.segment)
    named = dict.fromkeys((NSE_CASH, *expectation.segment_windows, *segments.values(), *(w.segment for w in recorded)))
    calendar = {**expectation.segment_windows, NSE_CASH: expectation.windows}
    grids = {
        segment: build_grid(
            [window for window in recorded if window.segment == segment],
            [(opens, min(closes, until_ns)) for opens, closes in calendar.get(segment, ()) if opens < until_ns],
            expectation.interval_ns,
            [polling for polling in events.pollings if polling.segment == segment],
        )
        for segment in named
    }
    return grids, segments


def _date_of(wall_ns: int) -> date | None:
    try:
        return to_local(wall_ns).date()
    except (OverflowError, ValueError, OSError):
        return None
