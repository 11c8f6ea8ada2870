"""What the recorder monitors beside the data: the clock, the disk, a file that may change."""

import os
from pathlib import Path

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND

STEP_NS = 50 * NS_PER_MS
OFFSET_LIMIT_NS = 10 * NS_PER_SECOND
"""Larger than any honest network delay; the header has whole seconds."""
HALF_SECOND_NS = NS_PER_SECOND // 2
STALE_NS = 10 * NS_PER_SECOND
"""A status file that is older is of a recorder that hangs or has ended: it publishes about once a second."""


class ClockMonitor:
    """Notices a clock that steps (wall against monotonic) and one that is off (wall against the broker's Date)."""

    def __init__(self) -> None:
        self.offset_ns: int | None = None
        """How far the wall clock is ahead of the broker's, to about half a second; None before the first answer."""
        self.steps = 0
        self._difference_ns: int | None = None
        self._suspicion = False

    def check(self, wall_ns: int, mono_ns: int) -> int:
        """The size of a step since the last call, in ns; 0 when there was none. Slewing is too slow to count."""
        difference = wall_ns - mono_ns
        before, self._difference_ns = self._difference_ns, difference
        delta = 0 if before is None else difference - before
        if abs(delta) <= STEP_NS:
            return 0
        self.steps += 1
        self.offset_ns = None
        return delta

    def compare(self, server_date_ns: int | None, wall_ns: int) -> None:
        """Take an answer's Date, which the broker cut to whole seconds, against the moment of its receipt."""
        if server_date_ns is None:
            return
        offset = wall_ns - (server_date_ns + HALF_SECOND_NS)
        # One late answer may look like an offset: a large one counts when the next answer repeats it.
        if abs(offset) > OFFSET_LIMIT_NS and not self._suspicion:
            self._suspicion = True
            return
        self._suspicion = abs(offset) > OFFSET_LIMIT_NS
        self.offset_ns = offset

    @property
    def is_off(self) -> bool:
        """Whether the wall clock is wrong by more than any network delay explains."""
        return self.offset_ns is not None and abs(self.offset_ns) > OFFSET_LIMIT_NS


class DiskMonitor:
    """Tells whether the disk has less than `reserve_bytes` free; once full, it must have 5 % more to count as free."""

    def __init__(self, directory: Path, reserve_bytes: int) -> None:
        self.free_bytes = 0
        self.is_full = False
        self._directory = directory
        self._reserve_bytes = reserve_bytes

    def check(self) -> bool:
        """Measure; True when `is_full` has changed. Raises OSError when the directory is gone."""
        stat = os.statvfs(self._directory)
        self.free_bytes = stat.f_bavail * stat.f_frsize
        before = self.is_full
        margin = self._reserve_bytes // 20 if before else 0
        self.is_full = self.free_bytes < self._reserve_bytes + margin
        return self.is_full != before


class FileMonitor:
    """Notices that a file was replaced or written, by its stat."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = self._identify()

    def has_changed(self) -> bool:
        """Whether the file is another than at the last call. A file that is gone has not changed."""
        identity = self._identify()
        if identity is None or identity == self._seen:
            return False
        self._seen = identity
        return True

    def _identify(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return (stat.st_ino, stat.st_ctime_ns, stat.st_size) if stat else None
