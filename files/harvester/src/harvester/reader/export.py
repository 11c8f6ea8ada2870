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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.base.clock import NS_PER_SECOND, to_ist
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.brokers.fyers.depth import LEVELS, PAISE_PER_RUPEE
from harvester.lake.day.intervals import Interval
from harvester.lake.gaps.polls import read_gaps
from harvester.lake.layout import CERTIFICATE, DEPTH, GAPS, find_partitions
from harvester.lake.manifest import Manifest, load_manifest
from harvester.lake.schema import TABLES
from harvester.lake.tables.parquet import check_columns
from harvester.reader.known import choose_rows, moments_of

TOTALS = ("total_buy_qty", "total_sell_qty")
LEVEL_NAMES = [f"{side}_{what}_{n}" for side in ("bid", "ask") for n in range(1, LEVELS + 1) for what in ("px", "qty")]
HEADER = ["timestamp", "symbol", "ltp", *TOTALS, *LEVEL_NAMES]
SIDES = [f"{side}_{what}" for side in ("bid", "ask") for what in ("px", "qty")]
LEAST_SECONDS, MOST_SECONDS = 0.001, 86_400
COLUMNS = ["recv_ns", "sched_ns", "feed", "ltp", *TOTALS, *SIDES]
Row = dict[str, Any]
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
        paths = {kind: _find(lake, manifest, kind) for kind in (DEPTH, GAPS, CERTIFICATE)}
        self._path, self._certificate = paths[DEPTH], paths[CERTIFICATE]
        self._gaps: dict[str, dict[str, list[Interval]]] = {}
        self.groups: dict[str, list[int]] = {}
        """Row groups of each symbol."""
        with _readable(paths[CERTIFICATE]):
            self._moments = moments_of(json.loads(paths[CERTIFICATE].read_bytes()), every_ns)
        with _readable(paths[GAPS]):
            for gap in read_gaps(paths[GAPS]):
                self._gaps.setdefault(gap.symbol, {}).setdefault(gap.feed, []).append((gap.from_ns, gap.to_ns))
        with _readable(self._path):
            self._depth = pq.ParquetFile(self._path)
            check_columns(self._path, self._depth.schema_arrow, TABLES[DEPTH])
            for group in range(self._depth.num_row_groups):
                for name in self._depth.read_row_group(group, ["symbol"]).column("symbol").unique().to_pylist():
                    self.groups.setdefault(name, []).append(group)

    def books(self, symbol: str) -> Iterator[tuple[int, Row]]:
        """Times and the rows that stand for them; nothing for another host's symbol."""
        if symbol not in self.groups:
            return
        with _readable(self._certificate):
            moments = self._moments[symbol]
        with _readable(self._path):
            table = self._depth.read_row_groups(self.groups[symbol], [*COLUMNS, "symbol"])
        table = table.filter(pc.equal(pc.cast(table.column("symbol"), pa.string()), symbol))
        by_receipt = np.argsort(table.column("recv_ns").to_numpy(), kind="stable")  # a clock may have been set back
        table = table.take(pa.array(by_receipt))
        chosen = choose_rows(moments, table, self._gaps.get(symbol, {}))
        have = chosen >= 0
        rows = table.take(pa.array(chosen[have]))
        yield from zip(moments.times[have].tolist(), rows.to_pylist(), strict=True)


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
    known = sorted({name for day in days for name in day.groups})
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
        for price, quantity in zip(row[f"{side}_px"], row[f"{side}_qty"], strict=True):
            levels += [_rupees(price), quantity]
    return [to_ist(time).isoformat(timespec="microseconds"), symbol, _rupees(row["ltp"]), *totals, *levels]


def _rupees(paise: int | None) -> str:
    return "" if paise is None else f"{paise // PAISE_PER_RUPEE}.{paise % PAISE_PER_RUPEE:02d}"
