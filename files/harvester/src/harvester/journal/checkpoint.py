"""From which segments of a day a start of the recorder knows what is accounted for."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from harvester.journal.format import CONTROL, JournalError, Record, decode_control
from harvester.journal.reader import read_segment

log = structlog.get_logger()


def segments_since_checkpoint(segments: list[Path]) -> list[Path]:
    """The segments from the last one on that holds a checkpoint; all, where the clock was set back.

    `segments` are the sealed ones of one day, in order of their names. Raises OSError where one is gone.
    """
    written = [path.stat().st_mtime_ns for path in segments]
    if written != sorted(written):
        return segments
    for place in range(len(segments) - 1, 0, -1):
        if any(_is_checkpoint(record) for record in read_leniently(segments[place])):
            return segments[place:]
    return segments


def read_leniently(path: Path) -> Iterator[Record]:
    """The records of a segment; one that cannot be read is logged, and has none."""
    try:
        yield from read_segment(path)
    except JournalError as error:
        log.error("journal_problem", detail=str(error))


def _is_checkpoint(record: Record) -> bool:
    control = decode_control(record.payload) if record.kind == CONTROL else None
    return control is not None and control["type"] == "state"
