"""A day's books as a catalog of nautilus_trader: OrderBookDepth10 with five levels, and Equity for shares.

Source: the files that nautilus_trader 1.221.0's ParquetDataCatalog writes on Linux: values are integers of 10^-16 in 16
bytes, little-endian; a file's name has the first and the last time in it.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import replacing
from harvester.lake.columns import RUPEE
from harvester.reader.books import SIDES, Books, Ints

LEVELS, DIGITS, BYTES = 10, 16, 16
BOOKS, SHARES = "order_book_depth10", "equity"
CASH = ("nse_cash", "nse_cash_other", "bse_cash", "bse_cash_other")
"""Segments whose symbols are an Equity."""
CURRENCY, STEP = "INR", "0.01"
GROUP = 5_000
"""Rows a row group, as the catalog writes them."""


def instrument_of(ticker: str) -> str:
    """NSE:SBIN-EQ as nautilus names it: SBIN-EQ.NSE."""
    exchange, _, name = ticker.partition(":")
    return f"{name}.{exchange}"


def write(books: Books, ticker: str, segment: str, catalog: Path) -> int:
    """Write a symbol's day into a catalog; the number of books is returned. Raises OSError."""
    name = instrument_of(ticker)
    if len(books.times):
        _write(_books(books, name), catalog / "data" / BOOKS / name, books.times)
        if segment in CASH:
            _write(_share(ticker, name), catalog / "data" / SHARES / name, np.zeros(1, np.int64))
    return len(books.times)


def _books(books: Books, name: str) -> pa.Table:
    """As nautilus stores OrderBookDepth10; absent levels are 0."""
    columns: dict[str, Any] = {}
    for what, scale in (("px", RUPEE), ("qty", 1)):
        for side, values in zip(SIDES, (books.bid, books.ask), strict=True):
            word = "price" if what == "px" else "size"
            columns |= _padded(f"{side}_{word}", getattr(values, what), lambda each, by=scale: _fixed(each, by))
    for side, values in zip(SIDES, (books.bid, books.ask), strict=True):
        columns |= _padded(f"{side}_count", values.ord, lambda each: pa.array(each.astype(np.uint32)))
    rows = len(books.times)
    columns["flags"] = pa.array(np.zeros(rows, np.uint8))
    columns["sequence"] = pa.array(np.zeros(rows, np.uint64))
    columns["ts_event"] = columns["ts_init"] = pa.array(books.times.astype(np.uint64))
    about = {"instrument_id": name, "price_precision": "2", "size_precision": "0"}
    fields = [pa.field(column, values.type, nullable=False) for column, values in columns.items()]
    return pa.table([*columns.values()], pa.schema(fields, about))


def _padded(name: str, values: Ints, make: Any) -> dict[str, Any]:
    none = np.zeros(len(values), np.int64)
    return {f"{name}_{n}": make(values[:, n] if n < values.shape[1] else none) for n in range(LEVELS)}


def _fixed(values: Ints, scale: int) -> pa.Array:
    """Integers of 1 / scale as integers of 10^-16; each that occurs is converted once."""
    known, places = np.unique(values, return_inverse=True)
    words = [(int(value) * (10**DIGITS // scale)).to_bytes(BYTES, "little", signed=True) for value in known]
    return pa.array(words, pa.binary(BYTES)).take(pa.array(places))


def _share(ticker: str, name: str) -> pa.Table:
    """As nautilus stores Equity. A price's step is a paisa and a lot one share, of which all others are multiples."""
    text = pa.string()
    values: dict[str, tuple[Any, pa.DataType]] = {
        "id": (name, pa.dictionary(pa.int64(), text)),
        "raw_symbol": (ticker, text),
        "currency": (CURRENCY, pa.dictionary(pa.int16(), text)),
        "price_precision": (2, pa.uint8()),
        "price_increment": (STEP, pa.dictionary(pa.int16(), text)),
        "lot_size": ("1", pa.dictionary(pa.int16(), text)),
        "isin": (None, text),
        **{each: ("0", text) for each in ("margin_init", "margin_maint", "maker_fee", "taker_fee")},
        "info": (b"{}", pa.binary()),
        "ts_event": (0, pa.uint64()),
        "ts_init": (0, pa.uint64()),
    }
    fields = [pa.field(column, kind) for column, (_, kind) in values.items()]
    return pa.table(
        [pa.array([value], kind) for value, kind in values.values()], pa.schema(fields, {"class": "Equity"})
    )


def _write(table: pa.Table, folder: Path, times: Ints) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begin = _said(int(times[0]))
    path = folder / f"{begin}_{_said(int(times[-1]))}.parquet"
    for former in folder.glob(f"{begin.partition('T')[0]}T*.parquet"):  # of the day before it was built again
        former.unlink()
    with replacing(path) as file:
        pq.write_table(table, file, row_group_size=GROUP)


def _said(time_ns: int) -> str:
    """2026-11-19T03-45-00-000000000Z."""
    seconds, rest = divmod(time_ns, NS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H-%M-%S}-{rest:09}Z"
