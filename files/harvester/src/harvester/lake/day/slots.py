"""Which polls a day should have: slots at open + k x interval of every window, recorded or in the calendar."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harvester.lake.day.intervals import Interval, union
from harvester.lake.day.records import DEFAULT, Polling, WindowOpen

Window = Interval


class Stretch(NamedTuple):
    """A time [from_ns, to_ns) in which slots lie at anchor_ns + k x interval_ns; none where the interval is None."""

    from_ns: int
    to_ns: int
    anchor_ns: int
    interval_ns: int | None

    def slots(self) -> range:
        if self.interval_ns is None:
            return range(0)
        first = self.anchor_ns + -(-(self.from_ns - self.anchor_ns) // self.interval_ns) * self.interval_ns
        return range(first, self.to_ns, self.interval_ns)


@dataclass(frozen=True)
class Grid:
    """The windows and the expected slots of a day, the same for every symbol. All times are wall ns."""

    windows: tuple[Window, ...]
    stretches: tuple[Stretch, ...]
    slots: tuple[int, ...]

    @cached_property
    def polled(self) -> tuple[Window, ...]:
        """Where polls are scheduled."""
        return tuple(union((s.from_ns, s.to_ns) for s in self.stretches if s.interval_ns is not None))

    def block_of(self, slot: int) -> Window:
        """The part of `polled` that the slot lies in."""
        return self.polled[bisect_right(self.polled, (slot, 2**63)) - 1]

    def end_of(self, number: int) -> int:
        """Where slot `number` ends: at the next slot, or where no more polls are scheduled."""
        closes = self.block_of(self.slots[number])[1]
        return min(self.slots[number + 1], closes) if number + 1 < len(self.slots) else closes


def build_grid(
    recorded: Sequence[WindowOpen],
    calendar: Iterable[Window],
    interval_ns: int | None,
    pollings: Iterable[Polling] = (),
) -> Grid:
    """Slots of all windows that were recorded or should have been; `interval_ns` None: no polls are scheduled.

    The record of a window holds from the time of the record on, and the first of a window from its opening: a restart
    with another interval changes the slots from there on. A later record with the same opening and an earlier close
    replaces the close. The calendar gives the windows without a record. Polls of a REST fallback are due only inside
    windows, and only where no others are scheduled.
    """
    stretches: list[Stretch] = []
    for window in sorted(recorded, key=lambda each: each.recorded_ns):
        stretches = _overrule(stretches, window, interval_ns if window.interval_ns == DEFAULT else window.interval_ns)
    for opens, closes in sorted(calendar):
        stretches += _fill(stretches, opens, closes, interval_ns)
    for polling in sorted(pollings):
        stretches = _add_fallback(stretches, polling)
    stretches.sort(key=lambda stretch: stretch.from_ns)
    slots = {slot for stretch in stretches for slot in stretch.slots()}
    return Grid(tuple(union((s.from_ns, s.to_ns) for s in stretches)), tuple(stretches), tuple(sorted(slots)))


def _overrule(stretches: list[Stretch], window: WindowOpen, interval_ns: int | None) -> list[Stretch]:
    overlapping = [s for s in stretches if s.from_ns < window.close_ns and window.open_ns < s.to_ns]
    start = min(max(window.open_ns, window.recorded_ns), window.close_ns) if overlapping else window.open_ns
    kept: list[Stretch] = []
    for stretch in stretches:
        if stretch not in overlapping:
            kept.append(stretch)
            continue
        kept.append(stretch._replace(to_ns=min(stretch.to_ns, start)))
        if stretch.anchor_ns != window.open_ns:
            kept.append(stretch._replace(from_ns=max(stretch.from_ns, window.close_ns)))
    before = [] if not overlapping else _fill(kept, window.open_ns, start, interval_ns)
    added = Stretch(start, window.close_ns, window.open_ns, interval_ns)
    return [stretch for stretch in (*kept, *before, added) if stretch.from_ns < stretch.to_ns]


def _add_fallback(stretches: list[Stretch], polling: Polling) -> list[Stretch]:
    """The stretches, with the slots of a REST fallback where none are scheduled."""
    result: list[Stretch] = []
    for stretch in stretches:
        begin, end = max(stretch.from_ns, polling.from_ns), min(stretch.to_ns, polling.to_ns)
        if stretch.interval_ns is not None or begin >= end:
            result.append(stretch)
            continue
        parts = (
            stretch._replace(to_ns=begin),
            Stretch(begin, end, polling.from_ns, polling.interval_ns),
            stretch._replace(from_ns=end),
        )
        result += [part for part in parts if part.from_ns < part.to_ns]
    return result


def _fill(stretches: list[Stretch], opens: int, closes: int, interval_ns: int | None) -> list[Stretch]:
    """Stretches for the rest of [opens, closes); one that continues a stretch keeps its anchor and interval."""
    holes: list[Stretch] = []
    at = opens
    pattern = Stretch(opens, closes, opens, interval_ns)
    for stretch in sorted((s for s in stretches if s.from_ns < closes and opens < s.to_ns), key=lambda s: s.from_ns):
        if at < stretch.from_ns:
            holes.append(pattern._replace(from_ns=at, to_ns=stretch.from_ns))
        if stretch.anchor_ns == opens:
            pattern = stretch
        at = max(at, stretch.to_ns)
    if at < closes:
        holes.append(pattern._replace(from_ns=at, to_ns=closes))
    return holes
