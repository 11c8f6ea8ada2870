"""A day's books of the harvester's lake, with the quotes that were known: what an answer of /depth has."""

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from exchange.market.instruments import Instrument
from exchange.quotes import recorded_row, recorded_sides
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.lake.layout import DEPTH, PARTITION, QUOTES, parse_partition, table_of
from harvester.reader import Lake, ReaderError, open_lake
from harvester.reader.days import Day

DEFAULT_TICK = 5
TIMES = ("ts_recv", "ts_trade")


class BookTable:
    """The books that a table of depth, in its lake, has of a day of a host; symbol after symbol, as they were received.

    Raises ConfigError for a file that is none.
    """

    def __init__(self, path: Path) -> None:
        self.symbols: list[str] = []
        self.times: list[int] = []
        self._books: list[pa.Table] = []
        self._quotes: list[tuple[list[int], pa.Table] | None] = []
        self._places: list[tuple[int, int]] = []
        try:
            lake, day = _find(path)
            has_quotes = bool(day.tables(QUOTES))
            for number, symbol in enumerate(sorted(day.updated(DEPTH))):
                options: Any = {"host": day.host, "session": "all", "prices": "paise"}
                books = _plain(lake.depth(symbol, day.date, invalid=True, **options).arrow())
                quotes = _plain(lake.quotes(symbol, day.date, **options).arrow()) if has_quotes else None
                self._books.append(books)
                self._quotes.append(quotes and _by_time(quotes))
                self.symbols += [symbol] * len(books)
                self.times += books.column("ts_recv").to_pylist()
                self._places += [(number, place) for place in range(len(books))]
        except ReaderError as error:
            raise ConfigError(f"{path}: the recording cannot be read. {error}") from error

    def answer(self, place: int, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """The broker's JSON of one row, with the quote received last by then; what no quote said is 0."""
        number, row = self._places[place]
        levels = self._books[number].slice(row, 1).to_pylist()[0]
        values: dict[str, Any] = {}
        if known := self._quotes[number]:
            received, quotes = known
            if (latest := bisect_right(received, self.times[place]) - 1) >= 0:
                values = quotes.slice(latest, 1).to_pylist()[0]
        if traded := values.get("ts_trade"):
            values["ltt"] = traded // NS_PER_SECOND
        item = instruments.get(levels["symbol"])
        tick, expiry = (item.tick, item.expiry) if item else (DEFAULT_TICK, "")
        said = _Known({name: value for name, value in values.items() if value is not None})
        return recorded_row(said, recorded_sides(levels, "px_", "qty_", "ord_"), tick, expiry)


class _Known(dict[str, Any]):
    """Values of which those that are not known are 0."""

    def __missing__(self, name: str) -> int:
        return 0


def _find(path: Path) -> tuple[Lake, Day]:
    """The lake and the day of a host that the table is of. Raises ConfigError or ReaderError."""
    parents = path.absolute().parents
    folder = parents[0].relative_to(parents[2]).as_posix() if len(parents) > 3 else ""
    if not path.exists() or not PARTITION.match(folder) or table_of(parents[2].name) != DEPTH:
        raise ConfigError(
            f"{path}: not a table of books of the lake, or not in its lake, where the quotes of its day are. Name a"
            " Parquet file of depth_v3/ or depth/ there."
        )
    partition = parse_partition(folder)
    lake = open_lake(parents[3])
    [day] = [each for each in lake.on(partition.date) if each.host == partition.host]
    return lake, day


def _plain(rows: pa.Table) -> pa.Table:
    """Moments as ns since 1970."""
    for place, field in enumerate(rows.schema):
        if field.name in TIMES:
            rows = rows.set_column(place, field.name, rows.column(place).cast(pa.int64()))
    return rows


def _by_time(quotes: pa.Table) -> tuple[list[int], pa.Table]:
    """Quotes by receipt, for a clock may have been set back; and when each was received."""
    ordered = quotes.sort_by("ts_recv")
    return ordered.column("ts_recv").to_pylist(), ordered
