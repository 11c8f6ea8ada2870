"""A day as a catalog of nautilus_trader: OrderBookDepth10 with five levels, TradeTick, and instruments.

Source: the files that nautilus_trader 1.221.0's ParquetDataCatalog writes on Linux: values are integers of 10^-16 in 16
bytes, little-endian; a file's name has the first and the last time in it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import replacing
from harvester.lake.columns import RUPEE
from harvester.reader.books import SIDES, Books, Ints, Trades

LEVELS, DIGITS, BYTES = 10, 16, 16
BOOKS, TICKS = "order_book_depth10", "trade_tick"
CASH = ("nse_cash", "nse_cash_other", "bse_cash", "bse_cash_other")
"""Segments whose symbols are an Equity."""
CONTRACTS = ("nse_fo", "bse_fo")
"""Segments whose symbols are a FuturesContract or an OptionContract, with prices and quantities of one share."""
RIGHTS = {"CE": "CALL", "PE": "PUT"}
TAKERS = (2, 0, 1)
"""AggressorSide of nautilus: a seller, nobody known, a buyer."""
GROUP = 5_000
"""Rows a row group, as the catalog writes them."""


def instrument_of(ticker: str) -> str:
    """NSE:SBIN-EQ as nautilus names it: SBIN-EQ.NSE."""
    exchange, _, name = ticker.partition(":")
    return f"{name}.{exchange}"


def write(books: Books, trades: Trades, instrument: Mapping[str, Any], catalog: Path) -> int:
    """Write a symbol's day into a catalog; the number of books and trades is returned. Raises OSError.

    `instrument`: the row of `Lake.instruments` with decimal prices; `ts_expiry` as wall ns.
    """
    name, place = instrument_of(instrument["symbol"]), catalog / "data"
    if len(books.times):
        _write(_books(books, name), place / BOOKS / name, books.times)
        if described := describe(instrument):
            kind, table = described
            _write(table, place / kind / name, np.zeros(1, np.int64))
    if len(trades.times):
        _write(_ticks(trades, name), place / TICKS / name, trades.times)
    return len(books.times) + len(trades.times)


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
    return _table(columns, name)


def _ticks(trades: Trades, name: str) -> pa.Table:
    """As nautilus stores TradeTick. A trade's name is its time of receipt and the day's volume."""
    sides = np.choose(trades.taker + 1, TAKERS).astype(np.uint8)
    names = [f"{time}-{volume}" for time, volume in zip(trades.times, trades.volume, strict=True)]
    times = pa.array(trades.times.astype(np.uint64))
    columns = {
        "price": _fixed(trades.px, RUPEE),
        "size": _fixed(trades.qty, 1),
        "aggressor_side": pa.array(sides),
        "trade_id": pa.array(names, pa.string()),
        "ts_event": times,
        "ts_init": times,
    }
    return _table(columns, name)


def _table(columns: dict[str, Any], name: str) -> pa.Table:
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


def describe(instrument: Mapping[str, Any]) -> tuple[str, pa.Table] | None:
    """The folder and the row of an instrument as nautilus stores it; None for what it has no class for here.

    Tick, lot, ISIN, strike and expiry are those of the symbol master. A share that none lists has a step of a paisa and
    a lot of one, of which all others are multiples; a contract that none lists is none.
    """
    text, word = pa.string(), pa.dictionary(pa.int16(), pa.string())
    tick, lot, expires = instrument["tick"] or Decimal("0.01"), instrument["lot"], instrument["ts_expiry"]
    common: dict[str, tuple[Any, pa.DataType]] = {
        "id": (instrument_of(instrument["symbol"]), pa.dictionary(pa.int64(), text)),
        "raw_symbol": (instrument["symbol"], text),
        "currency": ("INR", word),
        "price_precision": (2, pa.uint8()),
        "price_increment": (f"{tick:.2f}", word),
        "lot_size": (str(lot or 1), word),
        **{each: ("0", text) for each in ("margin_init", "margin_maint", "maker_fee", "taker_fee")},
        "info": (b"{}", pa.binary()),
        "ts_event": (0, pa.uint64()),
        "ts_init": (0, pa.uint64()),
    }
    if instrument["segment"] in CASH:
        return "equity", _one("Equity", {**common, "isin": (instrument["isin"], text)})
    if instrument["segment"] not in CONTRACTS or not (lot and expires and instrument["root"]):
        return None
    contract = common | {
        "underlying": (instrument["root"], word),
        "asset_class": ("EQUITY", pa.dictionary(pa.int8(), text)),
        "exchange": (None, word),
        "size_precision": (0, pa.uint8()),
        "size_increment": ("1", word),
        "multiplier": ("1", word),
        "activation_ns": (0, pa.uint64()),
        "expiration_ns": (expires, pa.uint64()),
    }
    if not instrument["option_type"]:
        return "futures_contract", _one("FuturesContract", contract)
    right = {
        "option_kind": (RIGHTS[instrument["option_type"]], pa.dictionary(pa.int8(), text)),
        "strike_price": (f"{instrument['strike']:.2f}", pa.dictionary(pa.int64(), text)),
    }
    return "option_contract", _one("OptionContract", contract | right)


def _one(kind: str, values: Mapping[str, tuple[Any, pa.DataType]]) -> pa.Table:
    columns = [pa.array([value], of) for value, of in values.values()]
    return pa.table(columns, pa.schema([(name, of) for name, (_, of) in values.items()], {"class": kind}))


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
