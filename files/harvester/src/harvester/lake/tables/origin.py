"""What the rows of all sockets have in common: time of receipt, place in the journal, symbol."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from harvester.decode.connections import Received
from harvester.decode.frames import Flags, Ints
from harvester.lake.columns import Table
from harvester.lake.day.connections import Connection
from harvester.lake.day.slots import Window
from harvester.lake.tables.undecoded import Undecoded

MOST_NOTICES = 20
"""Texts of the server that are kept, of each feed."""


@dataclass
class FeedContent:
    """What the frames of one feed hold besides rows."""

    frames: int = 0
    leftovers: Counter[str] = field(default_factory=Counter)
    """Parts of frames that have not become rows, by reason."""
    undecoded: Undecoded = field(default_factory=Undecoded)
    """Of them, what should have become rows."""
    borrowed: int = 0
    """Topics that the connect record of their connection does not name: another one of the day may."""
    notices: list[str] = field(default_factory=list)
    """Texts of the server to the client, MOST_NOTICES at most."""
    snapshots: "Snapshots" = field(default_factory=lambda: Snapshots())


class Snapshots:
    """When the first snapshot of each symbol came on each connection, in 16 bytes each; times are wall ns."""

    _BITS = 32

    def __init__(self) -> None:
        self._waiting: list[tuple[Ints, Ints]] = []
        self._keys = self._times = np.empty(0, np.int64)

    def add(self, connection: int, symbols: Ints, times: Ints) -> None:
        """Snapshots of symbols, by number, that came on a connection."""
        self.add_pairs(symbols, np.full(len(symbols), connection), times)

    def pairs(self) -> tuple[Ints, Ints, Ints]:
        """Symbol and connection, by number, and when the first snapshot of one came on the other; an element each."""
        self._settle()
        return self._keys >> self._BITS, self._keys & ((1 << self._BITS) - 1), self._times

    def add_pairs(self, symbols: Ints, connections: Ints, times: Ints) -> None:
        """Snapshots of symbols that came on connections, as `pairs` has them."""
        self._waiting.append((symbols << self._BITS | connections, times))

    def of(self, symbol: int | None) -> dict[int, int]:
        """By the number of the connection: when the first of a symbol came."""
        self._settle()
        if symbol is None:
            return {}
        start, end = np.searchsorted(self._keys, [symbol << self._BITS, (symbol + 1) << self._BITS]).tolist()
        connections = self._keys[start:end] & ((1 << self._BITS) - 1)
        return dict(zip(connections.tolist(), self._times[start:end].tolist(), strict=True))

    def _settle(self) -> None:
        if self._waiting:
            keys = np.concatenate([self._keys, *(part for part, _ in self._waiting)])
            times = np.concatenate([self._times, *(part for _, part in self._waiting)])
            self._waiting = []
            order = np.lexsort((times, keys))
            keys = keys[order]
            first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            self._keys, self._times = keys[first], times[order[first]]


class Piece(NamedTuple):
    """Rows of one table in order of arrival."""

    table: Table
    symbols: Ints
    """Number of the symbol of each row."""
    matrix: Ints
    snapshot: Flags
    """Rows from which on the whole state is known."""


def _edges(windows: Sequence[Window]) -> Ints:
    return np.array([edge for window in windows for edge in window], np.int64)


class Origin:
    """Numbers of symbols and runs, and whether a moment lies in a window of the day."""

    def __init__(
        self,
        run_ids: Sequence[str],
        windows: Sequence[Window],
        windows_of: Callable[[str], Sequence[Window]] | None = None,
    ) -> None:
        """`windows_of` gives those of a symbol, on a day with segments of different windows."""
        self.run_numbers = {run_id: number for number, run_id in enumerate(run_ids)}
        self.symbols: list[str] = []
        self._numbers: dict[str, int] = {}
        self._edges = _edges(windows)
        self._windows_of = windows_of

    def number(self, symbol: str) -> int:
        """The number that stands for a symbol."""
        number = self._numbers.setdefault(symbol, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(symbol)
        return number

    def find(self, symbol: str) -> int | None:
        """The number of the symbol, if it has one."""
        return self._numbers.get(symbol)

    def in_session(self, recv_ns: Ints, symbol: str = "") -> Ints:
        """1 for a moment inside a window of the symbol, or of any symbol where none is named, else 0."""
        edges = _edges(self._windows_of(symbol)) if symbol and self._windows_of else self._edges
        return np.searchsorted(edges, recv_ns, side="right") & 1

    def settle(self, table: Table, symbol: str, matrix: Ints) -> Ints:
        """The symbol's rows, with `in_session` by its own windows where they differ from those of others."""
        if self._windows_of is None:
            return matrix
        settled = matrix.copy()
        settled[table.at("in_session")] = self.in_session(matrix[0], symbol)
        return settled

    def head(self, received: Received[Any], connection: Connection, frame: Ints, entry: Ints) -> Ints:
        """The columns of the schema before those of a table's own, int64[8, rows]; `frame` is a place in `received`."""
        wall, count = received.wall_ns[frame], len(frame)
        return np.stack(
            [
                wall,
                wall - received.mono_ns[frame],
                np.full(count, connection.feed),
                np.full(count, self.run_numbers[connection.run_id]),
                received.seq[frame],
                entry,
                np.full(count, connection.number),
                self.in_session(wall),
            ]
        ).astype(np.int64, copy=False)
