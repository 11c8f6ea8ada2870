"""The newest order book of each symbol, and its last price minute by minute, from polls and sockets."""

from typing import NamedTuple

import numpy as np

from harvester.brokers.fyers.depth import LEVELS, Depth
from harvester.brokers.fyers.responses import read_depth
from harvester.brokers.numbers import PAISE_PER_RUPEE
from harvester.decode.connections import HSM_FRAMES, TBT_FRAMES, Received, Rounds
from harvester.decode.frames import ABSENT, Ints
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder, Rows
from harvester.decode.fyers_tbt import TbtBatch, TbtDecoder
from harvester.decode.hsm_layout import DEPTH
from harvester.journal.format import CONTROL, FEED_NAMES, FYERS_HSM, FYERS_REST, FYERS_TBT, Record, decode_poll
from harvester.journal.reader import control_of
from harvester.lake.day.segments import Source
from harvester.live.quotes import MINUTE_NS, QuoteMinutes

PARTS = ("px", "qty", "ord")
Level = tuple[float, int, int]
"""Price in the currency, quantity in shares, number of orders."""


class Ladder(NamedTuple):
    """One symbol's book, best levels first; `recv_ns` in wall ns.

    Not `valid`: numbers are missing, or no snapshot came.
    """

    feed: str
    recv_ns: int
    valid: bool
    bids: list[Level]
    asks: list[Level]


class Ladders:
    """Takes records of polls and sockets in the order of the journal. Levels of the socket with 50 go before 5."""

    def __init__(self, quotes: QuoteMinutes) -> None:
        self._quotes = quotes
        self._hsm: Rounds[HsmBatch] = Rounds(FYERS_HSM, HsmDecoder, HSM_FRAMES)
        self._tbt: Rounds[TbtBatch] = Rounds(FYERS_TBT, TbtDecoder, TBT_FRAMES)
        self._topics: dict[str, str] = {}
        self._found: dict[tuple[str, str], Ladder] = {}

    def of(self, symbol: str) -> list[Ladder]:
        """The newest of each feed, the one with most levels first."""
        found = [ladder for (name, _), ladder in self._found.items() if name == symbol]
        return sorted(found, key=lambda ladder: (-len(ladder.bids) - len(ladder.asks), ladder.feed))

    def take(self, source: Source, record: Record) -> None:
        """Take in a record; frames of sockets count when a round is full, or with `finish`."""
        if record.kind == CONTROL:
            self._end_rounds(self._hsm.control(record), self._tbt.control(record))
            value = control_of(record, "connect") if b'"connect"' in record.payload else None
            if value:
                topics = value.get("topics")
                self._topics |= topics if isinstance(topics, dict) else {}
        elif record.feed == FYERS_HSM:
            self._end_rounds(self._hsm.data(record), [])
        elif record.feed == FYERS_TBT:
            self._end_rounds([], self._tbt.data(record))
        elif record.feed == FYERS_REST and (symbol := source.streams.get(record.stream)):
            self._take_poll(symbol, record)

    def finish(self) -> None:
        """Decode what is waiting."""
        self._end_rounds(self._hsm.finish(), self._tbt.finish())

    def _take_poll(self, symbol: str, record: Record) -> None:
        poll = decode_poll(record.payload)
        depth = read_depth(poll.status, poll.body, symbol) if poll else None
        if not isinstance(depth, Depth):
            return
        bids, asks = (
            [(level.price / PAISE_PER_RUPEE, level.quantity, level.orders) for level in side if level.price is not None]
            for side in (depth.bids, depth.asks)
        )
        feed = FEED_NAMES[FYERS_REST]
        self._found[symbol, feed] = Ladder(feed, record.wall_ns, True, bids, asks)
        self._quotes.see(symbol, record.wall_ns, depth.ltp, depth.volume)

    def _end_rounds(self, hsm: list[Received[HsmBatch]], tbt: list[Received[TbtBatch]]) -> None:
        for received in hsm:
            quotes, depth, index = received.batch.rows
            for rows in (quotes, index):
                self._see_quotes(received, rows)
            self._see_depth(received, depth)
        for books in tbt:
            self._see_books(books)

    def _see_quotes(self, received: Received[HsmBatch], rows: Rows) -> None:
        """The last row of each topic and minute: what is between them moves no bar that is shown."""
        if not len(rows):
            return
        moments = received.wall_ns[rows.frame]
        volumes = rows.column("volume") if "volume" in rows.kind.fields else np.full(len(rows), ABSENT)
        for row in _last_of(np.stack([rows.topic, moments // MINUTE_NS])):
            symbol = self._topics.get(received.batch.topics[rows.topic[row]].name)
            price, scale = int(rows.column("ltp")[row]), int(rows.scale[row])
            if symbol and price != ABSENT and scale:
                volume = int(volumes[row])
                paise = round(price * PAISE_PER_RUPEE / scale)
                self._quotes.see(symbol, int(moments[row]), paise, None if volume == ABSENT else volume)

    def _see_depth(self, received: Received[HsmBatch], rows: Rows) -> None:
        feed = FEED_NAMES[FYERS_HSM]
        for row in _last_of(rows.topic[None, :]) if len(rows) else ():
            symbol = self._topics.get(received.batch.topics[rows.topic[row]].name)
            scale = int(rows.scale[row])
            if symbol and scale:
                values = dict(zip(DEPTH.fields, rows.values[:, row].tolist(), strict=True))
                sides = [
                    _levels([[values[f"{side}_{what}_{n}"] for n in range(1, LEVELS + 1)] for what in PARTS], scale)
                    for side in ("bid", "ask")
                ]
                is_whole = ABSENT not in values.values()
                moment = int(received.wall_ns[rows.frame[row]])
                self._found[symbol, feed] = Ladder(feed, moment, is_whole, *sides)

    def _see_books(self, received: Received[TbtBatch]) -> None:
        books, feed = received.batch.books, FEED_NAMES[FYERS_TBT]
        for row in _last_of(books.symbol[None, :]) if len(books) else ():
            symbol = received.batch.tickers[books.symbol[row]]
            bids = _levels(
                [part[:, row].tolist() for part in (books.bid_px, books.bid_qty, books.bid_ord)], PAISE_PER_RUPEE
            )
            asks = _levels(
                [part[:, row].tolist() for part in (books.ask_px, books.ask_qty, books.ask_ord)], PAISE_PER_RUPEE
            )
            moment = int(received.wall_ns[books.frame[row]])
            self._found[symbol, feed] = Ladder(feed, moment, not books.suspect[row], bids, asks)


def _levels(parts: list[list[int]], scale: int) -> list[Level]:
    """The levels that are there: a price with a quantity."""
    return [
        (price / scale, quantity, max(orders, 0))
        for price, quantity, orders in zip(*parts, strict=True)
        if price != ABSENT and quantity > 0
    ]


def _last_of(keys: Ints) -> list[int]:
    """Of the rows with equal keys (one column a row) the last, in the order of rows."""
    _, back = np.unique(keys[:, ::-1], axis=1, return_index=True)
    return sorted((keys.shape[1] - 1 - back).tolist())
