"""Rows of a day on their way from frames, which mix the symbols, to tables, which keep them apart.

Rows gather in memory up to a limit and go to one temporary file then, sorted by symbol. A symbol's rows come back in
the order of the journal, so much at a time as one such flush had of it.
"""

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zstandard

from harvester.decode.frames import Ints
from harvester.lake.schema import order_of

FLUSH_BYTES = 16 << 20
LEVEL = 1


class RowSpool:
    """Keeps matrices of one table by symbol."""

    def __init__(self, directory: Path, height: int) -> None:
        """`height`: values of a row. Raises OSError when no file can be made in `directory`."""
        self._height = height
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # closed by close()
        self._waiting: list[tuple[Ints, Ints]] = []
        self._bytes = 0
        self._extents: dict[int, array[int]] = {}
        """Pieces of each symbol: offset and size in the file, and rows, one after the other."""

    @property
    def rows(self) -> int:
        """Rows of all symbols."""
        self.flush()
        return sum(sum(extents[2::3]) for extents in self._extents.values())

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
        matrix = np.concatenate([matrix for _, matrix in self._waiting], axis=1)
        self._waiting, self._bytes = [], 0
        order = np.argsort(symbols, kind="stable")
        symbols = symbols[order]
        starts = np.flatnonzero(np.append(True, symbols[1:] != symbols[:-1])).tolist()
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        for start, end in zip(starts, [*starts[1:], len(symbols)], strict=True):
            packed = compressor.compress(matrix.take(order[start:end], axis=1).tobytes())
            extents = self._extents.setdefault(int(symbols[start]), array("q"))
            extents.extend((self._file.tell(), len(packed), end - start))
            self._file.write(packed)

    def read(self, symbol: int) -> Iterator[Ints]:
        """The rows of a symbol in the order of the journal."""
        self.flush()
        pieces = np.array(self._extents.get(symbol, ()), np.int64).reshape(-1, 3)
        keys = [order_of(self._piece(*piece)) for piece in pieces.tolist()]
        together = np.concatenate([np.empty(0, np.int64), *keys])
        if (together[1:] >= together[:-1]).all():
            yield from (self._piece(*piece) for piece in pieces.tolist())
        else:
            yield from self._reordered(pieces, together)

    def _reordered(self, extents: Ints, keys: Ints) -> Iterator[Ints]:
        """Several connections brought rows at once: pick those of one stretch from several pieces each time."""
        order = np.argsort(keys, kind="stable")
        ends = np.cumsum(extents[:, 2])
        step = int(extents[:, 2].max())
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            pieces = np.searchsorted(ends, chosen, side="right")
            rows = np.empty((self._height, len(chosen)), np.int64)
            for number in np.unique(pieces).tolist():
                here = pieces == number
                first = ends[number] - extents[number, 2]
                rows[:, here] = self._piece(*extents[number].tolist())[:, chosen[here] - first]
            yield rows

    def _piece(self, offset: int, size: int, _rows: int) -> Ints:
        self._file.seek(offset)
        packed = self._file.read(size)
        self._file.seek(0, 2)
        raw = zstandard.ZstdDecompressor().decompress(packed)
        return np.frombuffer(raw, np.int64).reshape(self._height, -1)

    def close(self) -> None:
        """Delete the temporary files."""
        self._file.close()
