"""The last values of a data-socket topic, kept as one number: cheap to follow and to compare with another's.

A value has 32 bits, the first one on top. An update says UNCHANGED for what it leaves as it was.
Source: the broker's Python SDK 3.2.0 (data_ws, map.json).
"""

from functools import cache

BITS, BYTES = 32, 4
UNCHANGED = 0x80000000
CLOCK = {"sf": 3, "if": 2}
"""Place of the exchange's time, by kind of topic: it may go on while nothing else does."""


class TopicState:
    """`count` values; those that were never given are UNCHANGED."""

    __slots__ = ("count", "values")

    def __init__(self, snapshot: bytes) -> None:
        self.count = len(snapshot) // BYTES
        self.values = int.from_bytes(snapshot, "big")

    def take(self, update: bytes) -> None:
        """Follow an update, which may have fewer or more values than were known."""
        if len(update) != self.count * BYTES:
            count = max(self.count, len(update) // BYTES)
            self.values, self.count = _widen(self, count), count
            update += UNCHANGED.to_bytes(BYTES, "big") * (count - len(update) // BYTES)
        values = int.from_bytes(update, "big")
        self.values ^= (self.values ^ values) & _given(values, self.count)

    def agrees(self, other: "TopicState", *, but: int | None = None) -> bool:
        """Whether all values are the same that both know, without the one at the place `but`."""
        count = max(self.count, other.count)
        mine, theirs = _widen(self, count), _widen(other, count)
        compared = _given(mine, count) & _given(theirs, count)
        if but is not None and but < count:
            compared &= ~(((1 << BITS) - 1) << BITS * (count - 1 - but))
        return (mine ^ theirs) & compared == 0


@cache
def _masks(count: int) -> tuple[int, int]:
    """UNCHANGED in each of so many values, and all other bits of them."""
    ones = sum(1 << BITS * place for place in range(count))
    return ones * UNCHANGED, ones * (UNCHANGED - 1)


def _given(values: int, count: int) -> int:
    """A mask of the values that are not UNCHANGED."""
    unchanged, low = _masks(count)
    differs = values ^ unchanged
    marks = (differs & low) + low | differs  # the top bit of each value that differs from UNCHANGED in any bit
    marks &= unchanged
    return (marks << 1) - (marks >> BITS - 1)


def _widen(state: TopicState, count: int) -> int:
    missing = count - state.count
    return state.values << BITS * missing | _masks(missing)[0]
