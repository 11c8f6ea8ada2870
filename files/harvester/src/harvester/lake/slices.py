"""Finished files of the tables for a stretch of a large day while it still runs, by `harvester build`.

A slice has the rows of whole segments, from where the slice before ended, as the close would write them: sorted by
symbol, without second copies, read back. What of a symbol goes on into the next slice lies beside them. The gaps that
trades rest on are those known by then; the close compares, and takes slices only where nothing came that changes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import identity_of
from harvester.calendar import NSE_CASH
from harvester.decode.frames import give_back_heap
from harvester.journal.format import FYERS_HSM, FYERS_REST, day_directory
from harvester.lake.day.controls import ControlRecord
from harvester.lake.day.earlier import Earlier
from harvester.lake.day.events import read_events
from harvester.lake.day.intervals import Interval, union
from harvester.lake.day.model import Expectation, find_grids
from harvester.lake.day.segment_facts import SegmentFacts
from harvester.lake.day.segments import DayIndex, Source, find_sources
from harvester.lake.gaps.streams import StreamGaps
from harvester.lake.layout import DEPTH, DEPTH50, INDICES, QUOTES, RAW, TRADES, Partition
from harvester.lake.manifest import hash_file
from harvester.lake.schema import TABLES
from harvester.lake.tables import part_files
from harvester.lake.tables.origin import Origin
from harvester.lake.tables.part_files import (
    PartFacts,
    SliceFacts,
    SliceFile,
    rows_file,
    slice_file,
)
from harvester.lake.tables.prepared import Prepared
from harvester.lake.tables.sliced import StateWriter, SymbolStates
from harvester.lake.tables.stream_pass import Streams
from harvester.lake.tables.symbol_rows import SymbolRows
from harvester.lake.tables.symbol_state import SymbolState
from harvester.lake.tables.table_files import TableFiles
from harvester.lake.tables.trades import Trades, Watched
from harvester.lake.writing import stretches_of

SLICE_ROWS = 20_000_000
"""A slice has at least so many rows of the sockets: a smaller day has none, and one file of each table."""
SETTLED_NS = 120 * NS_PER_SECOND
"""So long a segment has ended before it is sliced: a gap is noticed after it began."""


class _Segment(NamedTuple):
    """A part in the order of the day."""

    source: Source
    facts: PartFacts
    segment: SegmentFacts

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(int(np.frombuffer(each.saved.counts, np.int64).sum()) for each in self.facts.tables.values())


def build_slices(
    *,
    journal: Path,
    lake: Path,
    partition: Partition,
    release: str,
    expectation: Expectation,
    least_rows: int = SLICE_ROWS,
    settled_ns: int = SETTLED_NS,
) -> int:
    """Make slices of the parts of a day that are enough for one; how many were made. Raises HarvesterError, OSError."""
    folder = part_files.folder_of_day(lake, partition.date)
    with part_files.holding(folder, wait=False) as is_ours:
        if not is_ours:
            return 0
        slices = part_files.read_slices(folder, release)
        known = [name for each in slices for name, _ in each.segments]
        sources = find_sources(day_directory(journal, partition.date), lake / partition.path(RAW))
        segments = list(_find_segments(folder, sources))
        if known != [each.source.name for each in segments[: len(known)]]:
            return 0  # the close will not take them either
        _remove_rows(folder, segments[: len(known)])  # what a build that was killed left of them
        made = 0
        for chosen in _choose(segments, len(known), least_rows, settled_ns):
            facts = _Slicing(folder, release, segments, chosen).run(partition.date, expectation, slices)
            if facts is None:
                break
            slices.append(facts)
            _remove_rows(folder, segments[chosen])
            made += 1
            give_back_heap()
        return made


def _find_segments(folder: Path, sources: Sequence[Source]) -> Iterator[_Segment]:
    """From the day's first on, as far as each became a part, is whole, has no polls, and comes after the others."""
    last_ns = 0
    for source in sources:
        facts = part_files.read(folder / f"{source.name}.part", PartFacts)
        if facts is None or (segment := facts.segment) is None or FYERS_REST in segment.feeds:
            return
        if segment.feeds and segment.first_ns < last_ns:
            return
        last_ns = max(last_ns, segment.last_ns)
        source.sha256, source.header, source.feeds = segment.sha256, segment.header, {*segment.feeds}
        source.first_ns, source.last_ns = segment.first_ns, segment.last_ns
        yield _Segment(source, facts, segment)


def _choose(segments: Sequence[_Segment], start: int, least_rows: int, settled_ns: int) -> Iterator[slice]:
    """Places of the segments of each slice that is due."""
    newest = max((each.source.last_ns for each in segments), default=0)
    rows = 0
    for place in range(start, len(segments)):
        if segments[place].source.last_ns > newest - settled_ns:
            return
        rows += segments[place].rows
        if rows >= least_rows:
            yield slice(start, place + 1)
            start, rows = place + 1, 0


def _remove_rows(folder: Path, segments: Sequence[_Segment]) -> None:
    """Parts that are in a slice keep what they say besides."""
    for each in segments:
        for table in each.facts.tables:
            rows_file(folder / each.source.name, table).unlink(missing_ok=True)
        if not each.facts.is_sliced:
            kept = msgspec.structs.replace(each.facts, tables={}, is_sliced=True)
            part_files.write(folder / f"{each.source.name}.part", kept)


class _Slicing:
    """Makes one slice; of the day so far everything counts, also what came after the slice."""

    def __init__(self, folder: Path, release: str, segments: Sequence[_Segment], chosen: slice) -> None:
        self._folder = folder
        self._release = release
        self._all = segments
        self._mine = segments[chosen]
        sources = [each.source for each in segments]
        self._events = read_events(DayIndex(sources, controls=list(_controls(segments))))
        newest = max(source.last_ns for source in sources)
        for connection in self._events.connections:
            if connection.to_ns is None and connection.run_id == sources[-1].run_id:
                connection.to_ns = newest  # nothing says that it ended
        self._streams_of = np.array([connection.stream for connection in self._events.connections], np.int64)
        mine = [each.source for each in self._mine if each.source.feeds]
        self._first_ns = min(source.first_ns for source in mine)
        self._last_ns = max(source.last_ns for source in mine)

    def run(self, day: date, expectation: Expectation, slices: Sequence[SliceFacts]) -> SliceFacts | None:
        """Write the slice that follows these; None where a part is damaged, or polls are due in its time.

        Raises HarvesterError, OSError.
        """
        grids, segments = find_grids(day, self._events, expectation)
        self._grids, self._segments = grids, segments
        polled = [stretch for grid in grids.values() for stretch in grid.polled]
        if any(begin < self._last_ns and self._first_ns < end for begin, end in polled):
            return None  # their gaps, which trades rest on, too, are the close's
        self._gaps = {name: StreamGaps(FYERS_HSM, grid.windows, self._events) for name, grid in grids.items()}
        run_ids = list(dict.fromkeys(each.source.run_id for each in self._all))
        windows = union(window for grid in grids.values() for window in grid.windows)
        origin = Origin(run_ids, windows, (lambda symbol: self._windows(symbol)) if len(grids) > 1 else None)
        for symbol in sorted({symbol for each in self._events.connections for symbol in each.symbols}):
            origin.number(symbol)
        number = len(slices) + 1
        with (
            closing(Streams(self._folder, origin, self._events.connections, Earlier())) as streams,
            ExitStack() as stack,
        ):
            if not self._take_parts(streams):
                return None
            writers = {
                name: stack.enter_context(closing(self._files(number, name, run_ids))) for name in _tables(streams)
            }
            before = SymbolStates(self._folder, number - 1, slices[-1]) if slices else None
            with StateWriter(slice_file(self._folder, number, "states")) as states:
                for symbol in origin.symbols:
                    former = before.read(symbol) if before else None
                    states.add(symbol, self._write_symbol(symbol, streams, writers, former))
            for writer in writers.values():
                writer.end(is_needed=False)
        facts = SliceFacts(
            release=self._release,
            segments=[(each.source.name, each.source.sha256) for each in self._mine],
            connections=[
                (each.feed, each.stream, each.run_id, each.seq, each.number) for each in self._events.connections
            ],
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            tables={name: [_describe(*file) for file in writer.files] for name, writer in writers.items()},
            states_file=_describe(states.path, len(states.places)),
            states=states.places,
        )
        part_files.write(slice_file(self._folder, number, "slice"), facts)
        return facts

    def _files(self, number: int, table: str, run_ids: Sequence[str]) -> TableFiles:
        return TableFiles(slice_file(self._folder, number, f"{table}.parquet"), TABLES[table], run_ids)

    def _windows(self, symbol: str) -> Sequence[Interval]:
        return self._grids[self._segments.get(symbol, NSE_CASH)].windows

    def _take_parts(self, streams: Streams) -> bool:
        """Take the rows of this slice, and what all parts say besides; whether all of them are right."""
        prepared = Prepared(self._folder, self._release)
        prepared.sliced = frozenset(each.source.name for each in self._all) - {each.source.name for each in self._mine}
        keys: dict[str, str] = {}
        for source in (each.source for each in self._all):
            key = keys.get(source.run_id) or part_files.first_key(self._release, source.run_id)
            key = keys[source.run_id] = part_files.next_key(key, source.sha256)
            part = prepared.read_part(source, key, source.run_id, self._events.connections, streams.origin)
            if part is None:
                return False
            streams.take_part(part)
        return True

    def _write_symbol(
        self, symbol: str, streams: Streams, writers: Mapping[str, TableFiles], former: SymbolState | None
    ) -> SymbolState:
        """The symbol after the slice."""
        before = [former.running()] if former else []
        rows = SymbolRows(symbol, streams, self._streams_of, before, is_slice=True)
        gaps = self._gaps[self._segments.get(symbol, NSE_CASH)].account(symbol, rows.reception[FYERS_HSM]).gaps
        windows = self._windows(symbol)
        trades = Trades(Watched(windows, stretches_of(gaps)), Watched((), ()))
        if former:
            trades.resume(former.trades)
        for name in (DEPTH, QUOTES, INDICES, DEPTH50):
            for matrix in rows.read(name):
                writers[name].add(symbol, matrix)
                if name == QUOTES:
                    writers[TRADES].add(symbol, trades.see(matrix))
        for writer in writers.values():
            writer.end_symbol(symbol)
        session = Watched(windows, ()).between(self._first_ns, self._last_ns + 1)
        return rows.save(trades.save(), windows, session, self._last_ns)


def _tables(streams: Streams) -> list[str]:
    return [*streams.tables, *([TRADES] if QUOTES in streams.tables else [])]


def _controls(segments: Sequence[_Segment]) -> Iterator[ControlRecord]:
    for number, each in enumerate(segments):
        for seq, wall_ns, mono_ns, value in msgspec.msgpack.decode(each.segment.controls):
            yield ControlRecord(number, seq, wall_ns, mono_ns, value)


def _describe(path: Path, rows: int) -> SliceFile:
    identity = identity_of(path)
    return SliceFile(path.name, hash_file(path)[1], rows, identity)
