"""One segment file being written: created durably, or taken from a spare file, appended to, synced, sealed."""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from harvester.base.files import make_directory, sync_directory, write_all
from harvester.base.market import midnight_ns
from harvester.journal.format import day_directory, segment_name

OPEN, SEALED, SUSPECT = ".open", ".seg", ".suspect"
SPARE_NAME = ".next"
APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Limits(NamedTuple):
    """When a segment is full: the bytes it may hold, and the nanoseconds it may be open."""

    max_bytes: int
    max_age_ns: int


class Spare:
    """An empty file under a name that no reader looks at, of which a segment is made without a sync."""

    def __init__(self, journal: Path) -> None:
        """Make `<journal>/.next`, or take over the one that a killed run left. Raises OSError."""
        self.path = journal / SPARE_NAME
        self.descriptor = os.open(self.path, APPENDING | os.O_NOFOLLOW, 0o640)
        try:
            os.fsync(self.descriptor)
        except BaseException:
            os.close(self.descriptor)
            raise

    def remove(self) -> None:
        """Close and delete it, for it was not used. Raises OSError."""
        os.close(self.descriptor)
        self.path.unlink()


class SegmentFile:
    """An `.open` file of this process. Every method may raise OSError; after one, the file must be abandoned."""

    def __init__(
        self, journal: Path, day: date, limits: Limits, *, wall_ns: int, mono_ns: int, spare: Spare | None = None
    ) -> None:
        """Create it durably, or rename `spare` to it: then its name is durable from the first `sync` on.

        With `spare` the directory of the day must be there.
        """
        self._max_bytes, self._max_age_ns = limits
        self._opened_mono_ns = mono_ns
        self._day_begins_ns = midnight_ns(day)
        self._day_ends_ns = midnight_ns(day + timedelta(days=1))
        self._unsynced: list[Path] = []
        """Directories in which the file's name is not durable yet."""
        self.size = 0
        self.records = 0
        self.first_seq = 0
        directory = day_directory(journal, day)
        if spare:
            self.path, self._descriptor = _free_name(directory, wall_ns), spare.descriptor
            spare.path.rename(self.path)
            self._unsynced = [directory, journal]
            return
        make_directory(directory)
        self.path, self._descriptor = _create(directory, wall_ns)
        try:
            os.fsync(self._descriptor)
            sync_directory(directory)
        except BaseException:
            self.abandon()
            raise

    def takes(self, size: int, wall_ns: int, mono_ns: int) -> bool:
        """Whether encoded records of so many bytes belong here: of this day, not old, and not over its bytes."""
        return (
            (self.size + size <= self._max_bytes or self.records <= 1)
            and self._day_begins_ns <= wall_ns < self._day_ends_ns
            and mono_ns - self._opened_mono_ns < self._max_age_ns
        )

    def is_old(self, mono_ns: int) -> bool:
        """Whether it has been open for as long as it may be."""
        return mono_ns - self._opened_mono_ns >= self._max_age_ns

    def write(self, encoded: bytes, seq: int, records: int = 1) -> None:
        """Append so many encoded records, the first of that number; on return the kernel has them."""
        write_all(self._descriptor, encoded)
        self.size += len(encoded)
        self.records += records
        self.first_seq = self.first_seq or seq

    def sync(self) -> None:
        """Return when what was written survives a power cut."""
        for directory in self._unsynced:  # first: records must not be in a file that no reader looks at
            sync_directory(directory)
        self._unsynced = []
        os.fdatasync(self._descriptor)

    def seal(self) -> Path:
        """Sync, close and rename to `.seg`; the new path is returned."""
        os.fsync(self._descriptor)
        self.abandon()
        sealed = self.path.with_suffix(SEALED)
        self.path.rename(sealed)
        sync_directory(sealed.parent)
        return sealed

    def abandon(self) -> None:
        """Close the descriptor and leave the file as it is, for recovery; a second call does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def mark_suspect(self) -> None:
        """Leave a marker beside the file: a sync failed, so the kernel's copy of it may differ from the disk's."""
        self.path.with_suffix(SUSPECT).touch(mode=0o640)


def _create(directory: Path, wall_ns: int) -> tuple[Path, int]:
    """A new file with its descriptor."""
    path = _free_name(directory, wall_ns)
    return path, os.open(path, APPENDING | os.O_EXCL, 0o640)


def _free_name(directory: Path, wall_ns: int) -> Path:
    """A name not used before in either state, even after the clock stepped back; the journal's lock keeps it free."""
    while True:
        path = directory / (segment_name(wall_ns, os.getpid()) + OPEN)
        if not path.exists() and not path.with_suffix(SEALED).exists():
            return path
        wall_ns += 1
