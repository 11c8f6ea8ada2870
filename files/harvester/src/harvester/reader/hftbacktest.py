"""A day's books and trades as events of hftbacktest: a .npz file a symbol, whose array `data` has its event_dtype.

Source: hftbacktest 2.4, "Data" in its documentation, and hftbacktest.types: the flags and the layout of 64 bytes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harvester.base.files import replacing
from harvester.lake.columns import RUPEE
from harvester.reader.books import Books, Ints, Side, Trades

DEPTH, TRADE, EXCHANGE, LOCAL, BUY, SELL = 1, 2, 1 << 31, 1 << 30, 1 << 29, 1 << 28
EVENT = np.dtype(
    [
        *(("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8")),
        *(("order_id", "<u8"), ("ival", "<i8"), ("fval", "<f8")),
    ],
    align=True,
)


def events_of(books: Books, trades: Trades) -> NDArray[Any]:
    """Depth events: price in rupees, its shares from now on (0: none). Of each book first what goes, then what changes.
    Trade events come before a book of the same time; one of which nobody knows who took has no side.

    The wire gives books no time of the exchange, so `exch_ts` is that of receipt: a backtest adds a latency of its own.
    """
    pieces = [
        piece for sign, side in ((BUY, books.bid), (SELL, books.ask)) for piece in _changes(books.times, side, sign)
    ]
    found = np.concatenate([np.zeros(0, EVENT), *pieces])
    found = found[np.lexsort((found["qty"] > 0, found["ival"]))]
    return np.insert(found, np.searchsorted(found["exch_ts"], trades.times), _prints(trades))


def write(books: Books, trades: Trades, path: Path) -> int:
    """Write the file; the number of events is returned. Raises OSError."""
    found = events_of(books, trades)
    found["ival"] = 0
    with replacing(path) as file:
        np.savez_compressed(file, data=found)
    return len(found)


def _prints(trades: Trades) -> NDArray[Any]:
    events = np.zeros(len(trades.times), EVENT)
    events["ev"] = TRADE | EXCHANGE | LOCAL | np.choose(trades.taker + 1, (SELL, 0, BUY))
    events["exch_ts"] = events["local_ts"] = trades.times
    events["px"], events["qty"] = trades.px / RUPEE, trades.qty
    return events


def _changes(times: Ints, side: Side, sign: int) -> Iterator[NDArray[Any]]:
    """Levels that are gone since the book before, and levels that are new or have other shares; `ival`: the book."""
    px, qty = side.px, side.qty
    before_px, before_qty = (np.vstack([np.zeros((1, px.shape[1]), np.int64), values[:-1]]) for values in (px, qty))
    same = px[:, :, None] == before_px[:, None, :]
    gone = (before_px > 0) & ~same.any(axis=1)
    new = (px > 0) & ~(same & (qty[:, :, None] == before_qty[:, None, :])).any(axis=2)
    for chosen, prices, shares in ((gone, before_px, np.zeros_like(qty)), (new, px, qty)):
        places = np.nonzero(chosen)
        events = np.zeros(len(places[0]), EVENT)
        events["ev"] = DEPTH | EXCHANGE | LOCAL | sign
        events["exch_ts"] = events["local_ts"] = times[places[0]]
        events["px"], events["qty"] = prices[places] / RUPEE, shares[places]
        events["ival"] = places[0]
        yield events
