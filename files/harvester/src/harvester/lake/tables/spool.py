"""Rows of a day on their way from frames, which mix the symbols, to tables, which keep them apart.

Rows gather in memory up to a limit, are sorted by symbol and go to one temporary file, in chunks. Read back, the
chunks of as many symbols as memory has room for are put together at once; those of a symbol that is larger come one
stretch after the other. A symbol's rows are in the order of the journal.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard

from harvester.decode.frames import Ints
from harvester.lake.schema import order_of

FLUSH_BYTES = 8 << 20
"""Rows that gather before they are sorted and written."""
CHUNK_BYTES = 64 << 10
"""Rows of a chunk, before compression: it is read as a whole, also where one row of it is wanted."""
GROUP_BYTES = 12 << 20
"""Rows that are put together at once."""
LEVEL = 1


class _Flush(NamedTuple):
    """The chunks of one flush, an element each, and the lowest order of its rows."""

    first: Ints
    """The lowest symbol of each chunk."""
    last: Ints
    offset: Ints
    size: Ints
    begin: int
    translate: "Translate | None" = None
    """What makes the rows those of the day, where a part brought them."""

    def plain(self) -> tuple[bytes, bytes, bytes, bytes, int]:
        """The arrays as bytes, and the order."""
        return self.first.tobytes(), self.last.tobytes(), self.offset.tobytes(), self.size.tobytes(), self.begin


Translate = Callable[[Ints], Ints]
"""Makes of the rows of a part, with the symbol of each first, those of the day."""


class SavedRows(NamedTuple):
    """The rows of one table as a spool of another process left them, in plain values."""

    counts: bytes
    """int64: rows of each symbol."""
    flushes: list[tuple[bytes, bytes, bytes, bytes, int]]
    """int64 arrays and the number of each _Flush."""


class _Group(NamedTuple):
    """All rows of the symbols [first, end), by symbol and in order; those of symbol s are [starts[s - first], ...)."""

    first: int
    end: int
    starts: Ints
    matrix: Ints


class RowSpool:
    """Keeps matrices of one table by symbol."""

    def __init__(self, directory: Path, height: int) -> None:
        """`height`: values of a row. Raises OSError when no file can be made in `directory`."""
        self._height = height + 1  # the symbol is the first
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # closed by close()
        self._at = 0
        self._waiting: list[tuple[Ints, Ints]] = []
        self._bytes = 0
        self._flushes: list[_Flush] = []
        self._counts = np.zeros(0, np.int64)
        """Rows of each symbol that are in the file."""
        self._group: _Group | None = None
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def add(self, symbols: Ints, matrix: Ints) -> None:
        """Rows in the order of the journal, each with the number of its symbol. Raises OSError."""
        if matrix.shape[1]:
            self._waiting.append((symbols, matrix))
            self._bytes += matrix.nbytes
            if self._bytes >= FLUSH_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what is waiting. Raises OSError."""
        if not self._waiting:
            return
        symbols = np.concatenate([symbols for symbols, _ in self._waiting])
        order = _by_symbol(symbols)
        rows = np.empty((self._height, len(order)), np.int64)
        rows[0] = symbols[order]
        _arrange([matrix for _, matrix in self._waiting], order, rows[1:])
        self._waiting, self._bytes, self._group = [], 0, None
        self._count(rows[0])
        step = max(1, CHUNK_BYTES // (8 * self._height))
        starts = np.arange(0, len(order), step)
        packed = [self._compressor.compress(rows[:, start : start + step].tobytes()) for start in starts.tolist()]
        self._file.write(b"".join(packed))
        self._file.flush()
        ends = np.minimum(starts + step, len(order)) - 1
        size = np.array([*map(len, packed)], np.int64)
        offset = self._at + np.cumsum(size) - size
        self._at += int(size.sum())
        begin = int(order_of(rows[1:]).min())
        self._flushes.append(_Flush(rows[0][starts], rows[0][ends], offset, size, begin))

    def save(self, target: BinaryIO) -> SavedRows:
        """Write the rows to a file, for the spool of another process; what it has to know of them. Raises OSError."""
        self.flush()
        self._file.seek(0)
        shutil.copyfileobj(self._file, target)
        return SavedRows(self._counts.tobytes(), [flush.plain() for flush in self._flushes])

    def take(self, file: BinaryIO, saved: SavedRows, symbols: Ints, order: int, translate: Translate) -> None:
        """Take over what another spool saved: `symbols` are the numbers here of its own, rising, and `order` is what
        rows have here beyond their order there. Raises OSError.
        """
        self.flush()
        shutil.copyfileobj(file, self._file)
        self._file.flush()
        counts = np.frombuffer(saved.counts, np.int64)
        self._count(np.repeat(symbols[: len(counts)], counts))
        for *arrays, begin in saved.flushes:
            first, last, offset, size = (np.frombuffer(array, np.int64) for array in arrays)
            places = symbols[first], symbols[last], self._at + offset, size
            self._flushes.append(_Flush(*places, begin + order, translate))
        self._at = self._file.tell()

    def _count(self, symbols: Ints) -> None:
        counts = np.bincount(symbols, minlength=len(self._counts))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def read(self, symbol: int) -> Iterator[Ints]:
        """The rows of a symbol in the order of the journal. Symbols of rising numbers are the quickest."""
        self.flush()
        if symbol >= len(self._counts) or not self._counts[symbol]:
            return
        group = self._group
        if group is None or not group.first <= symbol < group.end:
            limit = GROUP_BYTES // (8 * self._height)
            if self._counts[symbol] > limit:
                yield from self._stretches(symbol)
                return
            group = self._group = self._put_together(symbol, limit)
        start, end = group.starts[symbol - group.first : symbol - group.first + 2].tolist()
        yield group.matrix[:, start:end]

    def _put_together(self, first: int, limit: int) -> _Group:
        """The rows of a symbol and of those that follow it, so many as the limit has room for."""
        self._group = None
        counts = np.cumsum(self._counts[first:])
        end = first + max(1, int(np.searchsorted(counts, limit, side="right")))
        parts = [part for flush in self._flushes for part in self._parts(flush, first, end)]
        symbols = np.concatenate([part[0] for part in parts])
        keys = np.concatenate([order_of(part[1:]) for part in parts])
        order = _by_symbol(symbols)
        falls = keys[order[1:]] < keys[order[:-1]]
        if (falls & (symbols[order[1:]] == symbols[order[:-1]])).any():
            order = np.lexsort((keys, symbols))  # several connections brought rows at once
        starts = np.append(0, counts[: end - first])
        matrix = np.empty((self._height - 1, len(order)), np.int64)
        _arrange([part[1:] for part in parts], order, matrix)
        return _Group(first, end, starts, matrix)

    def _stretches(self, symbol: int) -> Iterator[Ints]:
        """The rows of one symbol, flush by flush: what no later flush can have anything before."""
        begins = np.array([*(flush.begin for flush in self._flushes[1:]), np.iinfo(np.int64).max], np.int64)
        limits = np.minimum.accumulate(begins[::-1])[::-1]
        waiting = np.empty((self._height, 0), np.int64)
        for flush, limit in zip(self._flushes, limits.tolist(), strict=True):
            waiting = np.concatenate([waiting, *self._parts(flush, symbol, symbol + 1)], axis=1)
            keys = order_of(waiting[1:])
            if (keys[1:] < keys[:-1]).any():
                order = np.argsort(keys, kind="stable")
                waiting, keys = waiting[:, order], keys[order]
            count = int(np.searchsorted(keys, limit, side="right"))
            if count:
                yield waiting[1:, :count]
            waiting = waiting[:, count:]

    def _parts(self, flush: _Flush, first: int, end: int) -> Iterator[Ints]:
        """The rows of the symbols [first, end) in one flush, with the symbols."""
        begin = int(np.searchsorted(flush.last, first))
        for chunk in range(begin, int(np.searchsorted(flush.first, end))):
            packed = os.pread(self._file.fileno(), int(flush.size[chunk]), int(flush.offset[chunk]))
            raw = self._decompressor.decompress(packed)
            rows = np.frombuffer(raw, np.int64).reshape(self._height, -1)
            rows = flush.translate(rows) if flush.translate else rows
            start, stop = np.searchsorted(rows[0], [first, end]).tolist()
            yield rows if stop - start == rows.shape[1] else rows[:, start:stop].copy()

    def close(self) -> None:
        """Delete the temporary files."""
        self._file.close()


def _arrange(parts: list[Ints], order: Ints, target: Ints) -> None:
    """Put the columns of all parts, one after the other, into `target` in that order."""
    for row in range(len(target)):
        np.concatenate([part[row] for part in parts]).take(order, out=target[row], mode="clip")


def _by_symbol(symbols: Ints) -> Ints:
    """The order by symbol that keeps the order within each; numbers of 16 bits are sorted in one pass."""
    if len(symbols) and int(symbols.max()) < 1 << 16:
        return np.argsort(symbols.astype(np.uint16), kind="stable")
    return np.argsort(symbols, kind="stable")
