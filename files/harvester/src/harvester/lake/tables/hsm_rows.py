"""Decoded batches of the data socket as rows of the tables depth, quotes and index.

A row of depth is one update of a book, with the values of the symbol's quote last known on the same connection.
"""

from collections import Counter

import numpy as np

from harvester.decode.connections import Received
from harvester.decode.frames import ABSENT, Flags, Ints
from harvester.decode.fyers_hsm import HsmBatch, Rows
from harvester.decode.fyers_rest import LEVELS, PAISE_PER_RUPEE
from harvester.decode.hsm_layout import DEPTH, SYMBOL
from harvester.decode.hsm_layout import SNAPSHOT as SNAPSHOT_FORM
from harvester.lake.day.connections import Connection
from harvester.lake.schema import DEPTH_TABLE, INDEX_TABLE, QUOTES_TABLE, Table
from harvester.lake.tables.origin import MOST_NOTICES, Origin, Piece

FROM_QUOTE = tuple(column.name for column in DEPTH_TABLE.columns if column.name in SYMBOL.fields)
"""Columns of depth that come from the quote."""
ENTRY_BITS = 17
"""An entry's place in its frame is below 2**17."""
NO_SYMBOL = -1
UNNAMED, FINE = "topic of no connect record", "price finer than a paisa"


class HsmRows:
    """Turns the batches of one connection into rows. Topics and quotes mean nothing beyond it."""

    def __init__(
        self,
        connection: Connection,
        origin: Origin,
        topics: dict[str, str],
        leftovers: Counter[str],
        notices: list[str],
    ) -> None:
        """`topics`: tickers that other connections of the day named, for one whose connect record is lost."""
        self._connection = connection
        self._origin = origin
        self._names = topics | connection.topics
        self._leftovers = leftovers
        self._notices = notices
        self._symbols: Ints = np.empty(0, np.int64)
        self._quotes: Ints = np.full((len(SYMBOL.fields), 0), ABSENT)

    def read(self, received: Received[HsmBatch]) -> list[Piece]:
        """The rows of a batch, by table."""
        batch = received.batch
        self._leftovers.update(left.reason.value for left in batch.leftovers)
        said = [f"{notice[0]}: {notice[1]}" for control in batch.controls if (notice := control.notice)]
        self._notices += said[: MOST_NOTICES - len(self._notices)]
        self._name_topics(batch)
        quotes, depth, index = (self._usable(rows) for rows in batch.rows)
        pieces = [
            self._plain(QUOTES_TABLE, received, batch.rows[0], quotes),
            self._depth(received, batch, quotes, depth),
            self._plain(INDEX_TABLE, received, batch.rows[2], index),
        ]
        return [piece for piece in pieces if len(piece.symbols)]

    def _name_topics(self, batch: HsmBatch) -> None:
        new = [
            self._origin.number(self._names[topic.name]) if topic.name in self._names else NO_SYMBOL
            for topic in batch.topics[len(self._symbols) :]
        ]
        self._symbols = np.append(self._symbols, np.array(new, np.int64))
        more = len(self._origin.symbols) - self._quotes.shape[1]
        self._quotes = np.append(self._quotes, np.full((len(SYMBOL.fields), more), ABSENT), axis=1)

    def _usable(self, rows: Rows) -> tuple[Flags, Ints, Ints]:
        """Which rows have a ticker and prices in whole paise; their tickers; all values with prices in paise."""
        symbols = self._symbols[rows.topic]
        named = symbols != NO_SYMBOL
        values, exact = _in_paise(rows)
        self._leftovers.update({UNNAMED: int((~named).sum()), FINE: int((named & ~exact).sum())})
        keep = named & exact
        return keep, symbols[keep], values[:, keep]

    def _plain(self, table: Table, received: Received[HsmBatch], rows: Rows, usable: tuple[Flags, Ints, Ints]) -> Piece:
        keep, symbols, values = usable
        head = self._origin.head(received, self._connection, rows.frame[keep], rows.entry[keep])
        matrix = np.concatenate([head, values])
        return Piece(table, symbols, matrix, rows.form[keep] == SNAPSHOT_FORM)

    def _depth(
        self,
        received: Received[HsmBatch],
        batch: HsmBatch,
        quotes: tuple[Flags, Ints, Ints],
        depth: tuple[Flags, Ints, Ints],
    ) -> Piece:
        keep, symbols, values = depth
        rows = batch.rows[1]
        frame, entry = rows.frame[keep], rows.entry[keep]
        of_quotes = batch.rows[0].frame[quotes[0]] << ENTRY_BITS | batch.rows[0].entry[quotes[0]]
        known = self._last_quotes((quotes[1], of_quotes, quotes[2]), (symbols, frame << ENTRY_BITS | entry))
        matrix = np.full((DEPTH_TABLE.height, len(symbols)), ABSENT)
        head = self._origin.head(received, self._connection, frame, entry)
        matrix[: len(head)] = head
        for name in FROM_QUOTE:
            matrix[DEPTH_TABLE.at(name)] = known[SYMBOL.fields.index(name)]
        for side in ("bid", "ask"):
            _levels(matrix, values, side)
        return Piece(DEPTH_TABLE, symbols, matrix, rows.form[keep] == SNAPSHOT_FORM)

    def _last_quotes(self, quotes: tuple[Ints, Ints, Ints], books: tuple[Ints, Ints]) -> Ints:
        """The quote last known before each update of a book; afterwards the last of all are remembered."""
        of_quotes, quoted_at, values = quotes
        of_books, at = books
        order = np.lexsort((np.append(quoted_at, at), np.append(of_quotes, of_books)))
        symbols = np.append(of_quotes, of_books)[order]
        starts = np.append(True, symbols[1:] != symbols[:-1])[: len(symbols)]
        place = np.where(order < len(of_quotes), order, -1)
        latest = np.maximum.accumulate(np.where((place >= 0) | starts, np.arange(len(order)), 0))
        latest = place[latest]
        result = self._quotes[:, of_books]
        is_book = order >= len(of_quotes)
        from_batch = is_book & (latest >= 0)
        result[:, order[from_batch] - len(of_quotes)] = values[:, latest[from_batch]]
        self._quotes[:, of_quotes] = values  # of those with one symbol the last stays
        return result


def _in_paise(rows: Rows) -> tuple[Ints, Flags]:
    """Values with prices in paise, and which rows are exact; those that are not mean nothing."""
    if (rows.scale == PAISE_PER_RUPEE).all():
        return rows.values, np.ones(len(rows), np.bool_)
    values, scale = rows.values.copy(), np.where(rows.scale == 0, 1, rows.scale)
    exact = rows.scale != 0
    for place, name in enumerate(rows.kind.fields):
        if name in rows.kind.prices:
            given = values[place] != ABSENT
            scaled = np.where(given, values[place], 0) * PAISE_PER_RUPEE
            exact &= scaled % scale == 0
            values[place] = np.where(given, scaled // scale, ABSENT)
    return values, exact


def _levels(matrix: Ints, values: Ints, side: str) -> None:
    """The levels of a side; one that the wire has not given, or fills with zeros, is absent."""
    px, qty, orders = (
        values[[DEPTH.fields.index(f"{side}_{what}_{level}") for level in range(1, LEVELS + 1)]]
        for what in ("px", "qty", "ord")
    )
    qty, orders = np.maximum(qty, 0), np.maximum(orders, 0)
    absent = (px == ABSENT) | ((px == 0) & (qty == 0))
    for what, column in (("px", np.where(absent, ABSENT, px)), ("qty", qty), ("ord", orders)):
        matrix[DEPTH_TABLE.places[f"{side}_{what}"]] = np.where(absent, 0, column) if what != "px" else column
