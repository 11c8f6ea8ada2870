"""The records of one day's journal, read on from where the last look ended."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import Record
from harvester.journal.reader import ARCHIVED, RecordStream, control_of, open_segment
from harvester.lake.day.segments import Source, find_sources

FRESH_NS = NS_PER_SECOND
"""A folder that changed within that is listed again: a file of the same tick of the kernel's clock leaves its time."""
LISTINGS = 3
"""In one look, while files are sealed or archived under it."""


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
        for _ in range(LISTINGS):
            try:
                changed_ns = self.journal_day.stat().st_mtime_ns
            except FileNotFoundError:
                return
            if changed_ns != self._seen_ns or time.time_ns() - changed_ns < FRESH_NS:
                self._sources = find_sources(self.journal_day, self.archive)
                self._seen_ns = changed_ns
            for source in self._sources:
                if not (yield from self._records(source)):
                    break  # what is behind it comes after it
            else:
                return

    def _records(self, source: Source) -> Generator[tuple[Source, Record], None, bool]:
        """Those of a segment that are new; whether it was there."""
        read = self._read.setdefault(source.name, _Read())
        source.header = read.header
        if read.is_whole:
            return True
        is_archived = source.path.suffix in ARCHIVED
        try:
            if not is_archived and source.path.stat().st_size <= read.end:
                read.is_whole = not source.is_open
                return True
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
            self._seen_ns = -1  # it was sealed, or archived, at this moment; the next listing finds it
            return False
        return True
