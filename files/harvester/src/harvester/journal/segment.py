"""One segment file being written: created durably, appended to, synced, sealed."""

import os
from datetime import date
from pathlib import Path

from harvester.journal.files import make_directory, sync_directory, write_all
from harvester.journal.format import day_directory, segment_name

OPEN, SEALED, SUSPECT = ".open", ".seg", ".suspect"


class SegmentFile:
    """An `.open` file of this process. Every method may raise OSError; after one, the file must be abandoned."""

    def __init__(self, journal: Path, day: date, *, wall_ns: int, mono_ns: int) -> None:
        self.day = day
        self.opened_mono_ns = mono_ns
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

    def write(self, frame: bytes, seq: int) -> None:
        """Append one encoded record; on return the kernel has it."""
        write_all(self._descriptor, frame)
        self.size += len(frame)
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
