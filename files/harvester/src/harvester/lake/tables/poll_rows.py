"""Answers of REST polls as rows of the depth table, by symbol and in bounded memory.

Each record is read a second time at its place in the index, so that the tables get symbol after symbol.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.depth import Depth, Level
from harvester.brokers.fyers.responses import read_depth
from harvester.decode.frames import ABSENT, Ints
from harvester.journal.format import Poll, Record, decode, decode_poll
from harvester.journal.reader import ARCHIVED, CHUNK_BYTES, open_segment
from harvester.lake.day.segments import DayIndex, Positions, Source
from harvester.lake.schema import DEPTH_TABLE
from harvester.lake.tables.origin import Origin
from harvester.ledger.outage import Outage

BATCH_ROWS = 4096


@dataclass
class SymbolData:
    """What the poll records of one symbol hold besides rows. Times are wall ns."""

    recv_ns: list[int] = field(default_factory=list)
    sched_ns: list[int] = field(default_factory=list)
    deviation_ns: list[int] = field(default_factory=list)
    """How late each poll was sent."""
    bad: dict[int, Outage] = field(default_factory=dict)
    """By scheduled time: the answers that were no data."""
    bad_records: int = 0


def read_polls(index: DayIndex, symbol: str, spool: "Spool", origin: Origin, data: SymbolData) -> Iterator[Ints]:
    """Matrices of the depth table from one symbol's records, in order; `data` is filled in.

    Raises HarvesterError when a segment has changed since it was indexed.
    """
    records = _read_in_order(index, symbol, spool)
    read = (_read_row(symbol, origin.run_numbers[source.run_id], record, data) for source, record in records)
    rows = (row for row in read if row)
    while batch := list(islice(rows, BATCH_ROWS)):
        matrix: Ints = np.array(batch, np.int64).T
        matrix[DEPTH_TABLE.at("in_session")] = origin.in_session(matrix[0], symbol)
        yield matrix


def _read_row(symbol: str, run: int, record: Record, data: SymbolData) -> list[int] | None:
    poll = decode_poll(record.payload)
    depth = read_depth(poll.status, poll.body, symbol) if poll else None
    if poll is None or not isinstance(depth, Depth):
        data.bad_records += 1
        if poll and isinstance(depth, Outage):
            data.bad[poll.sched_ns] = depth
        return None
    data.recv_ns.append(record.wall_ns)
    data.sched_ns.append(poll.sched_ns)
    data.deviation_ns.append(poll.sent_ns - poll.sched_ns)
    return _flatten(run, record, poll, depth)


def _flatten(run: int, record: Record, poll: Poll, depth: Depth) -> list[int]:
    """The values in the order of the table's columns."""
    origin = {
        "recv_ns": record.wall_ns,
        "mono_offset_ns": record.wall_ns - record.mono_ns,
        "feed": record.feed,
        "run_id": run,
        "seq": record.seq,
        "entry": 0,
        "connection": ABSENT,
        "in_session": 0,
        "sched_ns": poll.sched_ns,
        "sent_ns": poll.sent_ns,
        "exchange_time": ABSENT,
    }
    sides = {"bid": depth.bids, "ask": depth.asks}
    row: list[int] = []
    for column in DEPTH_TABLE.columns:
        if column.kind == "list":
            side, what = column.name.split("_")
            row += _level_values(sides[side], what)
        elif column.name in origin:
            row.append(origin[column.name])
        else:
            value = getattr(depth, column.name)
            row.append(ABSENT if value is None else value)
    return row


def _level_values(levels: tuple[Level, ...], what: str) -> list[int]:
    if what == "px":
        return [ABSENT if level.price is None else level.price for level in levels]
    return [level.quantity if what == "qty" else level.orders for level in levels]


class Spool:
    """Temporary files with the uncompressed bytes of archived segments, for reading at random."""

    def __init__(self, directory: Path) -> None:
        """`directory` is made when it is needed; what a killed process left in it is deleted."""
        self._directory = directory

    def __enter__(self) -> "Spool":
        shutil.rmtree(self._directory, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def plain(self, source: Source) -> Path:
        """Path of the uncompressed bytes. Raises OSError."""
        if source.path.suffix not in ARCHIVED:
            return source.path
        path = self._directory / source.name
        if not path.exists():
            self._directory.mkdir(exist_ok=True)
            with closing(open_segment(source.path)) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, CHUNK_BYTES)
        return path


def _read_in_order(index: DayIndex, symbol: str, spool: Spool) -> Iterator[tuple[Source, Record]]:
    positions = index.symbols.get(symbol, Positions())
    current, descriptor = -1, -1
    try:
        for at in range(len(positions)):
            if positions.source[at] != current:
                if descriptor >= 0:
                    os.close(descriptor)
                current = positions.source[at]
                descriptor = os.open(spool.plain(index.sources[current]), os.O_RDONLY | os.O_CLOEXEC)
            source = index.sources[current]
            record = decode(os.pread(descriptor, positions.length[at], positions.offset[at]))
            if record is None:
                raise HarvesterError(f"{source.path}: the segment changed while it was read. Run the command again.")
            yield source, record
    finally:
        if descriptor >= 0:
            os.close(descriptor)
