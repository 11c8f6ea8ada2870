"""Making a journal whole after its writer died: seal what it left open, set damage aside, lose and delete nothing.

Runs at each start of the recorder, before a segment is opened. Whatever is wrong with one file is reported and never
keeps the others, or the start, from going on. A second run finds nothing to do.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harvester.base.clock import Clock
from harvester.journal.format import JournalError
from harvester.journal.lock import LOCK_NAME, JournalLock
from harvester.journal.quarantine import QUARANTINE, keep_range, keep_whole
from harvester.journal.reader import SegmentScan, scan
from harvester.journal.repair import cut_and_close, rewrite, seal_as
from harvester.journal.segment import OPEN, SEALED, SPARE_NAME, SUSPECT

DAY = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
SEGMENT = re.compile(r"^[0-9]+-[0-9]+$")
KNOWN_SUFFIXES = {OPEN, SEALED, SUSPECT}


@dataclass
class RecoveryReport:
    """What recovery did. A damaged range is (segment, from, to), in bytes of the segment before the cut."""

    sealed: list[Path] = field(default_factory=list)
    quarantined: list[Path] = field(default_factory=list)
    damaged: list[tuple[Path, int, int]] = field(default_factory=list)
    strays: list[Path] = field(default_factory=list)
    """Files and directories that are no part of a journal; left alone."""
    problems: list[str] = field(default_factory=list)
    """One sentence for each thing that could not be put right; the file stays as it is."""

    @property
    def changed(self) -> bool:
        """Whether there was anything to put right."""
        return bool(self.sealed or self.quarantined)

    @property
    def damaged_bytes(self) -> int:
        return sum(end - start for _, start, end in self.damaged)


def recover(journal_dir: Path, *, clock: Clock) -> RecoveryReport:
    """Seal the `.open` files of dead runs. Raises JournalError when a recorder is alive or the lock is out of reach."""
    report = RecoveryReport()
    with JournalLock(journal_dir):
        _keep_spare(journal_dir, report)
        for path in _open_files(journal_dir, report):
            with _reporting(path, report):
                _recover_file(journal_dir, path, clock, report)
    return report


def _keep_spare(journal: Path, report: RecoveryReport) -> None:
    """A spare file is empty, unless a power cut undid the rename that made it a segment: then it is set aside."""
    spare = journal / SPARE_NAME
    with _reporting(spare, report):
        if spare.exists() and spare.stat().st_size:
            report.quarantined.append(keep_whole(journal, spare))


def _open_files(journal: Path, report: RecoveryReport) -> list[Path]:
    found: list[Path] = []
    for entry in _entries(journal, report):
        if entry.name in {LOCK_NAME, QUARANTINE, SPARE_NAME}:
            continue
        if not (DAY.match(entry.name) and entry.is_dir(follow_symlinks=False)):
            report.strays.append(Path(entry.path))
            continue
        for inner in _entries(Path(entry.path), report):
            path = Path(inner.path)
            if not inner.is_file(follow_symlinks=False) or not _is_ours(path):
                report.strays.append(path)
            elif path.suffix == OPEN:
                found.append(path)
    return sorted(found)


def _entries(directory: Path, report: RecoveryReport) -> list[os.DirEntry[str]]:
    with _reporting(directory, report):
        return list(os.scandir(directory))
    return []


def _is_ours(path: Path) -> bool:
    return path.suffix in KNOWN_SUFFIXES and SEGMENT.match(path.stem) is not None


@contextmanager
def _reporting(path: Path, report: RecoveryReport) -> Iterator[None]:
    try:
        yield
    except JournalError as error:
        report.problems.append(str(error))
    except OSError as error:
        report.problems.append(f"{path}: {error.strerror or error}; it is left as it is.")


def _recover_file(journal: Path, path: Path, clock: Clock, report: RecoveryReport) -> None:
    if path.with_suffix(SUSPECT).exists():
        report.quarantined.append(rewrite(journal, path))
    found = scan(path)
    if found.records == 0:
        report.quarantined.append(keep_whole(journal, path))
        return
    report.damaged += [(path, start, end) for start, end in found.damaged]
    with _reporting(path, report):  # with the disk full a segment is sealed with its damage in it: readers skip that
        _set_damage_aside(journal, path, found, clock, report)
    report.sealed.append(seal_as(path))


def _set_damage_aside(journal: Path, path: Path, found: SegmentScan, clock: Clock, report: RecoveryReport) -> None:
    for start, end in found.damaged:
        report.quarantined.append(keep_range(journal, path, start, end))
    cut_and_close(path, found, clock)
