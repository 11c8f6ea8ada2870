"""`./inv export`: days of a lake as files of other programs."""

from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from harvester.base.errors import ConfigError
from harvester.base.files import make_directory
from harvester.lake.layout import DEPTH
from harvester.reader import hftbacktest, nautilus
from harvester.reader.books import read_books, read_trades
from harvester.reader.days import Day
from harvester.reader.export import cannot_write, choose_symbols, days_of, export_csv, telling
from harvester.reader.facts import read_instruments

Target = Literal["csv", "hftbacktest", "nautilus"]
CSV, HFTBACKTEST = "csv", "hftbacktest"


def parse_target(text: str) -> Target:
    """What --to says. Raises ConfigError."""
    if text not in get_args(Target):
        raise ConfigError(f"--to {text!r} is none of {', '.join(get_args(Target))}.")
    return text  # type: ignore[return-value]


def export_day(
    to: Target, lake: Path, day: date, output: Path, symbols: Collection[str] = (), every_ns: int | None = None
) -> Iterator[tuple[Path, int]]:
    """Write a day below `output`; each file, or folder of a catalog, with its lines, events, or books and trades.

    Of a symbol that several hosts recorded the first host by name counts. `every_ns` is about the CSV. What an earlier
    export of the day left is replaced. Raises HarvesterError.
    """
    if to == CSV:
        yield export_csv(lake, day, output, symbols, every_ns)
        return
    with telling():
        here, days = days_of(lake, day)
        for symbol in choose_symbols(days, symbols):
            first = next(each for each in days if symbol in each.updated(DEPTH))
            books, trades = read_books(here, first, symbol), read_trades(here, first, symbol)
            path = output / f"{symbol.replace(':', '-')}_{day}.npz" if to == HFTBACKTEST else output
            try:
                make_directory(output)
                if to == HFTBACKTEST:
                    yield path, hftbacktest.write(books, trades, path)
                else:
                    yield path, nautilus.write(books, trades, _instrument(first, symbol), path)
            except OSError as error:
                raise cannot_write(path, error) from error


def _instrument(day: Day, symbol: str) -> dict[str, Any]:
    """The symbol's row of the day's instruments, prices as decimals, expiry as wall ns."""
    rows = read_instruments([day], "decimal", "UTC")
    rows = rows.filter(pc.equal(rows.column("symbol"), symbol))
    at = rows.schema.get_field_index("ts_expiry")
    [found] = rows.set_column(at, "ts_expiry", rows.column(at).cast(pa.int64())).to_pylist()
    return dict(found)
