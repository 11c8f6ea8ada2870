"""What rows of all sockets have in common: when they came, where they are in the journal, of which symbol they are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harvester.decode.connections import Received
from harvester.decode.frames import Flags, Ints
from harvester.lake.day.connections import Connection
from harvester.lake.day.slots import Window
from harvester.lake.schema import Table

MOST_NOTICES = 20
"""Texts of the server that are kept, of each feed."""


class Piece(NamedTuple):
    """Rows of one table in order of arrival."""

    table: Table
    symbols: Ints
    """Number of the symbol of each row."""
    matrix: Ints
    snapshot: Flags
    """Rows from which on the whole state is known."""


class Origin:
    """Numbers symbols and runs, and knows the windows of the day."""

    def __init__(self, run_ids: Sequence[str], windows: Sequence[Window]) -> None:
        self.run_numbers = {run_id: number for number, run_id in enumerate(run_ids)}
        self.symbols: list[str] = []
        self._numbers: dict[str, int] = {}
        self._edges = np.array([edge for window in windows for edge in window], np.int64)

    def number(self, symbol: str) -> int:
        """The number that stands for a symbol."""
        number = self._numbers.setdefault(symbol, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(symbol)
        return number

    def knows(self, symbol: str) -> bool:
        """Whether the symbol has a number."""
        return symbol in self._numbers

    def in_session(self, recv_ns: Ints) -> Ints:
        """1 for a moment inside a window, else 0."""
        return np.searchsorted(self._edges, recv_ns, side="right") & 1

    def head(self, received: Received[Any], connection: Connection, frame: Ints, entry: Ints) -> Ints:
        """The first columns of a socket's row: see the schema."""
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
