"""Walking the slots of one window: which is due now, and which went by without us."""

from collections.abc import Sequence
from typing import NamedTuple

from harvester.config.limits import next_slot

EARLY_NS = 1_000_000
"""A slot this near is due: wall and monotonic clock never agree to the nanosecond."""


class Due(NamedTuple):
    """Slots in wall ns: those that went by unseen, in order, and the one to poll now."""

    missed: Sequence[int]
    slot_ns: int | None


class SlotCursor:
    """Hands out each slot of a window once, as due or as missed, by the wall clock alone: there is nothing to drift."""

    def __init__(self, window: tuple[int, int], interval_ns: int, *, after_ns: int) -> None:
        """Start with the first slot at or after `after_ns`."""
        self._window = window
        self._interval_ns = interval_ns
        self.next_ns = next_slot(window, interval_ns, after_ns)

    def take(self, wall_ns: int) -> Due:
        """What is due at `wall_ns`. A slot is missed once the next one is due."""
        first = self.next_ns
        if first is None or wall_ns + EARLY_NS < first:
            return Due((), None)
        opens, closes = self._window
        passed = (min(wall_ns + EARLY_NS, closes - 1) - opens) // self._interval_ns
        latest = opens + passed * self._interval_ns
        self.next_ns = latest + self._interval_ns if latest + self._interval_ns < closes else None
        if wall_ns + EARLY_NS >= latest + self._interval_ns:
            return Due(range(first, latest + 1, self._interval_ns), None)
        return Due(range(first, latest, self._interval_ns), latest)

    def rewind(self, wall_ns: int) -> None:
        """The clock was set back to `wall_ns`: slots from there on come again, and none is skipped."""
        again = next_slot(self._window, self._interval_ns, wall_ns)
        self.next_ns = min((slot for slot in (again, self.next_ns) if slot is not None), default=None)
