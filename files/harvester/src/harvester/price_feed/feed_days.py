"""The trading days that functions know, from the file that their build wrote. Needs the standard library alone.

{"from", "until", "symbols": {ticker: segment}, "days": {segment: {date: {"trading": [[opens, closes]], "settles"}}}}
with moments in seconds since 1970.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from harvester.base.bars import cut_bars
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError

BAR_SECONDS = 300
WIDTH_NS = BAR_SECONDS * NS_PER_SECOND


class Hours(NamedTuple):
    """Spans of continuous trading, and from when on an answer settles the day's bars; wall ns."""

    trading: list[tuple[int, int]]
    settles_ns: int


class FeedDays:
    """Symbols and their hours, day by day."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.symbols: list[str] = list(content["symbols"])

    def hours(self, day: date) -> dict[str, Hours]:
        """Of each segment that trades on that day. Raises HarvesterError for a day that is not known."""
        first, last = self._content["from"], self._content["until"]
        if not first <= day.isoformat() <= last:
            raise HarvesterError(
                f"{day}: the days from {first} to {last} are known; for later ones run site.yml again."
            )
        return {
            segment: Hours(
                [(opens * NS_PER_SECOND, closes * NS_PER_SECOND) for opens, closes in days[day.isoformat()]["trading"]],
                days[day.isoformat()]["settles"] * NS_PER_SECOND,
            )
            for segment, days in self._content["days"].items()
            if day.isoformat() in days
        }

    def span(self, day: date) -> tuple[int, int] | None:
        """When the first trading begins and the last bars settle, in wall ns; None: no segment trades."""
        hours = self.hours(day).values()
        if not hours:
            return None
        return min(each.trading[0][0] for each in hours), max(each.settles_ns for each in hours)

    def bars(self, day: date) -> dict[str, dict[int, int]]:
        """By symbol, the end of each bar that is due by its begin, in wall ns."""
        of_segment = {segment: cut_bars(each.trading, WIDTH_NS) for segment, each in self.hours(day).items()}
        return {symbol: of_segment.get(segment, {}) for symbol, segment in self._content["symbols"].items()}
