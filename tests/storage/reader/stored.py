"""What lies in the files of a lake of either schema, under the names that the reader gives. Shares nothing with it."""

from pathlib import Path
from typing import Any

from tests.lake_rows import Row, rows

NS = 10**9
FORMER = {
    "recv_ns": "ts_recv",
    "sched_ns": "ts_sched",
    "sent_ns": "ts_send",
    "begin_ns": "ts_begin",
    "from_ns": "ts_from",
    "to_ns": "ts_to",
}
SECONDS = {"exchange_time": "ts_event", "ltt": "ts_trade", "feed_time": "ts_feed", "send_time": "ts_send"}
FOLDERS = {"indices": "index"}
BEST = ("bid_px", "bid_qty", "ask_px", "ask_qty")


def table(folder: Path, kind: str, day: Any, host: str = "lab1") -> Path:
    """The one file of a kind of table."""
    [path] = (
        path
        for name in (f"{kind}_v3", FOLDERS.get(kind, kind))
        for path in folder.glob(f"{name}/date={day}/host={host}/*.parquet")
    )
    return path


def stored(folder: Path, kind: str, day: Any, symbol: str, host: str = "lab1") -> list[Row]:
    """A symbol's rows in the order of the file: prices in paise, moments in ns since 1970."""
    found = [_renamed(row) for row in rows(table(folder, kind, day, host)) if row["symbol"] == symbol]
    if kind == "quotes" and not is_newer(folder, day):
        books = stored(folder, "depth", day, symbol, host)
        found += [row | {name: row[name][0] for name in BEST} for row in books if row["feed"] == "fyers-rest"]
    return found


def is_newer(folder: Path, day: Any) -> bool:
    """Whether a day is of schema 3."""
    return any(folder.glob(f"gaps_v3/date={day}/*/*.parquet"))


def _renamed(row: Row) -> Row:
    values = {FORMER.get(name, name).removesuffix("_paise"): value for name, value in row.items()}
    for name, ours in SECONDS.items():
        if name in row:
            values[ours] = row[name] and row[name] * NS
    if "suspect" in row:
        values |= {"valid": not row["suspect"], "action": "snapshot" if row["snapshot"] else "update"}
    return values
