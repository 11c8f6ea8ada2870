"""How late polls start."""

from array import array

from harvester.base.clock import NS_PER_MS

KEPT = 5000


class Deviations:
    """Start of each poll minus its schedule, in ns: the last `KEPT` for percentiles, and the largest of all."""

    def __init__(self) -> None:
        self._recent = array("q")
        self._next = 0
        self._largest = 0

    def add(self, deviation_ns: int) -> None:
        """Take in one poll's start minus its schedule."""
        size = abs(deviation_ns)
        self._largest = max(self._largest, size)
        if len(self._recent) < KEPT:
            self._recent.append(size)
        else:
            self._recent[self._next] = size
            self._next = (self._next + 1) % KEPT

    def describe(self) -> dict[str, float | None]:
        """p50, p99 and max in milliseconds; None before the first poll."""
        ordered = sorted(self._recent)
        if not ordered:
            return {"p50": None, "p99": None, "max": None}
        last = len(ordered) - 1
        return {
            "p50": round(ordered[last // 2] / NS_PER_MS, 3),
            "p99": round(ordered[last * 99 // 100] / NS_PER_MS, 3),
            "max": round(self._largest / NS_PER_MS, 3),
        }
