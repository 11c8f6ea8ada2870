"""The bars of a trading day for each symbol, by the calendar of its segment."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property

from harvester.calendar import TradingCalendar
from harvester.calendar.bars import NO_BARS, BarDay, bar_day
from harvester.config.segments import find_segments
from harvester.config.settings import Settings


class DayHours:
    """Of one day of one host."""

    def __init__(self, settings: Settings, calendar: TradingCalendar, day: date, width_ns: int = 0) -> None:
        """`width_ns` of a bar; 0: as the settings have candles."""
        self._settings, self._calendar, self._day = settings, calendar, day
        self._width_ns = width_ns or settings.candles.width_ns

    @cached_property
    def _segments(self) -> Mapping[str, str]:
        return find_segments(self._settings)

    @cached_property
    def _days(self) -> dict[str, BarDay]:
        candles, phases = self._settings.candles, self._settings.calendar.phases
        return {
            segment: bar_day(
                self._calendar.of(segment).session(self._day), self._width_ns, phases, candles.final_after_ns
            )
            for segment in set(self._segments.values())
            if segment in self._calendar.segments
        }

    def of(self, symbol: str) -> BarDay:
        """The bars of a symbol that are due."""
        return self._days.get(self._segments.get(symbol, ""), NO_BARS)

    def in_session(self, symbol: str) -> frozenset[int]:
        """Their begins."""
        return frozenset(bar.begin_ns for bar in self.of(symbol).bars)
