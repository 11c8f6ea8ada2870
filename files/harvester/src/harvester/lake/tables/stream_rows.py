"""Decoded batches of the sockets as rows of the tables: depth, quotes and indices, or depth50."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.depth import LEVELS
from harvester.brokers.numbers import PAISE_PER_RUPEE
from harvester.decode.connections import Received
from harvester.decode.frames import ABSENT, Flags, Ints, Leftover
from harvester.decode.fyers_hsm import HsmBatch, Rows
from harvester.decode.fyers_tbt import TbtBatch
from harvester.decode.hsm_layout import DEPTH, SNAPSHOT
from harvester.lake.columns import FAR_SECONDS, Table
from harvester.lake.day.connections import Connection
from harvester.lake.schema import DEPTH50_TABLE, DEPTH_TABLE, INDICES_TABLE, QUOTES_TABLE, SECONDS
from harvester.lake.tables.origin import MOST_NOTICES, FeedContent, Origin, Piece

NO_SYMBOL = -1
UNNAMED, FINE = "topic of no connect record", "price finer than a paisa"


class _ConnectionRows:
    """What the rows of both sockets need. Topics and tickers mean nothing beyond the connection."""

    def __init__(self, connection: Connection, origin: Origin, content: FeedContent, topics: dict[str, str]) -> None:
        """`topics`: tickers that any connection of the day named, for a connection whose connect record is lost."""
        self._connection = connection
        self._origin = origin
        self.content = content
        """What is said of the frames besides their rows; may be replaced between two batches."""
        self._topics = topics
        self._symbols: Ints = np.empty(0, np.int64)
        """Number of the symbol of each topic, or ticker, of the decoder."""

    def _note(self, received: Received[Any], leftovers: Iterable[Leftover], notices: Iterable[str]) -> None:
        by_reason: dict[str, list[int]] = {}
        for left in leftovers:
            by_reason.setdefault(left.reason.value, []).append(left.frame)
        for reason, frames in by_reason.items():
            self._leave(received, reason, np.array(frames, np.int64))
        self.content.notices += islice(notices, MOST_NOTICES - len(self.content.notices))

    def _leave(self, received: Received[Any], reason: str, frames: Ints) -> None:
        """Count parts of these frames that are no rows."""
        if len(frames):
            self.content.leftovers[reason] += len(frames)
            self.content.undecoded.see(reason, received.wall_ns[frames].tolist(), self._connection)

    def _add_symbols(self, tickers: Iterable[str | None]) -> None:
        new = [NO_SYMBOL if ticker is None else self._origin.number(ticker) for ticker in tickers]
        self._symbols = np.append(self._symbols, np.array(new, np.int64))

    def _head(self, received: Received[Any], frame: Ints, entry: Ints) -> Ints:
        return self._origin.head(received, self._connection, frame, entry)


class TbtRows(_ConnectionRows):
    """Turns the batches of one connection of the 50-level socket into rows."""

    def read(self, received: Received[TbtBatch]) -> list[Piece]:
        """The rows of a batch."""
        batch, books = received.batch, received.batch.books
        self._note(received, batch.leftovers, (notice.text for notice in batch.notices))
        self._add_symbols(batch.tickers[len(self._symbols) :])
        if not len(books):
            return []
        times = [to_moments(books.feed_time), to_moments(books.send_time)]
        singles = [books.sequence, *times, books.snapshot, ~books.suspect]
        totals = [books.total_buy, books.total_sell]
        matrix = np.concatenate(
            [
                self._head(received, books.frame, books.entry),
                np.stack([column.astype(np.int64, copy=False) for column in (*singles, *totals)]),
                *(books.bid_px, books.bid_qty, books.bid_ord, books.ask_px, books.ask_qty, books.ask_ord),
            ]
        )
        return [Piece(DEPTH50_TABLE, self._symbols[books.symbol], matrix, books.snapshot)]


class _Usable(NamedTuple):
    """Rows of one kind of topic that have a ticker and prices in whole paise; `values` are of a row a field."""

    symbols: Ints
    frame: Ints
    entry: Ints
    snapshot: Flags
    values: Ints


class HsmRows(_ConnectionRows):
    """Turns the batches of one connection of the data socket into rows."""

    def read(self, received: Received[HsmBatch]) -> list[Piece]:
        """The rows of a batch, by table."""
        batch = received.batch
        notices = (control.notice for control in batch.controls)
        self._note(received, batch.leftovers, (f"{notice[0]}: {notice[1]}" for notice in notices if notice))
        named = self._connection.topics
        new = batch.topics[len(self._symbols) :]
        self.content.borrowed += sum(topic.name not in named for topic in new)
        self._add_symbols(named.get(topic.name, self._topics.get(topic.name)) for topic in new)
        quotes, depth, index = (self._usable(received, rows) for rows in batch.rows)
        pieces = [
            self._piece(QUOTES_TABLE, received, quotes, np.concatenate([_no_poll(quotes), quotes.values])),
            self._piece(DEPTH_TABLE, received, depth, np.concatenate([_no_poll(depth), _depth(depth)])),
            self._piece(INDICES_TABLE, received, index, index.values),
        ]
        return [piece for piece in pieces if len(piece.symbols)]

    def _usable(self, received: Received[HsmBatch], rows: Rows) -> _Usable:
        symbols = self._symbols[rows.topic]
        named = symbols != NO_SYMBOL
        values, exact = _in_paise(rows)
        for place, name in enumerate(rows.kind.fields):
            if name in SECONDS:
                values[place] = to_moments(values[place])
        self._leave(received, UNNAMED, rows.frame[~named])
        self._leave(received, FINE, rows.frame[named & ~exact])
        keep = named & exact
        is_snapshot: Flags = rows.form[keep] == SNAPSHOT
        return _Usable(symbols[keep], rows.frame[keep], rows.entry[keep], is_snapshot, values[:, keep])

    def _piece(self, table: Table, received: Received[HsmBatch], rows: _Usable, values: Ints) -> Piece:
        matrix = np.concatenate([self._head(received, rows.frame, rows.entry), values])
        return Piece(table, rows.symbols, matrix, rows.snapshot)


def to_moments(seconds: Ints) -> Ints:
    """Whole seconds since 1970 as ns; what is no time, such as 0, is absent."""
    known = (seconds > 0) & (seconds < FAR_SECONDS)
    return np.where(known, np.where(known, seconds, 0) * NS_PER_SECOND, ABSENT)


def _in_paise(rows: Rows) -> tuple[Ints, Flags]:
    """Values with prices in paise, and which rows have whole paise; the values of the other rows mean nothing."""
    values = rows.values.copy()
    if (rows.scale == PAISE_PER_RUPEE).all():
        return values, np.ones(len(rows), np.bool_)
    scale = np.where(rows.scale == 0, 1, rows.scale)
    exact = rows.scale != 0
    for place, name in enumerate(rows.kind.fields):
        if name in rows.kind.prices:
            given = values[place] != ABSENT
            scaled = np.where(given, values[place], 0) * PAISE_PER_RUPEE
            exact &= scaled % scale == 0
            values[place] = np.where(given, scaled // scale, ABSENT)
    return values, exact


def _no_poll(rows: _Usable) -> Ints:
    """The times at which a poll was due and sent: nothing was polled."""
    return np.full((2, len(rows.symbols)), ABSENT)


def _depth(books: _Usable) -> Ints:
    """The values of depth after the times of a poll.

    A level that the wire has not given, or fills with zeros, is absent. A book is valid when the wire has given each
    of its values since the connection began.
    """
    parts = [np.stack([books.snapshot, (books.values != ABSENT).all(axis=0)]).astype(np.int64)]
    for side in ("bid", "ask"):
        px, qty, orders = (
            books.values[[DEPTH.fields.index(f"{side}_{what}_{level}") for level in range(1, LEVELS + 1)]]
            for what in ("px", "qty", "ord")
        )
        qty, orders = np.maximum(qty, 0), np.maximum(orders, 0)
        absent = (px == ABSENT) | ((px == 0) & (qty == 0))
        parts += [np.where(absent, ABSENT, px), np.where(absent, 0, qty), np.where(absent, 0, orders)]
    return np.concatenate(parts)
