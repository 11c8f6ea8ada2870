"""Days that a backfill brought: the broker's bars alone, whose hours are the calendar's."""

from functools import cached_property

from harvester.base.market import day_end_ns, midnight_ns
from harvester.lake.layout import CANDLES, HISTORY
from harvester.reader.days import Day, Table
from harvester.reader.sessions import CONTINUOUS, calendar_of


class HistoryDay(Day):
    """The partition of one day: nothing of it was recorded on the day, so its window is the whole of it."""

    def windows(self, segment: str) -> list[tuple[int, int]]:
        return [(midnight_ns(self.date, self.market), day_end_ns(self.date, self.market))]

    def tables(self, logical: str) -> list[Table]:
        """Its candles are those of the table history."""
        return super().tables(HISTORY if logical == CANDLES else logical)

    @cached_property
    def phases(self) -> dict[str, list[tuple[str, int, int]]]:
        """The calendar's; where it has no facts, or no session, all of the day counts as continuous trading."""
        (whole,) = self.windows("")
        found = {}
        for segment in set(self.segments.values()):
            session = calendar_of(segment, self.market).session(self.date)
            found[segment] = [tuple(phase) for phase in session.phases] if session else [(CONTINUOUS, *whole)]
        return found
