"""One day as the close sees it: what its journal says, beside what settings and calendar expected."""

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
    """What a day should have had, apart from what its journal says: from settings and calendar."""

    symbols: tuple[str, ...]
    windows: tuple[Window, ...]
    interval_ns: int | None
    """From one poll of a symbol to the next; None when no polls are scheduled."""
    grace_ns: int
    """How long a poll may take until its answer is in the journal."""
    sockets: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Symbols that the sockets should bring, by number of the feed."""


@dataclass(frozen=True)
class Day:
    """A day's journal, interpreted."""

    partition: Partition
    index: DayIndex
    events: Events
    grid: Grid
    symbols: tuple[str, ...]
    """Those polled."""
    sockets: dict[int, tuple[str, ...]]
    """Those of each socket, expected or served."""


def read_day(partition: Partition, index: DayIndex, expectation: Expectation) -> Day:
    """Put an index and an expectation together. Symbols are those expected and those recorded."""
    events = read_events(index)
    recorded = [window for window in events.windows if _date_of(window.open_ns) == partition.date]
    grid = build_grid(recorded, expectation.windows, expectation.interval_ns, events.pollings)
    symbols = {*expectation.symbols, *index.symbols, *(name for run in events.runs for name in run.symbols)}
    sockets = {feed: tuple(sorted({*expectation.sockets.get(feed, ()), *_recorded(events, feed)})) for feed in SOCKETS}
    return Day(partition, index, events, grid, tuple(sorted(symbols)), sockets)


def _recorded(events: Events, feed: int) -> set[str]:
    """Symbols that connections or gaps of the feed name."""
    return events.connections.symbols(feed) | {
        symbol for gap in events.gaps if gap.feed == feed for symbol in gap.symbols
    }


def _date_of(wall_ns: int) -> date | None:
    try:
        return to_ist(wall_ns).date()
    except (OverflowError, ValueError, OSError):
        return None
