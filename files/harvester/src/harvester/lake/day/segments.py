"""The segments of a day, in the journal or in the lake's archive, and an index of the records in them.

The index has 16 bytes a record and not the records, so that a day of any size is built in bounded memory: symbol by
symbol, each record read again at its place.
"""

import hashlib
from array import array
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from harvester.base.errors import HarvesterError
from harvester.base.files import is_still
from harvester.journal.format import (
    CANDLE_FEEDS,
    CONTROL,
    FEED_NAMES,
    FORMAT,
    FYERS_REST,
    HEADER,
    SCHWAB_STREAM,
    STREAMS,
    Record,
    decode_candles,
    decode_control,
)
from harvester.journal.reader import ARCHIVED, RecordStream, control_of, open_segment
from harvester.journal.segment import OPEN, SEALED
from harvester.lake.day.chart import ChartLog
from harvester.lake.day.controls import ControlLog, ControlRecord
from harvester.lake.day.earlier_segments import EarlierSegments
from harvester.lake.day.numbers import Edge, Numbers
from harvester.lake.day.order import in_order
from harvester.lake.day.segment_facts import CopyFacts, SegmentFacts

NEVER = 2**63


@dataclass
class Source:
    """One segment and what is in it. `name` has no suffix; sizes and hashes are of the uncompressed bytes."""

    name: str
    path: Path
    bytes: int = 0
    sha256: str = ""
    records: int = 0
    data_records: int = 0
    feeds: set[int] = field(default_factory=set)
    """Numbers of the feeds that it has data of."""
    first_ns: int = NEVER
    last_ns: int = 0
    """Wall clock at the receipt of its first and its last data record."""
    damaged: tuple[tuple[int, int], ...] = ()
    repeated: int = 0
    """Records whose number is not higher than that of the one before; they are not read, and count as damaged bytes."""
    numbers: Numbers = field(default_factory=Numbers)
    header: dict[str, Any] = field(default_factory=dict)
    copy: CopyFacts | None = None
    """An archived copy of just these bytes, made while the day ran."""

    @property
    def is_open(self) -> bool:
        return self.path.suffix == OPEN

    @property
    def streams(self) -> dict[int, str]:
        return _names(self.header.get("streams"))

    @property
    def candles(self) -> dict[int, str]:
        """The symbol of each stream of candles."""
        return _names(self.header.get("candles"))

    @property
    def run_id(self) -> str:
        return str(self.header.get("run_id", ""))


def _names(streams: object) -> dict[int, str]:
    if not isinstance(streams, dict):
        return {}
    return {int(number): str(symbol) for number, symbol in streams.items() if str(number).isdecimal()}


class Unreadable(NamedTuple):
    """A control record that is none: its source, its receipt in wall ns, and its type where it has one."""

    source: int
    wall_ns: int
    kind: str = ""
    is_end: bool = False
    """Whether it ends what no record of the day began."""


class Positions:
    """Where the data records of one symbol are, in order: number of the source, byte range."""

    def __init__(self) -> None:
        self.source = array("I")
        self.offset = array("Q")
        self.length = array("I")

    def __len__(self) -> int:
        return len(self.source)

    def add(self, source: int, offset: int, length: int) -> None:
        self.source.append(source)
        self.offset.append(offset)
        self.length.append(length)


@dataclass
class DayIndex:
    """All segments of one day, read once."""

    sources: list[Source]
    symbols: dict[str, Positions] = field(default_factory=dict)
    """The records of polls."""
    candles: dict[str, Positions] = field(default_factory=dict)
    """The records of the broker's own candles."""
    chart: ChartLog = field(default_factory=ChartLog)
    """What the frames of schwab-stream hold."""
    bar_seconds: int = 0
    """Of the last answer with candles; 0: there is none."""
    controls: ControlLog | list[ControlRecord] = field(default_factory=ControlLog)
    odd_controls: list[Unreadable] = field(default_factory=list)
    """Control records without an object, or without its type."""
    unconnected: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    """By run: feed and stream of frames before which no connect record came."""
    unattributed: int = 0
    """Data records without a symbol, because the head of their segment is damaged."""
    other_feeds: int = 0
    """Data records of feeds that this release does not know; they stay in the archive."""


def find_sources(journal_day: Path, archive: Path) -> list[Source]:
    """Segments of the day, in order: those in the journal, and archived ones that the journal no longer has."""
    found: dict[str, Source] = {}
    for path in sorted(archive.glob(f"[!.]*{SEALED}.*")):
        name = path.name.split(".", 1)[0]
        if path.suffix in ARCHIVED:
            found[name] = Source(name, path)
    for suffix in (OPEN, SEALED):
        for path in sorted(journal_day.glob(f"[!.]*{suffix}")):
            if path.is_file() and not path.is_symlink():
                found[path.stem] = Source(path.stem, path)
    by_name = sorted(found.values(), key=lambda source: _order(source.name))
    places = {path: place for place, path in enumerate(in_order([source.path for source in by_name]))}
    return sorted(by_name, key=lambda source: places[source.path])


def _order(name: str) -> tuple[int, str]:
    begun = name.partition("-")[0]
    return (int(begun) if begun.isdecimal() else 0, name)


class _Hashing:
    """A file that hashes what is read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, count: int) -> bytes:
        chunk = self._file.read(count)
        self.digest.update(chunk)
        return chunk


def read_index(sources: list[Source], before: Mapping[str, SegmentFacts] = MappingProxyType({})) -> DayIndex:
    """Read every segment once: fill in the sources, collect control records, note where data records lie.

    `before` has facts of segments with frames of sockets alone, by name; one that is untouched since is not read.
    """
    index = DayIndex(sources)
    known = EarlierSegments()
    failed = []
    for number, source in enumerate(sources):
        facts = before.get(source.name)
        if facts and is_still(source.path, facts.identity) and _take_facts(facts, number, source, index, known):
            continue
        try:
            with closing(open_segment(source.path)) as file:
                _read_source(file, number, source, index, known)
        except OSError as error:
            failed.append(f"{source.path}: the segment cannot be read ({error.strerror}).")
    if failed:
        raise HarvesterError(
            " ".join(failed) + " The day is not built without what cannot be read: correct owner and mode, restore it"
            " from its other copy (raw/ in the lake, or where it was pulled to), or, where there is none, move it out"
            " of the journal: then the day is closed, and says what is missing."
        )
    return index


def _read_source(file: BinaryIO, number: int, source: Source, index: DayIndex, known: EarlierSegments) -> None:
    hashing = _Hashing(file)
    stream = RecordStream(cast(BinaryIO, hashing))
    process = source.name.partition("-")[2]
    source.header = known.heads.get(process, {})  # of this process's segment before, in case this one's head is damaged
    streams = _streams_of(source)
    for offset, record in stream:
        source.records += 1
        head = control_of(record, "segment") if record.kind == CONTROL else None
        if head:
            _check_format(source, head)
            source.header = known.heads[process] = head
            streams = _streams_of(source)
        if not source.numbers.take(offset, record, known.numbers.get(source.run_id, ())):
            continue
        if record.kind == CONTROL:
            known.see_connection(source.run_id, _note_control(record, number, index))
        else:
            _note(record, offset, number, streams, index)
            if record.feed == SCHWAB_STREAM:
                index.chart.take(number, offset, record, source.run_id, frozenset(source.candles.values()))
            if record.feed in STREAMS and (record.feed, record.stream) not in known.connected:
                index.unconnected.setdefault(source.run_id, set()).add((record.feed, record.stream))
            source.data_records += 1
            source.feeds.add(record.feed)
            source.first_ns = min(source.first_ns, record.wall_ns)
            source.last_ns = max(source.last_ns, record.wall_ns)
    source.bytes, source.sha256 = stream.size, hashing.digest.hexdigest()
    source.damaged, source.repeated = tuple(stream.damaged), stream.repeated
    source.numbers.finish(stream.size)
    known.numbers.setdefault(source.run_id, []).extend(source.numbers.ranges())


def _take_facts(facts: SegmentFacts, number: int, source: Source, index: DayIndex, known: EarlierSegments) -> bool:
    """Do as `_read_source`; nothing, and False, where an earlier segment has numbers of this one."""
    numbers = Numbers.of_whole(*(Edge(*edge) for edge in facts.edges))
    run_id = str(facts.header.get("run_id", ""))
    if any(last >= facts.edges[0][0] for _, last in known.numbers.get(run_id, ())):
        return False
    source.header = known.heads[source.name.partition("-")[2]] = facts.header
    source.bytes, source.sha256, source.numbers = facts.size, facts.sha256, numbers
    source.records, source.data_records, source.feeds = facts.records, facts.data_records, {*facts.feeds}
    source.first_ns, source.last_ns, source.copy = facts.first_ns, facts.last_ns, facts.copy
    known.see_connection(run_id, None)
    if missing := {*facts.unconnected} - known.connected:
        index.unconnected.setdefault(run_id, set()).update(missing)
    for seq, wall_ns, mono_ns, value in msgspec.msgpack.decode(facts.controls):
        index.controls.append(ControlRecord(number, seq, wall_ns, mono_ns, value))
        known.see_connection(run_id, value)
    known.numbers.setdefault(run_id, []).extend(numbers.ranges())
    return True


def _streams_of(source: Source) -> dict[int, dict[int, str]]:
    """The symbols of each polled feed."""
    return {FYERS_REST: source.streams, **dict.fromkeys(CANDLE_FEEDS, source.candles)}


def _check_format(source: Source, head: dict[str, Any]) -> None:
    if head.get("format") != FORMAT:
        raise HarvesterError(
            f"{source.path}: journal format {head.get('format')!r}, and this release reads format {FORMAT}. Use the"
            " release that recorded the day, or a newer one."
        )


def _note_control(record: Record, number: int, index: DayIndex) -> dict[str, Any] | None:
    """Its value, if it has one."""
    value = decode_control(record.payload)
    if value:
        index.controls.append(ControlRecord(number, record.seq, record.wall_ns, record.mono_ns, value))
    else:
        index.odd_controls.append(Unreadable(number, record.wall_ns))
    return value


def _note(record: Record, offset: int, number: int, streams: dict[int, dict[int, str]], index: DayIndex) -> None:
    """Note where a record is; `streams` has the symbols of each polled feed."""
    names = streams.get(record.feed)
    if names is None:
        index.other_feeds += record.feed not in FEED_NAMES
        return
    if record.stream not in names:
        index.unattributed += 1
        return
    is_candles = record.feed in CANDLE_FEEDS
    if is_candles and (poll := decode_candles(record.payload)):
        index.bar_seconds = poll.bar_seconds
    found = index.candles if is_candles else index.symbols
    found.setdefault(names[record.stream], Positions()).add(number, offset, HEADER.size + len(record.payload))
