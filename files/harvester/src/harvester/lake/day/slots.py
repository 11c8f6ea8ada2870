"""Which polls a day should have: slots at open + k x interval of every window, recorded or in the calendar."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harvester.lake.day.events import DEFAULT, Polling, WindowOpen
from harvester.lake.day.intervals import Interval, union

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
        """The unbroken time of scheduled polls that holds the slot."""
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

    What the recorder said about a window holds from the moment it said so, and back to the window's opening when it
    was the first to say anything; so a restart with another interval changes the slots from there on. The calendar
    fills what no recorder spoke about. A shorter close said later for the same opening replaces the longer one.
    Stretches of polling that stood in for a socket have their slots inside windows, where none are scheduled.
    """
    stretches: list[Stretch] = []
    for said in sorted(recorded, key=lambda window: window.said_ns):
        stretches = _overrule(stretches, said, interval_ns if said.interval_ns == DEFAULT else said.interval_ns)
    for opens, closes in sorted(calendar):
        stretches += _fill(stretches, opens, closes, interval_ns)
    for polling in sorted(pollings):
        stretches = _stand_in(stretches, polling)
    stretches.sort(key=lambda stretch: stretch.from_ns)
    slots = {slot for stretch in stretches for slot in stretch.slots()}
    return Grid(tuple(union((s.from_ns, s.to_ns) for s in stretches)), tuple(stretches), tuple(sorted(slots)))


def _overrule(stretches: list[Stretch], said: WindowOpen, interval_ns: int | None) -> list[Stretch]:
    overlapping = [s for s in stretches if s.from_ns < said.close_ns and said.open_ns < s.to_ns]
    start = min(max(said.open_ns, said.said_ns), said.close_ns) if overlapping else said.open_ns
    kept: list[Stretch] = []
    for stretch in stretches:
        if stretch not in overlapping:
            kept.append(stretch)
            continue
        kept.append(stretch._replace(to_ns=min(stretch.to_ns, start)))
        if stretch.anchor_ns != said.open_ns:
            kept.append(stretch._replace(from_ns=max(stretch.from_ns, said.close_ns)))
    before = [] if not overlapping else _fill(kept, said.open_ns, start, interval_ns)
    added = Stretch(start, said.close_ns, said.open_ns, interval_ns)
    return [stretch for stretch in (*kept, *before, added) if stretch.from_ns < stretch.to_ns]


def _stand_in(stretches: list[Stretch], polling: Polling) -> list[Stretch]:
    """The stretches, with the slots of `polling` where none are scheduled."""
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
    """What [opens, closes) has besides the stretches; it keeps the beat of a stretch that it continues."""
    holes: list[Stretch] = []
    at = opens
    beat = Stretch(opens, closes, opens, interval_ns)
    for stretch in sorted((s for s in stretches if s.from_ns < closes and opens < s.to_ns), key=lambda s: s.from_ns):
        if at < stretch.from_ns:
            holes.append(beat._replace(from_ns=at, to_ns=stretch.from_ns))
        if stretch.anchor_ns == opens:
            beat = stretch
        at = max(at, stretch.to_ns)
    if at < closes:
        holes.append(beat._replace(from_ns=at, to_ns=closes))
    return holes
