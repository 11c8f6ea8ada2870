"""The tables of a day, symbol by symbol, with the ledger of each and what the certificate says of it."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harvester.decode.frames import Ints
from harvester.journal.format import FEED_NAMES, FYERS_HSM, FYERS_TBT, SOCKETS
from harvester.lake.certificate.day import Json, certify_symbol
from harvester.lake.certificate.streams import certify_feed, certify_stream
from harvester.lake.gaps.polls import GapRow, PollGaps
from harvester.lake.gaps.streams import StreamGaps
from harvester.lake.layout import BARS, DEPTH, DEPTH50, INDEX, QUOTES
from harvester.lake.manifest import FileEntry, describe_file
from harvester.lake.publish.files import place, temporary_for
from harvester.lake.schema import DEPTH_TABLE, TABLES
from harvester.lake.tables.merging import merge_by_time
from harvester.lake.tables.origin import Origin
from harvester.lake.tables.parquet import FAST, FINE, FINE_ROWS, FINE_SYMBOLS, TableWriter, check_written
from harvester.lake.tables.poll_rows import SymbolData, read_polls
from harvester.lake.tables.rereading import Spool, read_in_order
from harvester.lake.tables.stream_pass import Streams
from harvester.lake.tables.symbol_rows import SymbolRows

if TYPE_CHECKING:
    from harvester.lake.day.model import Day


@dataclass
class Written:
    """What a day came to: files, gaps, and the certificate's entries by symbol, of polls and of each socket."""

    files: list[FileEntry] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    symbols: dict[str, Json] = field(default_factory=dict)
    streams: dict[str, Json] = field(default_factory=dict)


def write_tables(lake: Path, day: "Day", grace_ns: int) -> Written:
    """Decode, write, read back and place all tables of a day. Raises HarvesterError, OSError."""
    run_ids = list(dict.fromkeys(source.run_id for source in day.index.sources))
    workplace = temporary_for(lake, day.partition, DEPTH, name_of(DEPTH))
    origin = Origin(run_ids, day.grid.windows)
    with (
        Spool(workplace.with_name(".spool")) as spool,
        Streams(workplace.parent, origin, day.events.connections) as streams,
    ):
        streams.read(day.index.sources)
        job = _Job(lake, day, grace_ns, spool, streams, run_ids)
        return job.run()


def name_of(table: str) -> str:
    """File name of a table."""
    return f"{table}.parquet"


class _Job:
    """The second pass: rows are spooled by symbol, and go into the tables in the order of the symbols."""

    def __init__(
        self, lake: Path, day: "Day", grace_ns: int, spool: Spool, streams: Streams, run_ids: list[str]
    ) -> None:
        self._lake = lake
        self._day = day
        self._spool = spool
        self._streams = streams
        self._run_ids = run_ids
        self._ledger = PollGaps(day.grid, day.events, grace_ns)
        self._sockets = {feed: StreamGaps(feed, day.grid.windows, day.events) for feed in SOCKETS}
        self._stream_numbers = np.array([connection.stream for connection in day.events.connections], np.int64)
        self._slots = set(day.grid.slots)
        self._polled = set(day.symbols)
        self._expected = {feed: set(day.sockets[feed]) for feed in SOCKETS}
        self._symbols = sorted(self._polled.union(*self._expected.values(), streams.origin.symbols))
        self._written = Written()
        self._entries: dict[int, dict[str, Json]] = {feed: {} for feed in SOCKETS}

    def run(self) -> Written:
        """Write everything."""
        with ExitStack() as stack:
            writers = {name: stack.enter_context(self._writer(name)) for name in self._tables()}
            for symbol in self._symbols:
                self._write_symbol(symbol, writers)
        for name, writer in writers.items():
            check_written(writer)
            placed = place(writer.path, name_of(name))
            self._written.files.append(describe_file(self._lake, placed, writer.rows))
        for feed, symbols in self._entries.items():
            if symbols or self._streams.contents[feed].frames:
                entry = certify_feed(symbols, self._streams.contents[feed], feed, self._day.events)
                self._written.streams[FEED_NAMES[feed]] = entry
        return self._written

    def _tables(self) -> list[str]:
        found = self._streams.tables
        return [DEPTH, *(name for name in found if name != DEPTH), *([BARS] if QUOTES in found else [])]

    def _writer(self, name: str) -> TableWriter:
        polls = sum(len(positions) for positions in self._day.index.symbols.values()) if name == DEPTH else 0
        is_small = self._streams.rows_of(name) + polls <= FINE_ROWS and len(self._symbols) <= FINE_SYMBOLS
        path = temporary_for(self._lake, self._day.partition, name, name_of(name))
        return TableWriter(path, TABLES[name], self._run_ids, level=FINE if is_small else FAST)

    def _write_symbol(self, symbol: str, writers: dict[str, TableWriter]) -> None:
        rows = SymbolRows(symbol, self._streams, self._stream_numbers)
        polls = SymbolData()
        records = read_in_order(self._day.index, symbol, self._spool)
        answers = read_polls(symbol, records, self._streams.origin.run_numbers, polls)
        flagged = (self._flag(matrix) for matrix in answers)
        for matrix in merge_by_time(flagged, rows.read(DEPTH)):
            writers[DEPTH].add(symbol, matrix)
        for name in (QUOTES, INDEX, DEPTH50):
            for matrix in rows.read(name):
                writers[name].add(symbol, matrix)
        if symbol in self._polled:
            missing = self._ledger.rows(symbol, self._slots & set(polls.sched_ns), polls.bad)
            self._written.symbols[symbol] = certify_symbol(polls, missing, self._day.grid)
            self._written.gaps += missing
        gaps = self._account_sockets(symbol, rows)
        if BARS in writers:
            quoted = [(gap.from_ns, gap.to_ns) for gap in gaps if gap.feed == FEED_NAMES[FYERS_HSM]]
            writers[BARS].add(symbol, rows.bars.matrix(quoted))
        for writer in writers.values():
            writer.end_symbol(symbol)

    def _flag(self, matrix: Ints) -> Ints:
        matrix[DEPTH_TABLE.at("in_session")] = self._streams.origin.in_session(matrix[0])
        return matrix

    def _account_sockets(self, symbol: str, rows: SymbolRows) -> list[GapRow]:
        gaps: list[GapRow] = []
        for feed in SOCKETS:
            if symbol not in self._expected[feed] and symbol not in self._streams.contents[feed].reception:
                continue
            sequence: dict[str, Any] | None = rows.sequences.finish() if feed == FYERS_TBT else None
            coverage = self._sockets[feed].account(symbol, rows.reception[feed])
            entry = certify_stream(rows.tracks[feed], rows.recv_ns(feed), coverage, self._day.grid.windows, sequence)
            self._entries[feed][symbol] = entry
            gaps += coverage.gaps
        self._written.gaps += gaps
        return gaps
