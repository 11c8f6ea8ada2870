"""A month of one closed day: its tables again on other trading days, each moment moved, in manifests of their own."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import TradingCalendar
from harvester.lake.layout import CERTIFICATE, RAW, Partition, built_name, find_partitions
from harvester.lake.manifest import Manifest, describe_file, hash_file, load_manifest, write_manifest

DAY_NS = 86_400 * NS_PER_SECOND
EARLIEST_NS = 10**18
"""An integer of a certificate from here on is a moment."""


def trading_days(first: date, count: int) -> list[date]:
    """So many days with a session of NSE cash, from `first` on."""
    calendar, days, day = TradingCalendar.load().of("nse_cash"), list[date](), first
    while len(days) < count:
        if calendar.session(day):
            days.append(day)
        day += timedelta(days=1)
    return days


def repeat(lake: Path, days: Sequence[date]) -> None:
    """Make these days of the only one that the lake has; that one is among them, or stays besides."""
    [partition] = find_partitions(lake)
    manifest = load_manifest(lake, partition)
    assert manifest is not None
    for day in days:
        if day != partition.date:
            _copy(lake, partition, manifest, day)


def _copy(lake: Path, partition: Partition, manifest: Manifest, day: date) -> None:
    by_ns = (day - partition.date).days * DAY_NS
    there, entries = Partition(day, partition.host), []
    for entry in manifest.files:
        if entry.folder == RAW:
            continue
        folder = lake / there.path(entry.folder)
        folder.mkdir(parents=True)
        made = folder / ".made"
        if entry.folder == CERTIFICATE:
            content = json.loads((lake / entry.path).read_bytes())
            made.write_text(json.dumps({**_moved(content, by_ns), "date": day.isoformat()}), "utf-8")
        else:
            _copy_table(lake / entry.path, made, by_ns)
        path = made.rename(folder / built_name(entry.folder, 1, hash_file(made)[1]))
        entries.append(describe_file(lake, path, entry.rows))
    write_manifest(lake, there, Manifest(day.isoformat(), partition.host, 1, manifest.built_by, tuple(entries), ()))


def _moved(value: Any, by_ns: int) -> Any:
    if isinstance(value, dict):
        return {key: _moved(each, by_ns) for key, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, by_ns) for each in value]
    return value + by_ns if isinstance(value, int) and value > EARLIEST_NS else value


def _copy_table(source: Path, target: Path, by_ns: int) -> None:
    """The same row groups, encodings and metadata; zstd at a level that costs little."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=names) as writer:
            for number in range(file.num_row_groups):
                writer.write_table(_moved_rows(file.read_row_group(number), by_ns))


def _moved_rows(rows: pa.Table, by_ns: int) -> pa.Table:
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            later = pc.add(rows.column(place).cast(pa.int64()), by_ns)
            rows = rows.set_column(place, field, later.cast(field.type))
    return rows
