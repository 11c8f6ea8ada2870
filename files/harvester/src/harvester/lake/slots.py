"""Which polls a day should have: slots at open + k x interval of every window, recorded or in the calendar."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harvester.lake.events import WindowOpen

Window = tuple[int, int]


class Stretch(NamedTuple):
    """A time [from_ns, to_ns) in which slots lie at anchor_ns + k x interval_ns."""

    from_ns: int
    to_ns: int
    anchor_ns: int
    interval_ns: int

    def slots(self) -> range:
        first = self.anchor_ns + -(-(self.from_ns - self.anchor_ns) // self.interval_ns) * self.interval_ns
        return range(first, self.to_ns, self.interval_ns)


@dataclass(frozen=True)
class Grid:
    """The expected slots of a day, the same for every symbol. All times are wall ns."""

    windows: tuple[Window, ...]
    stretches: tuple[Stretch, ...]
    slots: tuple[int, ...]

    def window_of(self, moment_ns: int) -> Window | None:
        """The window that holds the moment."""
        at = bisect_right(self.windows, (moment_ns, 2**63)) - 1
        return self.windows[at] if at >= 0 and moment_ns < self.windows[at][1] else None

    def end_of(self, number: int) -> int:
        """Where slot `number` ends: at the next slot, or where its window closes."""
        window = self.window_of(self.slots[number])
        closes = window[1] if window else self.slots[number] + 1
        return min(self.slots[number + 1], closes) if number + 1 < len(self.slots) else closes

    def interval_at(self, moment_ns: int) -> int:
        """The time between slots around the moment."""
        before = [stretch for stretch in self.stretches if stretch.from_ns <= moment_ns] or list(self.stretches)
        return before[-1].interval_ns


def build_grid(recorded: Sequence[WindowOpen], calendar: Iterable[Window], interval_ns: int) -> Grid:
    """Slots of all windows that were recorded or should have been.

    What the recorder said about a window holds from the moment it said so, and back to the window's opening when it
    was the first to say anything; so a restart with another interval changes the slots from there on. The calendar
    fills what no recorder spoke about. A shorter close said later for the same opening replaces the longer one.
    """
    stretches: list[Stretch] = []
    for said in sorted(recorded, key=lambda window: window.said_ns):
        stretches = _overrule(stretches, said, said.interval_ns or interval_ns)
    for opens, closes in sorted(calendar):
        stretches += _fill(stretches, opens, closes, interval_ns)
    stretches.sort()
    slots = {slot for stretch in stretches for slot in stretch.slots()}
    return Grid(_merge((s.from_ns, s.to_ns) for s in stretches), tuple(stretches), tuple(sorted(slots)))


def _overrule(stretches: list[Stretch], said: WindowOpen, interval_ns: int) -> list[Stretch]:
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


def _fill(stretches: list[Stretch], opens: int, closes: int, interval_ns: int) -> list[Stretch]:
    """What [opens, closes) has besides the stretches; it keeps the beat of a stretch that it continues."""
    holes: list[Stretch] = []
    at = opens
    beat = Stretch(opens, closes, opens, interval_ns)
    for stretch in sorted(s for s in stretches if s.from_ns < closes and opens < s.to_ns):
        if at < stretch.from_ns:
            holes.append(beat._replace(from_ns=at, to_ns=stretch.from_ns))
        if stretch.anchor_ns == opens:
            beat = stretch
        at = max(at, stretch.to_ns)
    if at < closes:
        holes.append(beat._replace(from_ns=at, to_ns=closes))
    return holes


def _merge(windows: Iterable[Window]) -> tuple[Window, ...]:
    merged: list[Window] = []
    for opens, closes in sorted(windows):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return tuple(merged)
