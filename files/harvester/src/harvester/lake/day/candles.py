"""Which candles a day should have: symbols, bars by segment, and their width."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar.bars import BarDay, bar_day
from harvester.calendar.trading import Phase, Session
from harvester.lake.day.segments import DayIndex
from harvester.lake.layout import Partition

FIVE_MINUTES_NS, QUARTER_NS = 300 * NS_PER_SECOND, 900 * NS_PER_SECOND


@dataclass(frozen=True)
class CandlesExpected:
    """What the settings demand of the broker's own candles."""

    symbols: tuple[str, ...] = ()
    width_ns: int = FIVE_MINUTES_NS
    final_after_ns: int = QUARTER_NS
    recorded_phases: tuple[str, ...] = ("pre_open", "continuous", "closing_auction")


@dataclass(frozen=True)
class CandlesOfDay:
    """The same of one day, with what was recorded. `days` are by segment."""

    symbols: frozenset[str] = frozenset()
    width_ns: int = FIVE_MINUTES_NS
    final_after_ns: int = QUARTER_NS
    days: Mapping[str, BarDay] = field(default_factory=dict)

    @property
    def settles_ns(self) -> int:
        """From when on an answer settles the last of them; 0 where none is due."""
        return max((day.settles_ns for day in self.days.values()), default=0) if self.symbols else 0


def find_candles(
    partition: Partition, index: DayIndex, expected: CandlesExpected, phases: Mapping[str, tuple[Phase, ...]]
) -> CandlesOfDay:
    """What of the day is expected, and recorded: in the journal's own resolution where it has answers."""
    symbols = frozenset(expected.symbols).union(index.candles, *(source.candles.values() for source in index.sources))
    width_ns = index.bar_seconds * NS_PER_SECOND or expected.width_ns
    days = {
        segment: bar_day(Session(partition.date, "", own), width_ns, expected.recorded_phases, expected.final_after_ns)
        for segment, own in phases.items()
    }
    return CandlesOfDay(symbols, width_ns, expected.final_after_ns, days if symbols else {})
