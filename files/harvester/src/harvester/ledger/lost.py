"""What is lost of a day: closed gaps by cause, summed over symbols and feeds, from the control records themselves."""

from typing import Any

from harvester.base.market import day_end_ns, midnight_ns, to_local
from harvester.ledger.gaps import Gap


class LostToday:
    """Follows the records of gaps as they are written, or read again at a start. A new day begins at nothing."""

    def __init__(self) -> None:
        self.by_cause: dict[str, int] = {}
        """Nanoseconds of gaps that began on the day, by cause."""
        self._day = ""
        self._day_ns = range(0)
        """The moments of the day: thousands of gaps end at once, and a date is dearer than a comparison."""
        self._opened: dict[str, tuple[int, str]] = {}

    def take(self, record: dict[str, Any]) -> None:
        """Note one control record; those of other things are none of its business."""
        kind = record.get("type")
        if kind == "gap_open":
            self._opened[record["gap_id"]] = (record["from_ns"], record["cause"])
        elif kind == "gap_close" and record["gap_id"] in self._opened:
            from_ns, cause = self._opened.pop(record["gap_id"])
            self._turn(from_ns)
            self.by_cause[cause] = self.by_cause.get(cause, 0) + record["to_ns"] - from_ns

    def checkpoint(self) -> dict[str, Any]:
        """What a `state` record keeps of it, as JSON data; empty where nothing is lost."""
        return {"lost": {"day": self._day, "by_cause": self.by_cause}} if self.by_cause else {}

    def describe(self, day: str) -> dict[str, int]:
        """By cause, of that day alone."""
        return dict(self.by_cause) if day == self._day else {}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint, with the gaps that are open there."""
        kept = state.get("lost", {"day": "", "by_cause": {}})
        self._day, self.by_cause = kept["day"], dict(kept["by_cause"])
        self._day_ns = range(0)
        for each in (state, *state["feeds"].values()):
            self._opened |= {gap.gap_id: (gap.from_ns, gap.cause) for gap in (Gap(*row) for row in each["open"])}

    def _turn(self, from_ns: int) -> None:
        if from_ns in self._day_ns:
            return
        day = to_local(from_ns).date()
        self._day_ns = range(midnight_ns(day), day_end_ns(day))
        if day.isoformat() != self._day:
            self._day, self.by_cause = day.isoformat(), {}
