"""Tables as Parquet: from integer matrices to files, in row groups by symbol, read back before they count.

Numbers are stored as they are (PLAIN), names as dictionaries: every reader knows that. Differences
(DELTA_BINARY_PACKED) would save 8 %, and fastparquet 2026.9 reads some of them as other numbers without a word.

A matrix, int64[table.height, rows], has one row a value (lists spread out) and one column a row of the table; ABSENT
stands for null. A running checksum per column compares the written values with those read back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.base.errors import HarvesterError
from harvester.decode.frames import ABSENT, Ints
from harvester.journal.format import FEED_NAMES
from harvester.lake.columns import Column, Table, to_kind
from harvester.lake.schema import TEXTS, table_in, version_of
from harvester.lake.schema2 import FORMER
from harvester.lake.schema2 import VERSION as FORMER_VERSION
from harvester.lake.tables.digest import ColumnDigest

GROUP_ROWS = 16_384
GROUP_BYTES = 16 << 20
"""A row group is closed when either is reached: so much of a table is in memory at once."""
SHARED_ROWS = 4_096
"""Symbols with fewer rows share a row group until it has so many: a group costs its time however small it is."""
PAGE_BYTES = 8 << 20
BOOK_LEVEL, LEVEL = 6, 5
"""Levels of zstd, of tables with lists and of others: beyond them a twentieth of the bytes costs half as much again."""


class TableWriter:
    """Writes one table to a new file. `rows` and `digest` are complete when it is closed."""

    def __init__(self, path: Path, table: Table, run_ids: Sequence[str]) -> None:
        self.path = path
        self.table = table
        self.rows = 0
        self.groups = 0
        """Row groups so far."""
        self.digest = ColumnDigest(table)
        feeds = [FEED_NAMES.get(number, "") for number in range(256)]
        self._names = {"feed": feeds, "run_id": list(run_ids), **TEXTS}
        self._waiting: list[Ints] = []
        self._rows_waiting = 0
        self._shared: list[tuple[str, Ints]] = []
        self._shared_rows = 0
        self._limit = min(GROUP_ROWS, GROUP_BYTES // (8 * table.height))
        self._share = min(SHARED_ROWS, self._limit // 2)
        self._writer = pq.ParquetWriter(
            path,
            table.schema,
            compression="zstd",
            compression_level=BOOK_LEVEL if any(column.kind == "list" for column in table.columns) else LEVEL,
            use_dictionary=["symbol", *(column.name for column in table.columns if column.kind == "name")],
            write_statistics=[table.lead, "symbol"],
            data_page_size=PAGE_BYTES,
            sorting_columns=[pq.SortingColumn(table.schema.get_field_index("symbol"))],
        )

    def add(self, symbol: str, matrix: Ints) -> None:
        """More rows of a symbol, sorted after those before. Symbols must come in ascending order."""
        self._waiting.append(matrix)
        self._rows_waiting += matrix.shape[1]
        while self._rows_waiting >= self._limit:
            together = np.concatenate(self._waiting, axis=1)
            self._waiting = [together[:, self._limit :]]
            self._rows_waiting -= self._limit
            self._write_shared()
            self._write([(symbol, together[:, : self._limit])])

    def end_symbol(self, symbol: str) -> None:
        """No more rows of it."""
        if not self._rows_waiting:
            self._waiting = []
            return
        rest = symbol, self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting, axis=1)
        self._waiting, self._rows_waiting = [], 0
        if rest[1].shape[1] >= self._share:
            self._write_shared()
            self._write([rest])
            return
        self._shared.append(rest)
        self._shared_rows += rest[1].shape[1]
        if self._shared_rows >= self._share:
            self._write_shared()

    def _write_shared(self) -> None:
        if self._shared:
            self._write(self._shared)
            self._shared, self._shared_rows = [], 0

    def _write(self, parts: Sequence[tuple[str, Ints]]) -> None:
        """A row group of the rows of these symbols."""
        batch = to_batch(self.table, parts, self._names)
        self.digest.update(batch)
        self._writer.write_table(pa.Table.from_batches([batch]), row_group_size=batch.num_rows)
        self.rows += batch.num_rows
        self.groups += 1

    def close(self) -> None:
        """No more rows."""
        try:
            self._write_shared()
        finally:
            self._writer.close()

    def abandon(self) -> None:
        """Close the file without the rows that wait: it counts for nothing."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abandon() if error else self.close()


def to_batch(table: Table, parts: Sequence[tuple[str, Ints]], names: Mapping[str, Sequence[str]]) -> pa.RecordBatch:
    """Each symbol's matrix as Arrow; `names` has the texts that the numbers of a name column stand for."""
    symbols, matrices = zip(*parts, strict=True)
    matrix = np.concatenate(matrices, axis=1)
    arrays = [_array(column, matrix[table.places[column.name]], names) for column in table.columns]
    codes = np.repeat(np.arange(len(parts), dtype=np.int32), [part.shape[1] for part in matrices])
    symbol = pa.DictionaryArray.from_arrays(codes, pa.array(symbols, pa.string()))
    return pa.RecordBatch.from_arrays([arrays[0], symbol, *arrays[1:]], schema=table.schema)


def _array(column: Column, values: Ints, names: Mapping[str, Sequence[str]]) -> pa.Array:
    if column.kind == "list":
        flat = np.ascontiguousarray(values.T).reshape(-1)
        offsets = np.arange(0, len(flat) + 1, column.width, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), _numbers(flat, pa.int64()), type=column.field.type)
    if column.kind == "name":
        used = np.flatnonzero(np.bincount(values[0]))
        codes = np.zeros(len(used) and used[-1] + 1, np.int32)
        codes[used] = np.arange(len(used))
        texts = [names[column.name][code] for code in used.tolist()]
        return pa.DictionaryArray.from_arrays(pa.array(codes[values[0]]), pa.array(texts, pa.string()))
    if column.kind == "bool":
        return pa.array(values[0] != 0)
    return _numbers(values[0], column.field.type)


def _numbers(values: Ints, kind: pa.DataType) -> pa.Array:
    absent = values == ABSENT
    if absent.any():
        if absent.all():
            return pa.nulls(len(values), kind)
        return to_kind(pa.array(np.where(absent, 0, values), type=pa.int64(), mask=absent), kind)
    return to_kind(pa.array(values, type=pa.int64()), kind)


def read_batches(path: Path, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of the table in batches of bounded size. Raises HarvesterError for what is no such table."""
    try:
        with pq.ParquetFile(path) as file:
            yield from _batches(path, file, table, columns)
    except pa.ArrowException as error:
        raise _unreadable(path, error) from error


def read_columns(paths: Iterable[Path], name: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a table, file after file, of whatever schema each states, called as in schema 3; moments are int64 ns.

    Raises HarvesterError for a file that is no such table.
    """
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                version = version_of(path, file.schema_arrow)
                stored = [FORMER.get(column, column) for column in columns] if version == FORMER_VERSION else columns
                for batch in _batches(path, file, table_in(name, version, file.schema_arrow.names), stored):
                    yield pa.RecordBatch.from_arrays([plain(batch.column(each)) for each in stored], [*columns])
        except pa.ArrowException as error:
            raise _unreadable(path, error) from error


def plain(column: Any) -> Any:
    """Moments as int64 ns; another column as it is."""
    return pc.cast(column, pa.int64()) if pa.types.is_timestamp(column.type) else column


def _batches(path: Path, file: pq.ParquetFile, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    check_columns(path, file.schema_arrow, table)
    rows = max(256, min(8192, GROUP_BYTES // (8 * table.height)))
    yield from file.iter_batches(batch_size=rows, columns=[*columns], use_threads=False)


def _unreadable(path: Path, error: pa.ArrowException) -> HarvesterError:
    return HarvesterError(
        f"{path}: not a readable Parquet file ({str(error).splitlines()[0][:120]}). If it is damaged, restore it"
        " from its other copy; a CSV export is not the lake's format."
    )


def check_columns(path: Path, schema: pa.Schema, table: Table) -> None:
    """HarvesterError when a column of the table is missing, or is of another kind."""
    for field in table.schema:
        place = schema.get_field_index(field.name)
        if place < 0 or _bare(schema.field(place).type) != _bare(field.type):
            raise HarvesterError(
                f"{path}: not a {table.name} table of schema {table.version}: its column {field.name} is missing or of"
                " another type. The release that closed the day reads it."
            )


def _bare(kind: Any) -> Any:
    return pa.list_(kind.value_type) if pa.types.is_list(kind) else kind


def check_written(writer: TableWriter) -> None:
    """Read the file back and compare it with what was written. Raises HarvesterError when they differ."""
    found, again = 0, ColumnDigest(writer.table)
    for batch in read_batches(writer.path, writer.table, writer.table.schema.names):
        found += batch.num_rows
        again.update(batch)
    if (found, again.hexdigest()) != (writer.rows, writer.digest.hexdigest()):
        raise HarvesterError(
            f"{writer.path}: reading the file back gives other values than were written ({found} rows, not"
            f" {writer.rows}). The day is not closed and the journal keeps everything: check the disk, then run the"
            " command again."
        )
