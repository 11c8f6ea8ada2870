"""`harvester build`: while a day runs, archive its sealed segments and decode their frames of the sockets.

Nothing counts before the close: it proves what it takes over, and does itself what is not here, or not right.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from harvester.base.files import Identity, identity_of
from harvester.decode.connections import Rounds
from harvester.decode.frames import give_back_heap
from harvester.journal.format import SOCKETS, day_directory
from harvester.journal.segment import SEALED
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.earlier import Earlier
from harvester.lake.day.records import read_connection
from harvester.lake.day.segment_facts import CopyFacts, SegmentFacts
from harvester.lake.day.segments import DayIndex, Source, find_sources, read_index
from harvester.lake.layout import RAW, Partition
from harvester.lake.manifest import hash_file
from harvester.lake.publish.archive import Form, archive_segment
from harvester.lake.schema import TABLES
from harvester.lake.tables import part_files
from harvester.lake.tables.origin import FeedContent, Origin
from harvester.lake.tables.part_files import (
    FeedFacts,
    OpenConnection,
    PartFacts,
    RunState,
    TableRows,
    rows_file,
)
from harvester.lake.tables.prepared import is_begin
from harvester.lake.tables.stream_pass import DECODERS, Streams

BUILT, AT_WORK, NO_ROOM = "built", "a close or another build is at work", "the disk has not enough room"


def build_parts(
    *, journal: Path, lake: Path, partition: Partition, release: str, form: Form, reserve_bytes: int
) -> tuple[str, int]:
    """Make parts of the segments that are sealed and have none; how it ended, and how many segments became parts.

    So many bytes as today's journal has, for the close needs as many, and `reserve_bytes` stay free on the disk:
    where they are not, the day's parts are removed. Raises HarvesterError, OSError.
    """
    folder = part_files.folder_of_day(lake, partition.date)
    _remove_others(folder)
    with part_files.holding(folder, wait=False) as is_ours:
        if not is_ours:
            return AT_WORK, 0
        runs = {state.run_id: _Run(folder, state) for state in _states(folder, release)}
        done = {name for run in runs.values() for name in run.state.segments}
        sources = find_sources(day_directory(journal, partition.date), lake / partition.path(RAW))
        count = 0
        for source in sources:
            if source.path.suffix != SEALED or source.name in done:
                continue
            if not _has_room(lake, sources, reserve_bytes):
                part_files.remove_parts(lake, partition.date)
                return NO_ROOM, count
            identity = identity_of(source.path)
            index = read_index([source])
            copy = _facts_of_copy(archive_segment(source, folder / part_files.RAW, form))
            run = runs.setdefault(source.run_id, _Run(folder, _begun(release, source.run_id)))
            count += run.take(source, index, _facts_of_segment(release, source, index, identity, copy))
            give_back_heap()
        return BUILT, count


def _remove_others(folder: Path) -> None:
    """Days whose close had no use for their parts leave them here; one that is being closed keeps them."""
    for other in folder.parent.glob("*"):
        if other != folder:
            with part_files.holding(other, wait=False) as is_ours:
                if is_ours:
                    shutil.rmtree(other)


def _states(folder: Path, release: str) -> list[RunState]:
    """Those of this release: what another one decoded is decoded anew."""
    found = (part_files.read(path, RunState) for path in sorted(folder.glob("*.state")))
    return [state for state in found if state and state.release == release]


def _begun(release: str, run_id: str) -> RunState:
    return RunState(release, run_id, part_files.first_key(release, run_id), [])


def _has_room(lake: Path, sources: list[Source], reserve_bytes: int) -> bool:
    recorded = sum(source.path.stat().st_size for source in sources)
    return shutil.disk_usage(lake).free >= recorded + reserve_bytes


class _Run:
    """One run of the recorder: its segments become parts, each from where the one before ended."""

    def __init__(self, folder: Path, state: RunState) -> None:
        self.state = state
        self._folder = folder
        self._rounds: dict[int, Rounds[Any]] = {feed: Rounds(feed, *DECODERS[feed]) for feed in SOCKETS}
        for each in state.connections:
            decoder = part_files.resumed(each.feed, each.decoder)
            self._rounds[each.feed].resume(each.stream, each.number, each.seq, decoder)

    def take(self, source: Source, index: DayIndex, facts: SegmentFacts | None) -> bool:
        """Look at the next segment; whether it became a part."""
        self.state.segments.append(source.name)
        part = None if self.state.ended else self._decode(source, index, facts)
        if part is None:
            self.state.ended = True
        else:
            part_files.write(self._folder / f"{source.name}.part", part)
            self.state.key = part.key
        part_files.write(self._folder / f"{self.state.run_id}.state", self.state)
        return part is not None

    def _decode(self, source: Source, index: DayIndex, facts: SegmentFacts | None) -> PartFacts | None:
        """The part; None for a segment whose rows rest on more than the run's segments so far."""
        if source.numbers.skipped or (len(self.state.segments) == 1 and not is_begin(source)):
            return None
        connections = self._connect(index)
        known = len(connections)
        origin = Origin([self.state.run_id], ())
        for symbol in sorted({symbol for each in connections for symbol in each.symbols}):
            origin.number(symbol)
        with closing(Streams(self._folder, origin, connections, Earlier())) as streams:
            streams.read_source(self.state.run_id, source, self._rounds)
            going_on = self._going_on(connections)
            borrowed = any(content.borrowed for content in streams.contents.values())
            if len(connections) > known or borrowed or going_on is None:
                return None
            self.state.connections = going_on
            return self._save(source, facts, streams, connections)

    def _connect(self, index: DayIndex) -> Connections:
        """The connections that frames of the segment may be of."""
        connections = Connections()
        run_id = self.state.run_id
        for each in self.state.connections:
            connections.open(
                Connection(
                    *(each.feed, each.stream, run_id, each.seq, each.from_ns),
                    symbols=frozenset(each.symbols),
                    topics=each.topics,
                )
            )
        for control in index.controls:
            if control.value["type"] == "connect":
                with suppress(KeyError, TypeError, ValueError):
                    connection = read_connection(control, run_id)
                    if connection.feed in SOCKETS:
                        connections.open(connection)
        return connections

    def _going_on(self, connections: Connections) -> list[OpenConnection] | None:
        """The connections that decoders are of now; None when one has no connect record."""
        found = []
        for feed, stream, number, seq, decoder in self._current():
            connection = connections.get(self.state.run_id, (feed, stream), seq)
            if connection is None:
                return None
            facts = connection.from_ns, sorted(connection.symbols), connection.topics
            found.append(OpenConnection(feed, stream, number, seq, *facts, msgspec.msgpack.encode(decoder.save())))
        return found

    def _current(self) -> Iterator[tuple[int, int, int, int, Any]]:
        """Feed, and what `Rounds.current` says."""
        for feed, rounds in self._rounds.items():
            yield from ((feed, *each) for each in rounds.current())

    def _save(
        self, source: Source, facts: SegmentFacts | None, streams: Streams, connections: Connections
    ) -> PartFacts:
        tables = {}
        for name in streams.tables:
            path = rows_file(self._folder / source.name, name)
            with path.open("wb") as file:
                saved = streams.spool(TABLES[name]).save(file)
            with path.open("rb") as file:
                tables[name] = TableRows(hashlib.file_digest(file, "sha256").hexdigest(), saved)
        return PartFacts(
            key=part_files.next_key(self.state.key, source.sha256),
            symbols=streams.origin.symbols,
            connections=[(each.feed, each.stream, each.seq, each.last_ns) for each in connections],
            feeds={feed: _facts_of(content) for feed, content in streams.contents.items()},
            tables=tables,
            segment=facts,
        )


def _facts_of(content: FeedContent) -> FeedFacts:
    symbols, numbers, moments = content.snapshots.pairs()
    return FeedFacts(
        frames=content.frames,
        leftovers=dict(content.leftovers),
        undecoded=dict(content.undecoded.parts),
        undecoded_times=content.undecoded.times,
        notices=content.notices,
        snapshots=(symbols.tobytes(), numbers.tobytes(), moments.tobytes()),
    )


def _facts_of_copy(path: Path) -> CopyFacts:
    identity = identity_of(path)
    return CopyFacts(path.name, hash_file(path)[1], identity)


def _facts_of_segment(
    release: str, source: Source, index: DayIndex, identity: Identity, copy: CopyFacts
) -> SegmentFacts | None:
    """None for a segment with damage, or whose records are no plain JSON."""
    first, last = source.numbers.first, source.numbers.last
    if (
        source.damaged
        or source.numbers.holes
        or not source.numbers.sealed
        or index.odd_controls
        or not (first and last)
    ):
        return None
    controls = [(each.seq, each.wall_ns, each.mono_ns, each.value) for each in index.controls]
    try:
        return SegmentFacts(
            release=release,
            name=source.name,
            identity=identity,
            size=source.bytes,
            sha256=source.sha256,
            records=source.records,
            data_records=source.data_records,
            feeds=sorted(source.feeds),
            first_ns=source.first_ns,
            last_ns=source.last_ns,
            edges=(first, last),
            unconnected=sorted(index.unconnected.get(source.run_id, ())),
            header=source.header,
            controls=msgspec.msgpack.encode(controls),
            copy=copy,
        )
    except (OverflowError, UnicodeEncodeError):
        return None  # numbers above 64 bits, or half of a surrogate pair
