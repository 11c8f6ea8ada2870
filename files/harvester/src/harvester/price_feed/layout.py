"""How the feed's files are called, and what a line of the tables is. Needs the standard library alone."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

RAW, ANALYTICS = "Raw data/Prices", "analytics"
COLUMNS = (
    *("symbol", "symbol_clean", "timestamp_unix", "timestamp_iso", "open", "high", "low", "close", "volume"),
    *("resolution", "fetch_timestamp", "year", "month", "day", "hour", "processed_at"),
)
NS = 1_000_000_000


class FeedBar(NamedTuple):
    """A bar in force: begin and receipt of the answer that said it first in wall ns, prices in units, shares."""

    begin_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    recv_ns: int


def clean(symbol: str) -> str:
    """A symbol as keys have it: NSE:SBIN-EQ is SBIN, and BRK/B is BRK.B, for a slash ends a folder's name."""
    return symbol.replace("NSE:", "").replace("-EQ", "").replace("/", ".")


def say_resolution(bar_seconds: int) -> str:
    """As the broker calls it: minutes, or seconds with an S."""
    return f"{bar_seconds}S" if bar_seconds % 60 else str(bar_seconds // 60)


def folder_of(symbol: str, day: date) -> str:
    """Where the file of a symbol and a trading day lies."""
    return f"{ANALYTICS}/csv/symbol={clean(symbol)}/year={day:%Y}/month={day:%m}/day={day:%d}"


def file_name(moment_s: int) -> str:
    """The name of a symbol's file by a moment in seconds since 1970."""
    return f"data_{datetime.fromtimestamp(moment_s, UTC):%Y%m%dT%H%M%SZ}.csv.gz"


def raw_key(moment_s: int) -> str:
    """The key of a raw file by a moment in seconds since 1970."""
    moment = datetime.fromtimestamp(moment_s, UTC)
    return f"{RAW}/{moment:%Y-%m-%d}/raw_file_{moment:%Y%m%d_%H%M%S}.json"


def raw_moment(key: str) -> int:
    """The moment of a raw file in seconds since 1970."""
    name = key.rpartition("raw_file_")[2].removesuffix(".json")
    return int(datetime.strptime(name, "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp())


def say_moment(wall_ns: int) -> str:
    """A moment as the feed writes it: UTC, without a zone, microseconds."""
    moment = datetime.fromtimestamp(wall_ns // NS, UTC).replace(microsecond=wall_ns % NS // 1000, tzinfo=None)
    return moment.isoformat(timespec="microseconds")


def read_moment(text: str) -> int:
    """The wall ns of a moment as `say_moment` writes it. Raises ValueError."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * NS + moment.microsecond * 1000


def newest(bars: Iterable[FeedBar]) -> int:
    """When the newest answer came that the bars are of, in wall ns: the same bars have the same moment."""
    return max(bar.recv_ns for bar in bars)


def write_csv(symbol: str, bars: list[FeedBar], resolution: str, units: int) -> bytes:
    """A symbol's day as CSV with a header and CRLF, of prices of which `units` are 1; the same bars, the same bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    short, processed = clean(symbol), say_moment(newest(bars))
    fetched = {recv_ns: say_moment(recv_ns) for recv_ns in {bar.recv_ns for bar in bars}}
    for bar in bars:
        begin = datetime.fromtimestamp(bar.begin_ns // NS, UTC).replace(tzinfo=None)
        prices = (price / units for price in (bar.open, bar.high, bar.low, bar.close))
        what = (symbol, short, bar.begin_ns // NS, begin.isoformat(), *prices, bar.volume, resolution)
        when = (fetched[bar.recv_ns], begin.year, begin.month, begin.day, begin.hour, processed)
        writer.writerow((*what, *when))
    return text.getvalue().encode()
