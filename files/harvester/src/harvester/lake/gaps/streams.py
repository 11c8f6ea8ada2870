"""The ledger of a socket: each moment of each window is covered, or lies in exactly one gap of the symbol.

A symbol is covered from its first snapshot on a connection to the end of the connection, or to its last frame where the
run died before it. Gaps that the recorder wrote down count first; where two of them overlap, the one opened
last. A break of the sequence numbers comes next. The rest, about which nobody could write anything, is
explained from the lives of the runs and of the connections.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from harvester.journal.format import FEED_NAMES
from harvester.lake.day.connections import Connection
from harvester.lake.day.events import Events
from harvester.lake.day.intervals import Interval, intersect, split, subtract, total, union
from harvester.lake.gaps.polls import DERIVED, RECORDED, GapRow, after, bound


@dataclass
class Reception:
    """What the frames show about one symbol on one feed."""

    seen: dict[int, int] = field(default_factory=dict)
    """By number of the connection: wall ns of the symbol's first snapshot."""
    breaks: list[tuple[int, int | None, str]] = field(default_factory=list)
    """Breaks of the sequence: from the last good frame to the next snapshot, or None for none; and in words."""


class _Reason(NamedTuple):
    cause: str
    detail: str
    source: str


@dataclass(frozen=True)
class Coverage:
    """What one symbol's day on a feed came to."""

    covered_ns: int
    gaps: list[GapRow]


class StreamGaps:
    """Attributes the time of the windows of a day on one feed."""

    def __init__(self, feed: int, windows: Sequence[Interval], events: Events) -> None:
        self._feed = feed
        self._windows = list(windows)
        self._events = events
        self._lives = {run.run_id: run.last_ns for run in events.runs}
        self._connections = {each.number: each for each in events.connections if each.feed == feed}

    def account(self, symbol: str, reception: Reception) -> Coverage:
        """Divide the windows among covered time and gaps."""
        left = list(self._windows)
        pieces: list[tuple[Interval, _Reason]] = []
        claims = [*self._recorded(symbol, reception), *self._breaks(reception)]
        for interval, reason in claims:
            taken = intersect(left, [interval])
            pieces += [(piece, reason) for piece in taken]
            left = subtract(left, taken)
        covered = intersect(left, self._covered(reception))
        left = subtract(left, covered)
        pieces += [(piece, self._explain(piece[0], symbol, reception)) for piece in split(left, self._edges(symbol))]
        return Coverage(total(covered), self._rows(symbol, pieces))

    def _end(self, connection: Connection) -> int:
        ends = max(connection.from_ns, connection.last_ns) if connection.to_ns is None else connection.to_ns
        return min(ends, self._lives.get(connection.run_id, connection.from_ns))

    def _covered(self, reception: Reception) -> list[Interval]:
        return union((first, self._end(self._connections[number])) for number, first in reception.seen.items())

    def _recorded(self, symbol: str, reception: Reception) -> Iterable[tuple[Interval, _Reason]]:
        """Recorded gaps, the one opened last first."""
        gaps = self._events.gaps_of(self._feed, symbol)
        for gap, end in reversed(bound(gaps, self._events.runs, sorted(reception.seen.values()))):
            if gap.from_ns < end:
                yield (gap.from_ns, end), _Reason(gap.cause, gap.detail, RECORDED)

    def _breaks(self, reception: Reception) -> Iterable[tuple[Interval, _Reason]]:
        ends = sorted(self._end(self._connections[number]) for number in reception.seen)
        for begin, end, detail in reception.breaks:
            later = ends[bisect_right(ends, begin) :]
            until = end if end is not None else (later[0] if later else begin)
            if begin < until:
                yield (begin, until), _Reason("sequence_break", detail, DERIVED)

    def _serving(self, symbol: str) -> list[Connection]:
        return [connection for connection in self._connections.values() if symbol in connection.symbols]

    def _edges(self, symbol: str) -> list[int]:
        """Where the reason of an absence may change."""
        runs = [moment for run in self._events.runs for moment in (run.first_ns, run.last_ns)]
        return runs + [moment for each in self._serving(symbol) for moment in (each.from_ns, self._end(each))]

    def _explain(self, moment: int, symbol: str, reception: Reception) -> _Reason:
        runs = self._events.runs
        number = bisect_right([run.first_ns for run in runs], moment) - 1
        if not runs:
            return _Reason("not_running", "no run of the recorder left a record on this day", DERIVED)
        if number < 0:
            return _Reason("not_started", "before the first run of the day", DERIVED)
        run = runs[number]
        if moment >= run.last_ns:
            return _Reason(*after(run), DERIVED)
        connections = [connection for connection in self._serving(symbol) if connection.run_id == run.run_id]
        if not connections:
            return _Reason("not_running", "no connection of this run served the symbol", DERIVED)
        ended = [connection for connection in connections if self._end(connection) <= moment and connection.cause]
        if ended:
            last = max(ended, key=self._end)
            return _Reason(last.cause, last.detail, DERIVED)
        firsts = [reception.seen[each.number] for each in connections if each.number in reception.seen]
        if not any(first <= moment for first in firsts):
            return _Reason("not_started" if number == 0 else "not_running", "the recorder was connecting", DERIVED)
        if not run.stopped:
            return _Reason("mute", "nothing more came, and the run died before that was noticed", DERIVED)
        return _Reason("unknown", "the recorder was running and wrote down no cause", DERIVED)

    def _rows(self, symbol: str, pieces: list[tuple[Interval, _Reason]]) -> list[GapRow]:
        """Neighbours with the same reason, in one window, become one row."""
        rows: list[GapRow] = []
        for reason, group in groupby(sorted(pieces), key=lambda piece: piece[1]):
            for begin, end in intersect(self._windows, union(interval for interval, _ in group)):
                cause, detail, source = reason
                rows.append(GapRow(symbol, FEED_NAMES[self._feed], begin, end, cause, detail, None, source))
        return rows
