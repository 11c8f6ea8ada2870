"""Makes the lake of the backfill's answers: days past, each a partition of its own beside what was recorded.

What waits in the journal is read, spread over the days, and merged with what the lake has of each. A day's manifest is
written when its files are there; the segments are listed last, with the day on which they were written. So a build that
is killed anywhere is done again, and finds the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harvester.backfill.answers import HEIGHT, Asked, Taken
from harvester.backfill.certificate import Json, certify
from harvester.backfill.known import entries_of
from harvester.backfill.merge import by_symbol, merge, read_rows
from harvester.backfill.pending import pending_segments, read_answers
from harvester.backfill.spool import DaySpool
from harvester.base.errors import HarvesterError
from harvester.base.release import release_id
from harvester.calendar import TradingCalendar
from harvester.decode.frames import Ints, keep_heap_pages
from harvester.lake.certificate.day import encode_certificate
from harvester.lake.day.segments import Source, read_index
from harvester.lake.layout import CERTIFICATE, HISTORY, RAW, Partition, folder_of, history_of
from harvester.lake.manifest import (
    FileEntry,
    Manifest,
    SegmentEntry,
    describe_file,
    load_manifest,
    make_manifest,
    self_hash_of,
    write_manifest,
)
from harvester.lake.publish.archive import Form, archive_segment
from harvester.lake.publish.files import Names, locked, names_after, place, set_superseded_aside, temporary_for
from harvester.lake.schema import HISTORY_TABLE
from harvester.lake.tables.table_files import TableFiles

SPOOL = ".history"
Calendars = Callable[[list[str]], Mapping[str, TradingCalendar]]
"""Gives the calendar of each symbol's segment."""


@dataclass
class Built:
    """What a build did."""

    answers: int = 0
    refused: int = 0
    """Answers without data; they are in the archive."""
    segments: int = 0
    days: int = 0
    """Of which the lake has more now, or another word."""
    rows: int = 0
    """Of those days, all that they have now."""


@dataclass
class _Day:
    """What came of a day."""

    rows: Ints | None
    asked: dict[tuple[str, str], Asked]


def build(journal: Path, lake: Path, host: str, calendars: Calendars, form: Form = Form.ZSTD) -> Built:
    """Take in all sealed segments of the backfill's journal. Raises HarvesterError, also while a close is at work."""
    built = Built()
    keep_heap_pages()
    try:
        with locked(lake):
            segments = pending_segments(journal, lake, host)
            if segments:
                _take_in(segments, lake, host, calendars, built)
                _list_segments(segments, lake, host, form)
                built.segments = len(segments)
    except OSError as error:
        raise HarvesterError(
            f"{error.filename or lake}: the backfill's answers cannot be made tables ({error.strerror}). Its journal"
            " keeps them; free disk space or correct owners and modes, then run the command again."
        ) from error
    return built


def _take_in(segments: list[Path], lake: Path, host: str, calendars: Calendars, built: Built) -> None:
    taken, known = Taken(), dict[str, TradingCalendar]()
    spool = DaySpool(lake / SPOOL, HEIGHT)
    try:
        for answer in read_answers(segments):
            if answer.symbol not in known:
                known |= calendars([answer.symbol])
            taken.take(answer, known[answer.symbol], spool)
        built.answers, built.refused = taken.answers, taken.refused
        for day, rows in spool.days():
            _publish(lake, history_of(day, host), _Day(rows, taken.asked.pop(day, {})), taken, known, built)
        for day in sorted(taken.asked):
            _publish(lake, history_of(day, host), _Day(None, taken.asked[day]), taken, known, built)
    finally:
        spool.close()


def _publish(
    lake: Path, partition: Partition, day: _Day, taken: Taken, calendars: Mapping[str, TradingCalendar], built: Built
) -> None:
    """One more generation of a day, where it has anything new."""
    before = load_manifest(lake, partition)
    runs = dict(taken.runs)
    former = read_rows([lake / entry.path for entry in _tables(before)], taken.symbols, runs)
    symbols = list(taken.symbols)
    rows = former if day.rows is None else merge(former, day.rows, symbols)
    parts = by_symbol(rows, symbols)
    entries = entries_of(lake, partition)
    certificate = certify(partition, release_id(), entries, day.asked, dict(parts), calendars)
    if before and rows.shape[1] == former.shape[1] and certificate["history"]["symbols"] == entries:
        return
    names = names_after(lake, partition, before)
    files = _write_table(lake, partition, parts, list(runs), names)
    files.append(_write_certificate(lake, partition, certificate, names))
    kept = [entry for entry in before.files if entry.folder == RAW] if before else []
    _put_in_force(lake, partition, before, names, [*files, *kept], before.segments if before else ())
    built.days += 1
    built.rows += rows.shape[1]


def _tables(manifest: Manifest | None) -> list[FileEntry]:
    return manifest.find(HISTORY) if manifest else []


def _write_table(
    lake: Path, partition: Partition, parts: list[tuple[str, Ints]], runs: list[str], names: Names
) -> list[FileEntry]:
    """The table's files, written, read back and placed; none without rows."""
    if not parts:
        return []
    table = TableFiles(temporary_for(lake, partition, folder_of(HISTORY)), HISTORY_TABLE, runs)
    try:
        for symbol, matrix in parts:
            table.add(symbol, matrix)
            table.end_symbol(symbol)
        table.end()
    finally:
        table.close()
    return [place(lake, path, rows, names) for path, rows in table.files]


def _write_certificate(lake: Path, partition: Partition, certificate: Json, names: Names) -> FileEntry:
    temporary = temporary_for(lake, partition, CERTIFICATE)
    temporary.write_bytes(encode_certificate(certificate))
    return place(lake, temporary, len(certificate["history"]["symbols"]), names)


def _put_in_force(
    lake: Path,
    partition: Partition,
    before: Manifest | None,
    names: Names,
    files: list[FileEntry],
    segments: tuple[SegmentEntry, ...],
) -> None:
    supersedes = self_hash_of(lake, partition) if before else None
    manifest = make_manifest(partition, names.generation, files, segments, supersedes)
    write_manifest(lake, partition, manifest)
    set_superseded_aside(lake, manifest, partition)


def _list_segments(segments: list[Path], lake: Path, host: str, form: Form) -> None:
    """Archive the segments, and list them with the day of the journal on which they were written."""
    for folder in sorted({path.parent for path in segments}):
        partition = history_of(date.fromisoformat(folder.name), host)
        before = load_manifest(lake, partition)
        sources = [Source(path.stem, path) for path in segments if path.parent == folder]
        read_index(sources)
        directory = lake / partition.path(RAW)
        raw = [describe_file(lake, archive_segment(each, directory, form), each.records) for each in sources]
        listed = tuple(SegmentEntry(each.name, each.bytes, each.sha256, each.records) for each in sources)
        files = list(before.files) if before else [_empty_certificate(lake, partition)]
        segments_now = (*(before.segments if before else ()), *listed)
        _put_in_force(lake, partition, before, names_after(lake, partition, before), [*files, *raw], segments_now)


def _empty_certificate(lake: Path, partition: Partition) -> FileEntry:
    """Of a day of which nothing but the answers of that day's backfill is here."""
    certificate = certify(partition, release_id(), {}, {}, {}, {})
    return _write_certificate(lake, partition, certificate, names_after(lake, partition, None))
