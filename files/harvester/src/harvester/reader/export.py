"""`harvester export --csv`: a day of the lake as the CSV that the old harvester wrote, rows in order of receipt."""

import codecs
import csv
import heapq
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.clock import to_ist
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.decode.fyers_rest import LEVELS, PAISE_PER_RUPEE
from harvester.lake.layout import DEPTH, Partition, find_partitions
from harvester.lake.manifest import load_manifest
from harvester.lake.schema import TABLES
from harvester.lake.tables.parquet import check_columns

BATCH_ROWS = 1024
TOTALS = ("total_buy_qty", "total_sell_qty")
LEVEL_NAMES = [f"{side}_{what}_{n}" for side in ("bid", "ask") for n in range(1, LEVELS + 1) for what in ("px", "qty")]
HEADER = ["timestamp", "symbol", "ltp", *TOTALS, *LEVEL_NAMES]
SIDES = [f"{side}_{what}" for side in ("bid", "ask") for what in ("px", "qty")]
COLUMNS = ["recv_ns", "symbol", "ltp", *TOTALS, *SIDES]
Row = dict[str, Any]


def export_csv(lake: Path, day: date, output: Path, symbols: Collection[str] = ()) -> tuple[Path, int]:
    """Write market_depth_<day>.csv into `output`, of all hosts; the path and the number of rows are returned.

    Times are receive times in India time, prices rupees with two decimals; an absent level has an empty price and
    quantity 0. A file of that name with other content is replaced as a whole. Raises HarvesterError.
    """
    tables = _depth_files(lake, day)
    path = output / f"market_depth_{day.isoformat()}.csv"
    try:
        rows = _merge(tables, symbols)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(lake, day, error) from error
    try:
        make_directory(output)
        with replacing(path) as file:
            writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
            writer.writerow(HEADER)
            count = 0
            for row in rows:
                writer.writerow(_format(row))
                count += 1
    except pa.ArrowException as error:
        raise _unreadable(lake, day, error) from error
    except OSError as error:
        raise HarvesterError(
            f"{path}: the export cannot be written ({error.strerror}). Nothing in the lake is changed by this: name"
            " another directory with --output, or free some space."
        ) from error
    return path, count


def _unreadable(lake: Path, day: date, error: Exception) -> HarvesterError:
    said = str(error).splitlines()[0].replace(str(lake), "")[:160]
    return HarvesterError(
        f"{lake}: a depth table of {day} cannot be read ({said}). Nothing is exported; run harvester verify to see what"
        " is damaged, or closed to this user."
    )


def _depth_files(lake: Path, day: date) -> list[Path]:
    partitions = [partition for partition in find_partitions(lake) if partition.date == day]
    if not partitions:
        raise HarvesterError(
            f"{lake}: no closed day {day} here. Close it on the host with harvester close --date {day}, or pull it."
        )
    files = [lake / path for partition in partitions for path in _listed(lake, partition)]
    missing = [path for path in files if not path.exists()]
    if missing:
        raise HarvesterError(
            f"{missing[0]}: the manifest lists the file, and it is not here. If clean-up took it, export the day where"
            " it was pulled to; otherwise run harvester verify."
        )
    return files


def _listed(lake: Path, partition: Partition) -> list[str]:
    manifest = load_manifest(lake, partition)
    return [entry.path for entry in manifest.find(DEPTH)] if manifest else []


def _merge(tables: list[Path], symbols: Collection[str]) -> Iterator[Row]:
    """Rows of all symbols by receive time, then by symbol; those of the same moment in the order of the table.

    A batch of each symbol that has row groups of its own is in memory, and each row group that some share.
    """
    streams: list[Iterator[Row]] = []
    known: set[str] = set()
    for path in tables:
        file = pq.ParquetFile(path)
        check_columns(path, file.schema_arrow, TABLES[DEPTH])
        alone: dict[str, list[int]] = {}
        shared: list[Iterator[Row]] = []
        for number in range(file.num_row_groups):
            names = set(file.read_row_group(number, ["symbol"]).column("symbol").unique().to_pylist())
            known |= names
            wanted = names & {*symbols} if symbols else names
            if wanted and len(names) == 1:
                alone.setdefault(names.pop(), []).append(number)
            elif wanted:
                shared.append(_rows_of_several(file, number, wanted))
        streams += [_rows(file, groups) for groups in alone.values()]
        streams += shared  # these after those: the last rows of a symbol may be in a shared group
    unknown = sorted(set(symbols) - known)
    if unknown:
        raise ConfigError(f"No data of {unknown[0]} on this day; there is: {', '.join(sorted(known)) or 'nothing'}.")
    return heapq.merge(*streams, key=lambda row: (row["recv_ns"], row["symbol"]))


def _rows(file: pq.ParquetFile, groups: list[int]) -> Iterator[Row]:
    for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=COLUMNS):
        yield from batch.to_pylist()


def _rows_of_several(file: pq.ParquetFile, group: int, symbols: Collection[str]) -> Iterator[Row]:
    table = file.read_row_group(group, columns=COLUMNS)
    by_time = np.argsort(table.column("recv_ns").to_numpy(), kind="stable")  # it is sorted by symbol already
    for batch in table.take(pa.array(by_time)).to_batches(max_chunksize=BATCH_ROWS):
        yield from (row for row in batch.to_pylist() if row["symbol"] in symbols)


def _format(row: Row) -> list[str | int]:
    time = to_ist(row["recv_ns"]).isoformat(timespec="microseconds")
    totals = ["" if row[name] is None else row[name] for name in TOTALS]
    levels: list[str | int] = []
    for side in ("bid", "ask"):
        for price, quantity in zip(row[f"{side}_px"], row[f"{side}_qty"], strict=True):
            levels += [_rupees(price), quantity]
    return [time, row["symbol"], _rupees(row["ltp"]), *totals, *levels]


def _rupees(paise: int | None) -> str:
    return "" if paise is None else f"{paise // PAISE_PER_RUPEE}.{paise % PAISE_PER_RUPEE:02d}"
