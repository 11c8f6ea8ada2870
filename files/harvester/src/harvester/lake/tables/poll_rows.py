"""Answers of REST polls as rows of the tables depth and quotes, by symbol and in bounded memory.

Each record is read a second time at its place in the index, so that the tables get symbol after symbol.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.depth import Depth, Level
from harvester.brokers.fyers.responses import read_depth
from harvester.decode.frames import ABSENT, Ints
from harvester.journal.format import Poll, Record, decode, decode_poll
from harvester.journal.reader import ARCHIVED, CHUNK_BYTES, open_segment
from harvester.lake.columns import FAR_SECONDS, PAISE, Table
from harvester.lake.day.segments import DayIndex, Positions, Source
from harvester.lake.schema import DEPTH_TABLE, QUOTES_TABLE
from harvester.lake.tables.origin import Origin
from harvester.ledger.outage import Outage

BATCH_ROWS = 4096
Values = dict[str, int | None]
Row = tuple[list[int], list[int]]
"""An answer in the tables depth and quotes."""


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


def read_polls(
    index: DayIndex, symbol: str, spool: "Spool", origin: Origin, data: SymbolData
) -> Iterator[tuple[Ints, Ints]]:
    """Matrices of depth and of quotes from one symbol's records, in order; `data` is filled in.

    Raises HarvesterError when a segment has changed since it was indexed.
    """
    records = read_in_order(index.sources, index.symbols.get(symbol), spool)
    read = (_read_row(symbol, origin.run_numbers[source.run_id], record, data) for source, record in records)
    rows = (row for row in read if row)
    while batch := list(islice(rows, BATCH_ROWS)):
        depth, quotes = (np.array(part, np.int64).T for part in zip(*batch, strict=True))
        for table, matrix in ((DEPTH_TABLE, depth), (QUOTES_TABLE, quotes)):
            matrix[table.at("in_session")] = origin.in_session(matrix[0], symbol)
        yield depth, quotes


def _read_row(symbol: str, run: int, record: Record, data: SymbolData) -> Row | None:
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


def _flatten(run: int, record: Record, poll: Poll, depth: Depth) -> Row:
    """The values in the order of the tables' columns. An answer is a whole book, so it is a snapshot and valid."""
    origin: Values = {
        "ts_recv": record.wall_ns,
        "mono_offset_ns": record.wall_ns - record.mono_ns,
        "feed": record.feed,
        "run_id": run,
        "seq": record.seq,
        "entry": 0,
        "in_session": 0,
        "ts_sched": poll.sched_ns,
        "ts_send": poll.sent_ns,
        "action": 1,
        "valid": 1,
    }
    return _book(origin, depth), _fill(QUOTES_TABLE, _quote(depth) | origin)


def _book(origin: Values, depth: Depth) -> list[int]:
    sides = {"bid": depth.bids, "ask": depth.asks}
    levels = [column.name for column in DEPTH_TABLE.columns if column.kind == "list"]
    row = _fill(DEPTH_TABLE, origin)
    for name in levels:
        side, what = name.split("_")[:2]
        row[DEPTH_TABLE.places[name]] = _level_values(sides[side], what)
    return row


def _quote(depth: Depth) -> Values:
    """Values of the quote; its best prices and quantities are those of the first level."""
    known = depth._asdict()
    values = {name: known.get(name, known.get(name.removesuffix(PAISE))) for name in QUOTES_TABLE.places}
    for side, levels in (("bid", depth.bids), ("ask", depth.asks)):
        values |= {f"{side}_px{PAISE}": levels[0].price, f"{side}_qty": levels[0].quantity}
    traded = depth.ltt or 0
    return values | {"ts_trade": traded * NS_PER_SECOND if 0 < traded < FAR_SECONDS else None}


def _fill(table: Table, values: Values) -> list[int]:
    row = [ABSENT] * table.height
    for name, place in table.places.items():
        value = values.get(name)
        if value is not None:
            row[place.start] = value
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


def read_in_order(
    sources: Sequence[Source], positions: Positions | None, spool: Spool
) -> Iterator[tuple[Source, Record]]:
    """The records of one symbol. Raises HarvesterError when a segment has changed since it was indexed."""
    positions = positions or Positions()
    current, descriptor = -1, -1
    try:
        for at in range(len(positions)):
            if positions.source[at] != current:
                if descriptor >= 0:
                    os.close(descriptor)
                current = positions.source[at]
                descriptor = os.open(spool.plain(sources[current]), os.O_RDONLY | os.O_CLOEXEC)
            source = sources[current]
            record = decode(os.pread(descriptor, positions.length[at], positions.offset[at]))
            if record is None:
                raise HarvesterError(f"{source.path}: the segment changed while it was read. Run the command again.")
            yield source, record
    finally:
        if descriptor >= 0:
            os.close(descriptor)
