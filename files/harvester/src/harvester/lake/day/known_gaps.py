"""Gaps that the recorder wrote down, by symbol, in some sixty bytes each: a storm of reconnects leaves millions."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harvester.decode.frames import Flags, Ints
from harvester.journal.format import FYERS_REST

OPEN = -(2**63)
"""Stands for the end of a gap that no record closes."""
_SYMBOL_BITS = 32
_COLUMNS = {"feed": "b", "symbol": "i", "opened_at": "i", "reason": "i", "from_ns": "q", "to_ns": "q", "print": "q"}
"""With the type of an array; `print` stands for the id."""


@dataclass
class KnownGap:
    """A gap that the recorder wrote down, in wall ns; `to_ns` is None when no record closes it."""

    gap_id: str
    run_id: str
    symbols: frozenset[str]
    from_ns: int
    cause: str
    detail: str
    opened_at: int
    """Position among the control records of the day: where two gaps overlap, the later one holds."""
    to_ns: int | None = None
    feed: int = FYERS_REST


class KnownGaps:
    """All recorded gaps of a day. One of several symbols is kept once for each."""

    def __init__(self, gaps: Iterable[KnownGap] = ()) -> None:
        self._symbols: dict[str, int] = {}
        self._reasons: dict[tuple[str, str, str], int] = {}
        """Run, cause and detail."""
        self._names: list[str] = []
        self._texts: list[tuple[str, str, str]] = []
        self._columns = {name: array(kind) for name, kind in _COLUMNS.items()}
        """A row for each gap and symbol."""
        self._open: dict[str, range] = {}
        """Rows of the gaps that are open, by id."""
        self._sorted = 0
        self._keys = self._order = np.empty(0, np.int64)
        """The rows by feed, symbol and opening, where they have been asked for, and what they are ordered by."""
        for gap in gaps:
            self.open(gap)

    def __len__(self) -> int:
        return len(self._columns["feed"])

    def open(self, gap: KnownGap) -> None:
        """Add a gap; it replaces one with the same id."""
        first = len(self)
        reason = gap.run_id, gap.cause, gap.detail
        number = self._reasons.setdefault(reason, len(self._texts))
        if number == len(self._texts):
            self._texts.append(reason)
        ends = OPEN if gap.to_ns is None else gap.to_ns
        for symbol in gap.symbols:
            row = gap.feed, self._number(symbol), gap.opened_at, number, gap.from_ns, ends, hash(gap.gap_id)
            for name, value in zip(_COLUMNS, row, strict=True):
                self._columns[name].append(value)
        if gap.to_ns is None:
            self._open[gap.gap_id] = range(first, len(self))

    def _number(self, symbol: str) -> int:
        number = self._symbols.setdefault(symbol, len(self._names))
        if number == len(self._names):
            self._names.append(symbol)
        return number

    def close(self, gap_id: str, to_ns: int) -> None:
        """A gap ends; a later record of its end is the one that holds. Raises KeyError when there is none."""
        rows: Iterable[int] | None = self._open.pop(gap_id, None)
        if rows is None:
            rows = np.flatnonzero(np.array(self._columns["print"], np.int64) == hash(gap_id)).tolist()
            if not rows:
                raise KeyError(gap_id)
        for row in rows:
            self._columns["to_ns"][row] = to_ns

    def take_open(self, other: "KnownGaps") -> None:
        """Add the gaps of an earlier day that are still open."""
        for gap_id, rows in other._open.items():
            for gap in [other._read(row) for row in rows][:1]:
                gap.symbols = frozenset(other._names[other._columns["symbol"][row]] for row in rows)
                gap.gap_id = gap_id
                self.open(gap)

    def symbols_of(self, feed: int) -> frozenset[str]:
        """Symbols that have a gap of the feed."""
        self._sort()
        found = np.unique(self._keys[self._keys >> _SYMBOL_BITS == feed] & ((1 << _SYMBOL_BITS) - 1))
        return frozenset(self._names[number] for number in found.tolist())

    def __iter__(self) -> Iterator[KnownGap]:
        """All, by feed, symbol and opening."""
        self._sort()
        return (self._read(row) for row in self._order.tolist())

    def of(self, feed: int, symbol: str) -> list[KnownGap]:
        """The gaps of one symbol on one feed, in the order opened; their ids are left out."""
        number = self._symbols.get(symbol)
        if number is None:
            return []
        self._sort()
        key = feed << _SYMBOL_BITS | number
        start, end = np.searchsorted(self._keys, [key, key + 1]).tolist()
        return [self._read(row) for row in self._order[start:end].tolist()]

    def _sort(self) -> None:
        if self._sorted == len(self):
            return
        self._sorted = len(self)
        feeds, numbers = (np.array(self._columns[name], np.int64) for name in ("feed", "symbol"))
        keys = feeds << _SYMBOL_BITS | numbers
        opened = np.array(self._columns["opened_at"])
        order = np.argsort(keys, kind="stable") if (opened[1:] >= opened[:-1]).all() else np.lexsort((opened, keys))
        if (replaced := self._replaced(opened)).any():
            order = order[~replaced[order]]
        self._order, self._keys = order, keys[order]

    def _replaced(self, opened: Ints) -> Flags:
        """Marks gaps whose id a later one has, too: the last one holds."""
        prints = np.array(self._columns["print"])
        ordered = np.sort(prints)
        marks = np.zeros(len(prints), np.bool_)
        for found in np.unique(ordered[1:][ordered[1:] == ordered[:-1]]).tolist():
            same = np.flatnonzero(prints == found)
            marks[same] = opened[same] < opened[same].max()
        return marks

    def _read(self, row: int) -> KnownGap:
        feed, number, opened_at, reason, from_ns, ends = (self._columns[name][row] for name in [*_COLUMNS][:-1])
        symbols = frozenset({self._names[number]})
        known = None if ends == OPEN else ends
        return KnownGap("", self._texts[reason][0], symbols, from_ns, *self._texts[reason][1:], opened_at, known, feed)
