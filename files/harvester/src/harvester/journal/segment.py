"""One segment file being written: created durably, appended to, synced, sealed."""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from harvester.base.clock import midnight_ns
from harvester.base.files import make_directory, sync_directory, write_all
from harvester.journal.format import HEADER, Frame, day_directory, segment_name

OPEN, SEALED, SUSPECT = ".open", ".seg", ".suspect"


class Limits(NamedTuple):
    """When a segment is full: the bytes it may hold, and the nanoseconds it may be open."""

    max_bytes: int
    max_age_ns: int


class SegmentFile:
    """An `.open` file of this process. Every method may raise OSError; after one, the file must be abandoned."""

    def __init__(self, journal: Path, day: date, limits: Limits, *, wall_ns: int, mono_ns: int) -> None:
        self._max_bytes, self._max_age_ns = limits
        self._opened_mono_ns = mono_ns
        self._day_begins_ns = midnight_ns(day)
        self._day_ends_ns = midnight_ns(day + timedelta(days=1))
        self.size = 0
        self.records = 0
        self.first_seq = 0
        directory = day_directory(journal, day)
        make_directory(directory)
        self.path, self._descriptor = _create(directory, wall_ns)
        try:
            os.fsync(self._descriptor)
            sync_directory(directory)
        except BaseException:
            self.abandon()
            raise

    def takes(self, frame: Frame) -> bool:
        """Whether the frame belongs here: of this day, before the segment is old, and not over its bytes."""
        payload, wall_ns, mono_ns = frame
        return (
            (self.size + HEADER.size + len(payload) <= self._max_bytes or self.records <= 1)
            and self._day_begins_ns <= wall_ns < self._day_ends_ns
            and mono_ns - self._opened_mono_ns < self._max_age_ns
        )

    def is_old(self, mono_ns: int) -> bool:
        """Whether it has been open for as long as it may be."""
        return mono_ns - self._opened_mono_ns >= self._max_age_ns

    def write(self, encoded: bytes, seq: int) -> None:
        """Append the encoded record of that number; on return the kernel has it."""
        write_all(self._descriptor, encoded)
        self.size += len(encoded)
        self.records += 1
        self.first_seq = self.first_seq or seq

    def sync(self) -> None:
        """Return when what was written survives a power cut."""
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
    """A name not used before in either state, even after the clock stepped back."""
    while True:
        path = directory / (segment_name(wall_ns, os.getpid()) + OPEN)
        if not path.with_suffix(SEALED).exists():
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                return path, os.open(path, flags, 0o640)
            except FileExistsError:
                pass
        wall_ns += 1
