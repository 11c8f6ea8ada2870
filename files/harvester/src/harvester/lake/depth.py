"""The depth table: from index and segments to Parquet, one symbol after the other, in bounded memory.

Read back before anything relies on it: a running hash per column over what was decoded is compared with one over
what the file says.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.decode.fyers_rest import BadResponse, Depth, decode_depth
from harvester.errors import HarvesterError
from harvester.journal.format import FEED_NAMES, Poll, Record, decode_poll
from harvester.lake.schema import DEPTH_SCHEMA, OPTIONAL
from harvester.lake.segments import Source

BATCH_ROWS = 8192
ABSENT = -(2**63)
SORTING = [pq.SortingColumn(DEPTH_SCHEMA.get_field_index(name)) for name in ("symbol", "recv_ns")]
Row = tuple[Any, ...]


@dataclass
class SymbolData:
    """What one symbol's records gave, besides the rows. Times are wall ns."""

    recv_ns: list[int] = field(default_factory=list)
    sched_ns: list[int] = field(default_factory=list)
    deviation_ns: list[int] = field(default_factory=list)
    """How late each poll was sent."""
    bad: dict[int, BadResponse] = field(default_factory=dict)
    """By scheduled time: the answers that were no data."""
    bad_records: int = 0


class DepthWriter:
    """Writes the table to a new file. `rows` and `digest` are complete after the last symbol."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self.digest = ColumnDigest()
        self._writer = pq.ParquetWriter(path, DEPTH_SCHEMA, compression="zstd", sorting_columns=SORTING)

    def add_symbol(self, symbol: str, records: Iterable[tuple[Source, Record]]) -> SymbolData:
        """Decode and write one symbol's records, given by receive time. Symbols must come in ascending order."""
        data = SymbolData()
        batch: list[Row] = []
        for source, record in records:
            row = _read_row(symbol, source, record, data)
            if row:
                batch.append(row)
            if len(batch) >= BATCH_ROWS:
                self._write(batch)
                batch = []
        self._write(batch)
        return data

    def _write(self, rows: list[Row]) -> None:
        if not rows:
            return
        columns = zip(zip(*rows, strict=True), DEPTH_SCHEMA, strict=True)
        arrays = [pa.array(values, type=column.type) for values, column in columns]
        batch = pa.RecordBatch.from_arrays(arrays, schema=DEPTH_SCHEMA)
        self.digest.update(batch)
        self._writer.write_batch(batch)
        self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()


def _read_row(symbol: str, source: Source, record: Record, data: SymbolData) -> Row | None:
    poll = decode_poll(record.payload)
    depth = decode_depth(poll, symbol) if poll else BadResponse("bad_response", "the record is too short to be a poll")
    if poll is None or isinstance(depth, BadResponse):
        data.bad_records += 1
        if poll and isinstance(depth, BadResponse):
            data.bad[poll.sched_ns] = depth
        return None
    data.recv_ns.append(record.wall_ns)
    data.sched_ns.append(poll.sched_ns)
    data.deviation_ns.append(poll.sent_ns - poll.sched_ns)
    return _flatten(symbol, source, record, poll, depth)


def _flatten(symbol: str, source: Source, record: Record, poll: Poll, depth: Depth) -> Row:
    return (
        record.wall_ns,
        record.mono_ns,
        poll.sched_ns,
        poll.sent_ns,
        symbol,
        FEED_NAMES[record.feed],
        source.run_id,
        record.seq,
        depth.ltp,
        depth.total_buy_qty,
        depth.total_sell_qty,
        *(value for level in depth.bids for value in level),
        *(value for level in depth.asks for value in level),
        *(getattr(depth, name) for name in OPTIONAL),
    )


class ColumnDigest:
    """A hash per column, the same however the rows are cut into batches."""

    def __init__(self) -> None:
        self._columns = [hashlib.sha256() for _ in DEPTH_SCHEMA]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add rows with the columns of the schema."""
        for digest, column in zip(self._columns, batch.columns, strict=True):
            digest.update(_canonical(column))

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(digest.digest() for digest in self._columns)).hexdigest()


def _canonical(column: pa.Array) -> bytes:
    """Integers as 8 bytes each with a value of its own for null, texts each with its end."""
    if not pa.types.is_integer(column.type):
        return "".join(f"{text}\0" for text in column.to_pylist()).encode()
    filled = pa.concat_arrays([pc.fill_null(pc.cast(column, pa.int64()), ABSENT)])
    size = pa.int64().bit_width // 8
    buffer = filled.buffers()[1]
    return memoryview(buffer)[filled.offset * size : (filled.offset + len(filled)) * size].tobytes() if buffer else b""


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The table in batches of bounded size. Raises HarvesterError for what is no depth table of this schema."""
    try:
        with pq.ParquetFile(path) as file:
            missing = set(DEPTH_SCHEMA.names) - set(file.schema_arrow.names)
            if missing:
                raise HarvesterError(f"{path}: not a depth table of schema 1: it has no column {min(missing)}.")
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=columns)
    except pa.ArrowException as error:
        raise HarvesterError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0][:120]}). If it is damaged, restore it"
            " from its other copy; a CSV export is not the lake's format."
        ) from error


def check_written(path: Path, rows: int, digest: str) -> None:
    """Read the file back and compare it with what was decoded. Raises HarvesterError when they differ."""
    found, again = 0, ColumnDigest()
    for batch in read_batches(path, DEPTH_SCHEMA.names):
        found += batch.num_rows
        again.update(batch)
    if (found, again.hexdigest()) != (rows, digest):
        raise HarvesterError(
            f"{path}: reading the file back gives other values than were written ({found} rows, not {rows}). The"
            " day is not closed and the journal keeps everything: check the disk, then run the command again."
        )
