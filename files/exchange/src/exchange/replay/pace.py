"""How late a replay's frames went out."""

BUCKET_NS = 50_000
BUCKETS = 20_000
"""Up to one second; what is later counts as one second."""
NS_PER_MS = 1e6


class Lateness:
    """A histogram of distances from due to done."""

    def __init__(self) -> None:
        self._counts = [0] * (BUCKETS + 1)
        self.count = 0
        self.worst_ns = 0

    def add(self, late_ns: int) -> None:
        """Count one frame."""
        late_ns = max(0, late_ns)
        self._counts[min(BUCKETS, late_ns // BUCKET_NS)] += 1
        self.count += 1
        self.worst_ns = max(self.worst_ns, late_ns)

    def percentile_ms(self, share: float) -> float:
        """What so large a share of the frames was not later than; 0 without frames."""
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and seen:
                return (place + 1) * BUCKET_NS / NS_PER_MS
        return 0.0

    def describe(self) -> dict[str, float]:
        """Percentiles in milliseconds."""
        return {
            "p50_ms": self.percentile_ms(0.5),
            "p99_ms": self.percentile_ms(0.99),
            "worst_ms": self.worst_ns / NS_PER_MS,
        }
