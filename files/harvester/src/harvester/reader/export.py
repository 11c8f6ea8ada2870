"""`harvester export --csv`: a day of the lake as the CSV that the old harvester wrote.

A line for each symbol and scheduled time, so that a pivot on the time has no holes but those of the gap ledger.
"""

import csv
import io
import os
import tempfile
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.base.market import Market, to_local
from harvester.brokers.fyers.depth import LEVELS
from harvester.lake.columns import RUPEE
from harvester.lake.layout import CERTIFICATE, DEPTH, QUOTES
from harvester.lake.manifest import load_manifest
from harvester.reader.arrays import integers
from harvester.reader.days import Day
from harvester.reader.errors import DamagedFileError, IncompleteLakeError, NotALakeError, OutsideError
from harvester.reader.known import choose_rows, moments_of
from harvester.reader.lake import Lake, Options, open_lake

TOTALS = ("total_buy_qty", "total_sell_qty")
LEVEL_NAMES = [f"{side}_{what}_{n}" for side in ("bid", "ask") for n in range(1, LEVELS + 1) for what in ("px", "qty")]
HEADER = ["timestamp", "symbol", "ltp", *TOTALS, *LEVEL_NAMES]
LEAST_SECONDS, MOST_SECONDS = 0.001, 86_400
Row = dict[str, Any]
UNKNOWN: Row = dict.fromkeys(("ltp", *TOTALS))


def parse_every(text: str | None) -> int | None:
    """What --every says, in nanoseconds; None where it is not given. Raises ConfigError."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ConfigError(f"--every {text!r} is not a number of seconds from {LEAST_SECONDS} to {MOST_SECONDS}.")
    return round(seconds * NS_PER_SECOND)


def export_csv(
    lake: Path, day: date, output: Path, symbols: Collection[str] = (), every_ns: int | None = None
) -> tuple[Path, int]:
    """Write market_depth_<day>.csv into `output`, of all hosts; the path and the number of lines are returned.

    Each scheduled time, or each `every_ns` from the opening, has a line for each symbol of which a book was known then.
    Times are market time, prices rupees with two decimals; an absent level has an empty price and quantity 0. A file of
    that name with other content is replaced as a whole. Raises HarvesterError.
    """
    path = output / f"market_depth_{day.isoformat()}.csv"
    with telling():
        here, days = days_of(lake, day)
        parts = [_HostDay(here, each, every_ns) for each in days]
        lines = _lines(parts, choose_symbols(days, symbols))
        try:
            make_directory(output)
            with replacing(path) as file, tempfile.TemporaryFile(dir=output) as spool:
                file.write(_to_line(HEADER))
                count = _write_by_time(lines, spool, file)
        except OSError as error:
            raise cannot_write(path, error) from error
    return path, count


def cannot_write(path: Path, error: OSError) -> HarvesterError:
    """The message for an output that the disk refuses."""
    return HarvesterError(
        f"{path}: the export cannot be written ({error.strerror}). Nothing in the lake is changed by this: name"
        " another directory with --output, or free some space."
    )


@contextmanager
def telling() -> Iterator[None]:
    """A file of the lake that is wrong, with what to do where the lake may be a host's."""
    try:
        yield
    except IncompleteLakeError as error:
        raise HarvesterError(
            f"{error.what} If clean-up took it, export the day where it was pulled to; otherwise run harvester verify."
        ) from error
    except DamagedFileError as error:
        raise HarvesterError(
            f"{error.what} Nothing is exported; run harvester verify to see what is damaged."
        ) from error


def days_of(lake: Path, day: date) -> tuple[Lake, list[Day]]:
    """The lake, and the day as each host recorded it. Raises HarvesterError where it is not closed."""
    try:
        here = open_lake(lake)
        days = here.on(day)
    except (NotALakeError, OutsideError):
        raise HarvesterError(
            f"{lake}: no closed day {day} here. Close it on the host with harvester close --date {day}, or pull it."
        ) from None
    for each in days:
        load_manifest(lake, each.partition)  # of a damaged one it says what to do on a host
    return here, days


def choose_symbols(days: Sequence[Day], symbols: Collection[str]) -> list[str]:
    """Those asked for, by default all of which books came, sorted. Raises ConfigError for one without a book."""
    known = sorted({name for day in days for name in day.updated(DEPTH)})
    unknown = sorted({*symbols} - {*known})
    if unknown:
        raise ConfigError(f"No data of {unknown[0]} on this day; there is: {', '.join(known) or 'nothing'}.")
    return sorted({*symbols}) or known


class _HostDay:
    """The books of one day of one host."""

    def __init__(self, lake: Lake, day: Day, every_ns: int | None) -> None:
        self._lake, self._day, self.market = lake, day, day.market
        with day.readable(CERTIFICATE):
            self._moments = moments_of(day.certificate, every_ns)
        self._gaps = day.gaps
        self._has_quotes = bool(day.require(DEPTH) and day.tables(QUOTES))
        self._symbols = day.updated(DEPTH)

    def books(self, symbol: str) -> Iterator[tuple[int, Row]]:
        """Times and what was known then; nothing for another host's symbol."""
        if symbol not in self._symbols:
            return
        moments, gaps = self._moments[symbol], self._gaps.get(symbol, {})
        books = self._read(self._lake.depth, symbol, LEVEL_NAMES, invalid=True)
        chosen = choose_rows(moments, books, gaps)
        have = chosen >= 0
        rows = books.select(LEVEL_NAMES).take(pa.array(chosen[have])).to_pylist()
        known = [UNKNOWN] * len(rows)
        if self._has_quotes:
            quotes = self._read(self._lake.quotes, symbol, [*UNKNOWN])
            places = choose_rows(moments, quotes, gaps)[have]
            known = quotes.select([*UNKNOWN]).take(pa.array(np.maximum(places, 0), mask=places < 0)).to_pylist()
        for time, row, quote in zip(moments.times[have].tolist(), rows, known, strict=True):
            yield time, {**row, **quote}

    def _read(self, ask: Any, symbol: str, names: Sequence[str], **more: Any) -> pa.Table:
        """The symbol's rows by time of receipt: a clock may have been set back."""
        options = Options(host=self._day.host, session="all", prices="paise", origin=True)
        table = ask(symbol, self._day.date, **options, **more).arrow().select(["ts_recv", "ts_sched", "feed", *names])
        return table.take(pa.array(np.argsort(integers(table.column("ts_recv")), kind="stable")))


def _lines(days: Sequence[_HostDay], symbols: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Symbol after symbol; of a time that two hosts have, the line of the first."""
    for symbol in symbols:
        seen: set[int] = set()
        for day in days:
            for time, row in day.books(symbol):
                if time not in seen:
                    seen.add(time)
                    yield time, _to_line(_cells(day.market, time, symbol, row))


def _write_by_time(lines: Iterator[tuple[int, bytes]], spool: IO[bytes], file: IO[bytes]) -> int:
    """Put lines that come by symbol in the order of their times, through a temporary file; their number."""
    times, ends = array("q"), array("q", [0])
    for time, line in lines:
        spool.write(line)
        times.append(time)
        ends.append(ends[-1] + len(line))
    spool.flush()
    for place in np.argsort(np.array(times), kind="stable").tolist():
        file.write(os.pread(spool.fileno(), ends[place + 1] - ends[place], ends[place]))
    return len(times)


def _to_line(cells: Sequence[str | int | None]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _cells(market: Market, time: int, symbol: str, row: Row) -> list[str | int | None]:
    levels = [_rupees(row[name]) if "_px_" in name else row[name] for name in LEVEL_NAMES]
    totals = [row[name] for name in TOTALS]
    return [to_local(time, market).isoformat(timespec="microseconds"), symbol, _rupees(row["ltp"]), *totals, *levels]


def _rupees(paise: int | None) -> str:
    return "" if paise is None else f"{paise // RUPEE}.{paise % RUPEE:02d}"
