"""50-level depth messages (TBT) to exact integer columns, whole batches at a time.

Every symbol's part of a message becomes a row with the full book after it. Levels go by their number, a snapshot
forgets what was before it, and a level without quantity is empty. Prices are paise, times epoch seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harvester.decode.frames import ABSENT, Flags, FrameBatch, Ints, Leftover, keep_heap_pages
from harvester.decode.merge import firsts, last_of_each, lasts, merge
from harvester.decode.tbt_layout import SLOTS
from harvester.decode.tbt_levels import Levels
from harvester.decode.tbt_parts import Notice, Parts, Symbols, read_messages

SIDES = 2 * SLOTS
"""Slots of both sides, the bids first."""
PRICES, QTYS, ORDERS = (slice(part * SIDES, (part + 1) * SIDES) for part in range(3))
TOTAL_BUY, TOTAL_SELL = 3 * SIDES, 3 * SIDES + 1
HEIGHT = 3 * SIDES + 2


@dataclass(frozen=True)
class Books:
    """Rows in order of arrival, each the book of a symbol after its part of a message.

    The level columns have one row a slot, the best first, and one column an update. A slot without a quantity has
    the price ABSENT, quantity 0 and orders 0. ABSENT elsewhere: the wire has not given the value.
    """

    frame: Ints
    """Number of the frame in the batch."""
    entry: Ints
    """Place among the frame's parts that have a book, from 0."""
    symbol: Ints
    """Place in the batch's `tickers`."""
    sequence: Ints
    feed_time: Ints
    send_time: Ints
    snapshot: Flags
    suspect: Flags
    """No snapshot came yet on this connection, or sequence numbers are missing since the last snapshot."""
    total_buy: Ints
    total_sell: Ints
    bid_px: Ints
    bid_qty: Ints
    bid_ord: Ints
    ask_px: Ints
    ask_qty: Ints
    ask_ord: Ints

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class TbtBatch:
    """Books, tickers, notices and unread bytes of a batch of frames."""

    books: Books
    tickers: Sequence[str]
    notices: list[Notice]
    leftovers: list[Leftover]


class TbtState(NamedTuple):
    """What a decoder knows of its connection, in plain values that outlive the process."""

    tickers: list[str]
    values: bytes
    """int64[HEIGHT, tickers]: the book of each."""
    sequence: bytes
    """int64: the last number of each."""
    suspect: bytes
    """bool: whether the book of each may be wrong."""


class TbtDecoder:
    """Decodes the frames of one connection in their order. Make another for the next: a book does not outlive it."""

    def __init__(self) -> None:
        keep_heap_pages()
        self._symbols = Symbols()
        self._state = np.empty((HEIGHT, 0), np.int64)
        self._sequence = np.empty(0, np.int64)
        self._suspect = np.empty(0, np.bool_)

    @classmethod
    def resumed(cls, state: TbtState) -> "TbtDecoder":
        """A decoder that goes on where another was."""
        decoder = cls()
        for ticker in state.tickers:
            decoder._symbols.code(ticker)
        decoder._state = np.frombuffer(state.values, np.int64).reshape(HEIGHT, -1).copy()
        decoder._sequence = np.frombuffer(state.sequence, np.int64).copy()
        decoder._suspect = np.frombuffer(state.suspect, np.bool_).copy()
        return decoder

    def save(self) -> TbtState:
        """What another decoder needs to go on from here."""
        arrays = self._state, self._sequence, self._suspect
        return TbtState(self._symbols.tickers, *(array.tobytes() for array in arrays))

    def decode(self, frames: Sequence[bytes]) -> TbtBatch:
        """The next frames of the connection; some hundreds at a time are the fastest."""
        messages = read_messages(FrameBatch.of(frames), self._symbols)
        self._make_room()
        books = self._books(messages.parts, messages.levels)
        return TbtBatch(books, self._symbols.tickers, messages.notices, sorted(messages.leftovers))

    def _make_room(self) -> None:
        new = len(self._symbols.tickers) - len(self._sequence)
        self._state = np.append(self._state, np.full((HEIGHT, new), ABSENT), axis=1)
        self._sequence = np.append(self._sequence, np.zeros(new, np.int64))
        self._suspect = np.append(self._suspect, np.ones(new, np.bool_))

    def _books(self, parts: Parts, levels: Levels) -> Books:
        order = np.argsort(parts.symbol, kind="stable")
        symbol, sequence = parts.symbol[order], parts.sequence[order]
        snapshot = _snapshots(parts)[order]
        first = firsts(symbol)
        last = lasts(first)
        before = np.append(0, sequence[:-1])[: len(sequence)]
        before[first] = self._sequence[symbol[first]]
        suspect = find_suspects(find_breaks(sequence, before), snapshot, first, self._suspect[symbol[first]])
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        values = _lay_out(levels, places, parts.total_buy[order], parts.total_sell[order])
        merged = merge(values, snapshot, first, self._state[:, symbol[first]], ABSENT)
        self._state[:, symbol[last]] = merged[:, last]
        self._sequence[symbol[last]] = sequence[last]
        self._suspect[symbol[last]] = suspect[last]
        return _books(parts, merged, places, snapshot, suspect)


def find_breaks(sequence: Ints, before: Ints) -> Flags:
    """Marks the sequence numbers that do not follow the one before. 0 on either side is no number, and no break."""
    breaks: Flags = (sequence != before + 1) & (sequence != 0) & (before != 0)
    return breaks


def find_suspects(breaks: Flags, snapshots: Flags, firsts: Flags, before: Flags) -> Flags:
    """Marks the rows whose book may be wrong: from a break, or the start of the connection, to the next snapshot.

    Rows are by symbol and then by arrival; `before` has the mark of each symbol before its first row.
    """
    starts = breaks.copy()
    starts[firsts] |= before
    starts &= ~snapshots
    latest = np.where(breaks | snapshots | firsts, np.arange(len(starts)), 0)
    suspects: Flags = starts[np.maximum.accumulate(latest)]
    return suspects


def _snapshots(parts: Parts) -> Flags:
    """Which parts are snapshots: those that say so themselves; where none of a message does, the message's word."""
    has_own_flag = np.zeros(int(parts.frame[-1]) + 1 if len(parts.frame) else 0, np.bool_)
    has_own_flag[parts.frame[parts.snapshot]] = True
    return parts.snapshot | (parts.message_snapshot & ~has_own_flag[parts.frame])


def _lay_out(levels: Levels, places: Ints, total_buy: Ints, total_sell: Ints) -> Ints:
    """The values of the parts, int64[HEIGHT, parts], each part at its place; ABSENT where it gives none."""
    values = np.full((HEIGHT, len(places)), ABSENT)
    values[TOTAL_BUY], values[TOTAL_SELL] = total_buy, total_sell
    slot = levels.num + SLOTS * levels.is_ask
    column = places[levels.message]
    known = (levels.num >= 0) & (levels.num < SLOTS)
    if not known.all():
        levels, slot, column = levels.pick(known), slot[known], column[known]
    place, size = slot * len(places) + column, SIDES * len(places)
    last = last_of_each(place, size)
    for part, numbers in ((PRICES, levels.price), (QTYS, levels.qty), (ORDERS, levels.orders)):
        flat = values[part].reshape(-1)
        if numbers.size and numbers.min() == ABSENT:  # a field not given leaves what an earlier level gave
            given = np.flatnonzero(numbers != ABSENT)
            given = given[last_of_each(place[given], size)]
            flat[place[given]] = numbers[given]
        else:
            flat[place[last]] = numbers[last]
    return values


def _books(parts: Parts, merged: Ints, places: Ints, snapshot: Flags, suspect: Flags) -> Books:
    columns = merged.take(places, axis=1)
    qty = columns[QTYS]
    empty = qty <= 0
    if empty.any():
        columns[PRICES][empty] = ABSENT
        qty[empty] = 0
        columns[ORDERS][empty] = 0
    levels = [columns[part][side] for side in (slice(SLOTS), slice(SLOTS, SIDES)) for part in (PRICES, QTYS, ORDERS)]
    return Books(
        parts.frame,
        np.arange(len(parts.frame)) - np.searchsorted(parts.frame, parts.frame),
        parts.symbol,
        parts.sequence,
        parts.feed_time,
        parts.send_time,
        snapshot[places],
        suspect[places],
        columns[TOTAL_BUY],
        columns[TOTAL_SELL],
        *levels,
    )
