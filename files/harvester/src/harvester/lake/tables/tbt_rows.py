"""Decoded batches of the 50-level socket as rows of the table depth50."""

from collections import Counter

import numpy as np

from harvester.decode.connections import Received
from harvester.decode.frames import Ints
from harvester.decode.fyers_tbt import TbtBatch
from harvester.lake.day.connections import Connection
from harvester.lake.schema import DEPTH50_TABLE
from harvester.lake.tables.origin import MOST_NOTICES, Origin, Piece


class TbtRows:
    """Turns the batches of one connection into rows."""

    def __init__(self, connection: Connection, origin: Origin, leftovers: Counter[str], notices: list[str]) -> None:
        self._connection = connection
        self._origin = origin
        self._leftovers = leftovers
        self._notices = notices
        self._symbols: Ints = np.empty(0, np.int64)

    def read(self, received: Received[TbtBatch]) -> list[Piece]:
        """The rows of a batch."""
        batch, books = received.batch, received.batch.books
        self._leftovers.update(left.reason.value for left in batch.leftovers)
        self._notices += [notice.text for notice in batch.notices][: MOST_NOTICES - len(self._notices)]
        new = [self._origin.number(ticker) for ticker in batch.tickers[len(self._symbols) :]]
        self._symbols = np.append(self._symbols, np.array(new, np.int64))
        if not len(books):
            return []
        singles = [books.sequence, books.feed_time, books.send_time, books.snapshot, books.suspect]
        totals = [books.total_buy, books.total_sell]
        matrix = np.concatenate(
            [
                self._origin.head(received, self._connection, books.frame, books.entry),
                np.stack([column.astype(np.int64, copy=False) for column in (*singles, *totals)]),
                *(books.bid_px, books.bid_qty, books.bid_ord, books.ask_px, books.ask_qty, books.ask_ord),
            ]
        )
        return [Piece(DEPTH50_TABLE, self._symbols[books.symbol], matrix, books.snapshot)]
