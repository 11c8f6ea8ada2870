"""A symbol's day for programs that replay it: its books, empty while none is known, and its trades."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from harvester.lake.layout import TRADES
from harvester.reader.arrays import floats, integers
from harvester.reader.days import Day
from harvester.reader.lake import Lake

Ints = NDArray[np.int64]
LEVELS = 5
SIDES = ("bid", "ask")
SEEN = ("print", "aggregate")
"""Kinds of trades of which price and shares are known."""
TAKERS = {"buy": 1, "sell": -1}


class Side(NamedTuple):
    """[books, levels], the best first: paise, shares, orders; all 0 where a level is absent."""

    px: Ints
    qty: Ints
    ord: Ints


class Books(NamedTuple):
    """Books by time of receipt, wall ns, which never goes back: a book that a clock set back overtook has its time."""

    times: Ints
    bid: Side
    ask: Side

    def take(self, places: Ints) -> "Books":
        """These books, in this order."""
        sides = [Side(*(values[places] for values in side)) for side in (self.bid, self.ask)]
        return Books(self.times[places], *sides)


class Trades(NamedTuple):
    """Trades by time of receipt, wall ns, which never goes back: paise, shares, the day's volume after
    it; `taker`: 1 who bought, -1 who sold, 0 unknown.
    """

    times: Ints
    px: Ints
    qty: Ints
    volume: Ints
    taker: Ints


def read_trades(lake: Lake, day: Day, symbol: str) -> Trades:
    """The trades of continuous trading that were seen, in the order of receipt: single prints, and several as one.

    Left out is what traded in a gap, and what contradicts its quote. Days of schema 2 have none. Raises ReaderError.
    """
    if not day.tables(TRADES):
        return Trades(*[np.zeros(0, np.int64)] * len(Trades._fields))
    table = lake.trades(symbol, day.date, host=day.host, prices="paise").arrow()
    table = table.filter(pc.is_in(table.column("kind"), pa.array(SEEN)))
    times, px, qty, volume = (integers(table.column(name)) for name in ("ts_recv", "px", "qty", "volume"))
    takers = [TAKERS.get(side, 0) for side in table.column("side_inferred").to_pylist()]
    times = np.maximum.accumulate(times) if len(times) else times
    return Trades(times, px, qty, volume, np.array(takers, np.int64))


def read_books(lake: Lake, day: Day, symbol: str) -> Books:
    """The valid books of continuous trading, of all feeds in the order of receipt, as many levels as LEVELS.

    Where a feed has a gap, its last book ends: an empty one follows at the gap's begin, unless another feed's came
    later, and what a feed sent inside its own gap is left out. Raises ReaderError.
    """
    table = lake.depth(symbol, day.date, host=day.host, prices="paise").arrow()
    received = integers(table.column("ts_recv"))
    sides = [
        Side(*(_levels([table.column(f"{side}_{what}_{n}") for n in range(1, LEVELS + 1)]) for what in Side._fields))
        for side in SIDES
    ]
    books = Books(np.maximum.accumulate(received) if len(received) else received, *sides)
    feeds = np.array(table.column("feed").to_pylist(), dtype=object)
    lost, ends = np.zeros(len(feeds), np.bool_), list[int]()
    for feed, (begins, closes) in day.gaps.get(symbol, {}).items():
        for begin, close in zip(begins.tolist(), closes.tolist(), strict=True):
            lost |= (feeds == feed) & (books.times > begin) & (books.times < close)
            last = int(np.searchsorted(books.times, begin, side="right")) - 1
            if last >= 0 and feeds[last] == feed:
                ends.append(begin)
    return _with_ends(books.take(np.flatnonzero(~lost)), np.unique(np.array(ends, np.int64)))


def _with_ends(books: Books, ends: Ints) -> Books:
    """Books with empty ones after what came by these times."""
    nothing = np.zeros((len(ends), LEVELS), np.int64)
    sides = (Side(*(np.concatenate([values, nothing]) for values in side)) for side in (books.bid, books.ask))
    joined = Books(np.concatenate([books.times, ends]), *sides)
    return joined.take(np.argsort(joined.times, kind="stable"))


def _levels(columns: list[object]) -> Ints:
    values = [np.nan_to_num(floats(column)).astype(np.int64) for column in columns]
    return np.stack(values, axis=1)
