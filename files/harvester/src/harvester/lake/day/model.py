"""One day: what its journal holds, and what settings and calendar expected of it."""

from dataclasses import dataclass, field
from datetime import date

from harvester.base.clock import to_ist
from harvester.journal.format import SOCKETS
from harvester.lake.day.events import Events, read_events
from harvester.lake.day.segments import DayIndex
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


@dataclass(frozen=True)
class Day:
    """A day's journal, interpreted."""

    partition: Partition
    index: DayIndex
    events: Events
    grid: Grid
    symbols: frozenset[str]
    """Those polled: expected or recorded."""
    sockets: dict[int, frozenset[str]]
    """Those of each socket: expected, or named by a connection or a gap."""


def read_day(partition: Partition, index: DayIndex, expectation: Expectation) -> Day:
    """The day of an index and an expectation."""
    events = read_events(index)
    recorded = [window for window in events.windows if _date_of(window.open_ns) == partition.date]
    grid = build_grid(recorded, expectation.windows, expectation.interval_ns, events.pollings)
    symbols = frozenset(expectation.symbols).union(index.symbols, *(run.symbols for run in events.runs))
    sockets = {
        feed: frozenset(expectation.sockets.get(feed, ())).union(
            *(each.symbols for each in (*events.connections, *events.gaps) if each.feed == feed)
        )
        for feed in SOCKETS
    }
    return Day(partition, index, events, grid, symbols, sockets)


def _date_of(wall_ns: int) -> date | None:
    try:
        return to_ist(wall_ns).date()
    except (OverflowError, ValueError, OSError):
        return None
