"""The ledger of a socket: each moment of each window is covered, or lies in exactly one gap of the symbol.

A symbol is covered from its first snapshot on a connection to the end of the connection, or to its last frame where the
run died before it, and while it is proven to have been quiet. Gaps that the recorder wrote down count first, but not in
time that was proven afterwards; where two of them overlap, the one opened last. A break of the sequence numbers comes
next. What a run wrote down of the time before its own start counts only where nothing else is known: it was not there.
What remains has no record, and gets its cause from the times at which runs and connections began and ended.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import groupby, pairwise

from harvester.journal.format import FEED_NAMES
from harvester.lake.day.connections import Connection
from harvester.lake.day.events import Events
from harvester.lake.day.intervals import Interval, intersect, split, subtract, total, union
from harvester.lake.gaps.losses import DAMAGED, Losses
from harvester.lake.gaps.polls import RECORDED, UNKNOWN, Absence, GapRow, bound, run_at, starting

Claim = tuple[Interval, Absence]


@dataclass
class Reception:
    """What the frames of a day show of one symbol on one feed. Times are wall ns."""

    seen: dict[int, int] = field(default_factory=dict)
    """By number of the connection: wall ns of the symbol's first snapshot."""
    breaks: list[tuple[int, int | None, str]] = field(default_factory=list)
    """Breaks of the sequence: last frame before it, next snapshot or None, and detail."""


@dataclass(frozen=True)
class Coverage:
    """Covered time of one symbol on one feed, in ns of the day's windows, and the gaps that are the rest."""

    covered_ns: int
    quiet_ns: int
    """Of it, time in which nothing came, and nothing was missed."""
    gaps: list[GapRow]


class StreamGaps:
    """Divides the windows of a day, on one feed, into covered time and gaps with causes."""

    def __init__(self, feed: int, windows: Sequence[Interval], events: Events) -> None:
        self._feed = feed
        self._windows = list(windows)
        self._events = events
        self._losses = Losses(events.damage, events.runs)
        self._lives = {run.run_id: run.last_ns for run in events.runs}
        self._begins = {run.run_id: run.first_ns for run in events.runs}
        self._connections = {each.number: each for each in events.connections if each.feed == feed}

    def account(self, symbol: str, reception: Reception) -> Coverage:
        """The coverage of one symbol."""
        witnessed, hearsay = self._recorded(symbol, reception)
        lost = [(stretch, Absence(DAMAGED, cause)) for stretch, cause in self._losses.bounded]
        left, pieces = _take(self._windows, [*witnessed, *self._breaks(reception), *lost])
        quiet = self._events.quiet_of(self._feed, symbol)
        covered = intersect(left, union([*self._covered(reception), *quiet]))
        beyond = [(stretch, Absence(DAMAGED, cause)) for stretch, cause in self._losses.unbounded]
        left, more = _take(subtract(left, covered), [*hearsay, *beyond])
        pieces += more
        pieces += [(piece, self._explain(piece[0], symbol, reception)) for piece in split(left, self._edges(symbol))]
        return Coverage(total(covered), total(intersect(covered, quiet)), self._rows(symbol, pieces))

    def _end(self, connection: Connection) -> int:
        ends = max(connection.from_ns, connection.last_ns) if connection.to_ns is None else connection.to_ns
        return min(ends, self._lives.get(connection.run_id, connection.from_ns))

    def _covered(self, reception: Reception) -> list[Interval]:
        return union((first, self._end(self._connections[number])) for number, first in reception.seen.items())

    def _recorded(self, symbol: str, reception: Reception) -> tuple[list[Claim], list[Claim]]:
        """Recorded gaps, the one opened last first: their time from the start of their run on, and that before it."""
        witnessed: list[Claim] = []
        hearsay: list[Claim] = []
        gaps = self._events.gaps_of(self._feed, symbol)
        quiet = self._events.quiet_of(self._feed, symbol)
        for gap, end in reversed(bound(gaps, self._events.runs, sorted(reception.seen.values()))):
            began = self._begins.get(gap.run_id, gap.from_ns)
            for begin, until in split(subtract(union([(gap.from_ns, end)]), quiet), [began]):
                claims = witnessed if began <= begin else hearsay
                claims.append(((begin, until), Absence(gap.cause, gap.detail, RECORDED)))
        return witnessed, hearsay

    def _breaks(self, reception: Reception) -> Iterable[Claim]:
        ends = sorted(self._end(self._connections[number]) for number in reception.seen)
        for begin, end, detail in reception.breaks:
            later = ends[bisect_right(ends, begin) :]
            until = end if end is not None else (later[0] if later else begin)
            if begin < until:
                yield (begin, until), Absence("sequence_break", detail)

    def _serving(self, symbol: str) -> list[Connection]:
        return [connection for connection in self._connections.values() if symbol in connection.symbols]

    def _edges(self, symbol: str) -> list[int]:
        """Where the reason of an absence may change."""
        runs = [moment for run in self._events.runs for moment in (run.first_ns, run.last_ns)]
        return runs + [moment for each in self._serving(symbol) for moment in (each.from_ns, self._end(each))]

    def _explain(self, moment: int, symbol: str, reception: Reception) -> Absence:
        run = run_at(self._events.runs, moment)
        if isinstance(run, Absence):
            return run
        connections = [connection for connection in self._serving(symbol) if connection.run_id == run.run_id]
        if not connections:
            return Absence("not_running", "no connection of this run served the symbol")
        ended = [connection for connection in connections if self._end(connection) <= moment and connection.cause]
        if ended:
            last = max(ended, key=self._end)
            return Absence(last.cause, last.detail)
        firsts = [reception.seen[each.number] for each in connections if each.number in reception.seen]
        if not any(first <= moment for first in firsts):
            return starting(self._events.runs, run, "the recorder was connecting")
        if not run.stopped:
            return Absence("stale", "nothing more came, and the run died before that was noticed")
        return UNKNOWN

    def _rows(self, symbol: str, pieces: list[tuple[Interval, Absence]]) -> list[GapRow]:
        """Neighbours with the same reason, in one window, become one row."""
        rows: list[GapRow] = []
        for reason, group in groupby(sorted(pieces), key=lambda piece: piece[1]):
            for begin, end in intersect(self._windows, union(interval for interval, _ in group)):
                cause, detail, source = reason
                rows.append(GapRow(symbol, FEED_NAMES[self._feed], begin, end, cause, detail, None, source))
        return rows


def _take(free: Sequence[Interval], claims: Iterable[Claim]) -> tuple[list[Interval], list[Claim]]:
    """Give each claim what those before it have left: what is still free, and what they got."""
    pieces = list(_within(free, _owned([*claims])))
    return subtract(list(free), union(interval for interval, _ in pieces)), pieces


def _owned(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Stretches of time, ascending, each with the first of the claims that it lies in."""
    coming = sorted((begin, place) for place, ((begin, end), _) in enumerate(claims) if begin < end)
    edges = sorted({edge for (begin, end), _ in claims if begin < end for edge in (begin, end)})
    here: list[int] = []
    next_ = 0
    for begin, end in pairwise(edges):
        while next_ < len(coming) and coming[next_][0] <= begin:
            heappush(here, coming[next_][1])
            next_ += 1
        while here and claims[here[0]][0][1] <= begin:
            heappop(here)
        if here:
            yield (begin, end), claims[here[0]][1]


def _within(free: Sequence[Interval], claims: Iterable[Claim]) -> Iterator[Claim]:
    """What of the claims, which are ascending and disjoint, is free."""
    at = 0
    for (begin, end), reason in claims:
        while at < len(free) and free[at][1] <= begin:
            at += 1
        number = at
        while number < len(free) and free[number][0] < end:
            yield (max(begin, free[number][0]), min(end, free[number][1])), reason
            number += 1
