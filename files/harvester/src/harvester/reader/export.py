"""`harvester export --csv`: a day of the lake as the CSV that the old harvester wrote.

A line for each symbol and scheduled time, so that a pivot on the time has no holes but those of the gap ledger.
"""

import csv
import io
import json
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

from harvester.base.clock import NS_PER_SECOND, to_ist
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.brokers.fyers.depth import LEVELS
from harvester.decode.frames import Ints
from harvester.lake.columns import RUPEE
from harvester.lake.day.intervals import Interval
from harvester.lake.gaps.polls import read_gaps
from harvester.lake.layout import CERTIFICATE, DEPTH, GAPS, QUOTES, find_partitions
from harvester.lake.manifest import Manifest, load_manifest
from harvester.reader.known import choose_rows, moments_of
from harvester.reader.symbol_rows import SymbolRows

TOTALS = ("total_buy_qty", "total_sell_qty")
LEVEL_NAMES = [f"{side}_{what}_{n}" for side in ("bid", "ask") for n in range(1, LEVELS + 1) for what in ("px", "qty")]
HEADER = ["timestamp", "symbol", "ltp", *TOTALS, *LEVEL_NAMES]
LEAST_SECONDS, MOST_SECONDS = 0.001, 86_400
ORDER = ("ts_recv", "ts_sched", "feed")
BOOK = (*ORDER, *(f"{side}_{what}" for side in ("bid", "ask") for what in ("px_paise", "qty")))
QUOTE = (*ORDER, "ltp_paise", *TOTALS)
QUOTES_BESIDE = 3
"""The schema from which on quotes have a table of their own."""
Row = dict[str, Any]
UNKNOWN: Row = dict.fromkeys(QUOTE[len(ORDER) :])
Cells = list[str | int | None]


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
    Times are in India, prices rupees with two decimals; an absent level has an empty price and quantity 0. A file of
    that name with other content is replaced as a whole. Raises HarvesterError.
    """
    path = output / f"market_depth_{day.isoformat()}.csv"
    days = _open_days(lake, day, every_ns)
    lines = _lines(days, _choose_symbols(days, symbols))
    try:
        make_directory(output)
        with replacing(path) as file, tempfile.TemporaryFile(dir=output) as spool:
            file.write(_to_line(HEADER))
            count = _write_by_time(lines, spool, file)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the export cannot be written ({error.strerror}). Nothing in the lake is changed by this: name"
            " another directory with --output, or free some space."
        ) from error
    return path, count


class _HostDay:
    """The books of one day of one host. Raises HarvesterError for a file that is missing or cannot be read."""

    def __init__(self, lake: Path, manifest: Manifest, every_ns: int | None) -> None:
        gaps, self._certificate = (_find(lake, manifest, kind) for kind in (GAPS, CERTIFICATE))
        self._gaps: dict[str, dict[str, list[Interval]]] = {}
        with _readable(self._certificate):
            self._moments = moments_of(json.loads(self._certificate.read_bytes()), every_ns)
        with _readable(gaps):
            for gap in read_gaps(gaps):
                self._gaps.setdefault(gap.symbol, {}).setdefault(gap.feed, []).append((gap.from_ns, gap.to_ns))
        self._books = _open(_find(lake, manifest, DEPTH), DEPTH)
        # a row of depth of schema 2 has the quote beside the book
        has_quotes = manifest.schema >= QUOTES_BESIDE and manifest.find(QUOTES)
        self._quotes = _open(_find(lake, manifest, QUOTES), QUOTES) if has_quotes else None
        self._has_both = manifest.schema < QUOTES_BESIDE
        self.symbols = self._books.symbols

    def books(self, symbol: str) -> Iterator[tuple[int, Row]]:
        """Times and what was known then; nothing for another host's symbol."""
        if symbol not in self.symbols:
            return
        with _readable(self._certificate):
            moments = self._moments[symbol]
        gaps = self._gaps.get(symbol, {})
        books = _read(self._books, symbol, (*BOOK, *QUOTE[len(ORDER) :]) if self._has_both else BOOK)
        chosen = choose_rows(moments, books, gaps)
        have = chosen >= 0
        rows = books.take(pa.array(chosen[have])).to_pylist()
        if not self._has_both:
            quotes = _read(self._quotes, symbol, QUOTE) if self._quotes else None
            known = _known(quotes, choose_rows(moments, quotes, gaps)[have]) if quotes else [UNKNOWN] * len(rows)
            rows = [{**row, **quote} for row, quote in zip(rows, known, strict=True)]
        yield from zip(moments.times[have].tolist(), rows, strict=True)


def _open(path: Path, table: str) -> SymbolRows:
    with _readable(path):
        return SymbolRows(path, table)


def _read(rows: SymbolRows, symbol: str, columns: Sequence[str]) -> pa.Table:
    """The symbol's rows by time of receipt: a clock may have been set back."""
    with _readable(rows.path):
        table = rows.read(symbol, columns)
    return table.take(pa.array(np.argsort(table.column("ts_recv").to_numpy(), kind="stable")))


def _known(quotes: pa.Table, chosen: Ints) -> list[Row]:
    """The quote of each moment, by its place in the table; -1 for none."""
    places = pa.array(np.maximum(chosen, 0), mask=chosen < 0)
    known: list[Row] = quotes.select([*UNKNOWN]).take(places).to_pylist()
    return known


def _open_days(lake: Path, day: date, every_ns: int | None) -> list[_HostDay]:
    manifests = [load_manifest(lake, partition) for partition in find_partitions(lake) if partition.date == day]
    if not manifests:
        raise HarvesterError(
            f"{lake}: no closed day {day} here. Close it on the host with harvester close --date {day}, or pull it."
        )
    return [_HostDay(lake, manifest, every_ns) for manifest in manifests if manifest]


def _find(lake: Path, manifest: Manifest, kind: str) -> Path:
    path = lake / manifest.find(kind)[0].path
    if not path.exists():
        raise HarvesterError(
            f"{path}: the manifest lists the file, and it is not here. If clean-up took it, export the day where"
            " it was pulled to; otherwise run harvester verify."
        )
    return path


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """HarvesterError for a file that is not what its name says, or is damaged."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise HarvesterError(
            f"{path}: it cannot be read ({(str(error) or repr(error)).splitlines()[0][:120]}). Nothing is exported; run"
            " harvester verify to see what is damaged."
        ) from error


def _choose_symbols(days: Sequence[_HostDay], symbols: Collection[str]) -> list[str]:
    known = sorted({name for day in days for name in day.symbols})
    unknown = sorted({*symbols} - {*known})
    if unknown:
        raise ConfigError(f"No data of {unknown[0]} on this day; there is: {', '.join(known) or 'nothing'}.")
    return sorted({*symbols}) or known


def _lines(days: Sequence[_HostDay], symbols: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Symbol after symbol; of a time that two hosts have, the line of the first."""
    for symbol in symbols:
        seen: set[int] = set()
        for day in days:
            for time, row in day.books(symbol):
                if time not in seen:
                    seen.add(time)
                    yield time, _to_line(_cells(time, symbol, row))


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


def _cells(time: int, symbol: str, row: Row) -> Cells:
    totals = [row[name] for name in TOTALS]
    levels: Cells = []
    for side in ("bid", "ask"):
        for price, quantity in zip(row[f"{side}_px_paise"], row[f"{side}_qty"], strict=True):
            levels += [_rupees(price), quantity]
    return [to_ist(time).isoformat(timespec="microseconds"), symbol, _rupees(row["ltp_paise"]), *totals, *levels]


def _rupees(paise: int | None) -> str:
    return "" if paise is None else f"{paise // RUPEE}.{paise % RUPEE:02d}"
