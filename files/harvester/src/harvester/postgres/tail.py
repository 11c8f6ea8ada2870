"""The bars of one day as the journal has them by now, read on from where the last look ended."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harvester.brokers.bars import History
from harvester.brokers.fyers.history import read_history
from harvester.config.hours import DayHours
from harvester.decode.candles import BarBook, Place
from harvester.journal.format import DATA, FYERS_HISTORY, Record, decode_candles
from harvester.journal.reader import ARCHIVED, RecordStream, control_of, open_segment
from harvester.lake.day.segments import Source, find_sources
from harvester.postgres.minutes import Minute

NS = 1_000_000_000


@dataclass
class _Read:
    """How far a segment was read."""

    end: int = 0
    is_whole: bool = False
    header: dict[str, Any] = field(default_factory=dict)
    """Of its first record: what each stream is."""


@dataclass
class JournalTail:
    """The records of a day's segments, each once, in the order in which they were written."""

    journal_day: Path
    archive: Path
    _sources: list[Source] = field(default_factory=list)
    _read: dict[str, _Read] = field(default_factory=dict)
    _seen_ns: int = -1

    def records(self) -> Iterator[tuple[Source, Record]]:
        """What was written since the last look. Raises OSError."""
        try:
            changed_ns = self.journal_day.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed_ns != self._seen_ns:
            self._sources = find_sources(self.journal_day, self.archive)
            self._seen_ns = changed_ns
        for source in self._sources:
            yield from self._records(source)

    def _records(self, source: Source) -> Iterator[tuple[Source, Record]]:
        read = self._read.setdefault(source.name, _Read())
        source.header = read.header
        if read.is_whole:
            return
        is_archived = source.path.suffix in ARCHIVED
        try:
            if not is_archived and source.path.stat().st_size <= read.end:
                read.is_whole = not source.is_open
                return
            with closing(open_segment(source.path)) as file:
                begin = 0 if is_archived else read.end
                if begin:
                    file.seek(begin)
                stream = RecordStream(file)
                for offset, record in stream:
                    if begin == 0 and (head := control_of(record, "segment")):
                        source.header = read.header = head
                    if begin + offset >= read.end:
                        yield source, record
                read.end = max(read.end, begin + stream.valid_end)
                read.is_whole = not source.is_open
        except FileNotFoundError:
            self._seen_ns = -1  # it was sealed, or archived, at this moment; the next look finds it


class Change(NamedTuple):
    """A symbol with new values, and when the answer came that has them, in wall ns."""

    symbol: str
    recv_ns: int


class LiveBars:
    """The bars in force of each symbol on one day."""

    def __init__(self, tail: JournalTail, hours: DayHours, width_ns: int) -> None:
        self._tail, self._hours, self._width_ns = tail, hours, width_ns
        self._books: dict[str, BarBook] = {}

    def look(self) -> list[Change]:
        """Take in what was written since; the symbols whose answers came. Raises OSError."""
        changed: dict[str, int] = {}
        for source, record in self._tail.records():
            symbol = source.candles.get(record.stream) if record.feed == FYERS_HISTORY else None
            if record.kind == DATA and symbol and self._see(symbol, record):
                changed[symbol] = record.wall_ns
        return [Change(*each) for each in changed.items()]

    def _see(self, symbol: str, record: Record) -> bool:
        poll = decode_candles(record.payload)
        answer = read_history(poll.status, poll.body) if poll else None
        if not poll or not isinstance(answer, History) or poll.bar_seconds * NS != self._width_ns:
            return False
        if symbol not in self._books:
            day = self._hours.of(symbol)
            ends = {bar.begin_ns: bar.end_ns for bar in day.bars}
            # Whether a bar is final counts in the lake alone.
            self._books[symbol] = BarBook(self._width_ns, ends, 0, day.settles_ns)
        self._books[symbol].see(poll.sent_ns, Place(record.wall_ns, 0, record.seq), answer)
        return True

    def bars(self, symbol: str) -> list[Minute]:
        """In force, by their begin."""
        found: dict[int, Any] = self._books[symbol].in_force()
        return [Minute(begin, found[begin].values[3], found[begin].values[4]) for begin in sorted(found)]
