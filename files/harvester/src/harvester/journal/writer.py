"""The journal's writer: acknowledged means handed to the kernel, durable means synced, sealed means final.

After a failed write or sync the writer refuses everything: the kernel may have dropped what it could not write and
report success the next time, so nothing is retried. The file stays as it is and the next start recovers it.
"""

import contextlib
import threading
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from harvester.base.clock import NS_PER_SECOND, Clock, to_ist
from harvester.journal.format import (
    CONTROL,
    DATA,
    Frame,
    JournalError,
    RunInfo,
    encode,
    encode_control,
    segment_header,
)
from harvester.journal.lock import JournalLock
from harvester.journal.segment import Limits, SegmentFile

__all__ = ["Frame", "JournalError", "JournalWriter", "RunInfo"]

CLOSES_SEGMENT = "window_close"


class JournalWriter:
    """Appends the records of one run; one process per journal, any thread of it."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        run: RunInfo,
        sync_interval_ms: int = 100,
        segment_bytes: int = 64 << 20,
        segment_seconds: int = 300,
    ) -> None:
        """Lock the journal at `directory` and open a new segment in it. Raises JournalError.

        A segment is sealed when the next record would take it over `segment_bytes`, when it is `segment_seconds` old,
        when the India date changes, and after a window_close record: so a closed window is sealed on disk.
        """
        self.durable_seq = 0
        self.failure: JournalError | None = None
        self._directory = directory
        self._clock = clock
        self._run = run
        self._limits = Limits(segment_bytes, segment_seconds * NS_PER_SECOND)
        self._seq = 0
        self._segment: SegmentFile | None = None
        self._write_lock = threading.RLock()
        self._sync_lock = threading.RLock()  # taken after the write lock, when both are
        self._stopping = threading.Event()
        self._lock = JournalLock(directory)
        try:
            self._begin_segment(to_ist(clock.wall_ns()).date())
        except BaseException:
            if self._segment:
                self._segment.abandon()
            self._lock.release()
            raise
        self._thread = threading.Thread(
            target=self._sync_periodically, args=(sync_interval_ms / 1000,), name="journal-sync", daemon=True
        )
        self._thread.start()

    @property
    def seq(self) -> int:
        """Number of the last acknowledged record; the first of a run is 1."""
        return self._seq

    @property
    def segment(self) -> Path | None:
        """The file being written, or None after a seal until the next record."""
        segment = self._segment
        return segment.path if segment else None

    @property
    def segment_size(self) -> int:
        """Bytes in the file being written."""
        segment = self._segment
        return segment.size if segment else 0

    def append(self, feed: int, stream: int, payload: bytes, *, wall_ns: int, mono_ns: int) -> int:
        """Write one data record received at `wall_ns` / `mono_ns`; its number is returned once the kernel has it.

        Raises JournalError: with `failure` set when the journal cannot go on, without it for a payload over 1 MiB.
        """
        return self._append(DATA, feed, stream, (payload, wall_ns, mono_ns))

    def append_control(self, record: dict[str, Any]) -> int:
        """Write one control record, a JSON object with a "type"; its number is returned. Raises JournalError."""
        with self._write_lock:
            now = self._clock.wall_ns(), self._clock.mono_ns()
            seq = self._append(CONTROL, 0, 0, (encode_control(record), *now))
            if record["type"] == CLOSES_SEGMENT:
                self.seal()
        return seq

    def sync(self) -> None:
        """Return when every record acknowledged so far is durable. Raises JournalError."""
        with self._sync_lock:
            self._raise_failure()
            seq, segment = self._seq, self._segment
            if segment is None or seq == self.durable_seq:
                return
            try:
                segment.sync()
            except OSError as error:
                self._fail("synced", segment, error)
            self.durable_seq = seq

    def seal(self) -> None:
        """Seal the segment; the next record opens a new one. Raises JournalError."""
        with self._write_lock, self._sync_lock:
            self._raise_failure()
            segment = self._segment
            if segment is None:
                return
            first, last = segment.first_seq, self._seq
            record = {"type": "seal", "records": segment.records, "first_seq": first, "last_seq": last}
            self._write_control(segment, record, self._clock.wall_ns(), self._clock.mono_ns())
            try:
                segment.seal()
            except OSError as error:
                self._fail("sealed", segment, error)
            self._segment = None
            self.durable_seq = self._seq

    def close(self) -> None:
        """Seal, stop the sync thread and let go of the journal. Raises JournalError when sealing failed.

        After a failure nothing is sealed: recovery does that at the next start.
        """
        self._stopping.set()
        self._thread.join()
        try:
            if self.failure is None:
                self.seal()
        finally:
            if self._segment:
                self._segment.abandon()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _append(self, kind: int, feed: int, stream: int, frame: Frame) -> int:
        with self._write_lock:
            if self.failure:
                self._raise_failure()
            return self._write(self._segment_for(frame), kind, feed, stream, frame)

    def _segment_for(self, frame: Frame) -> SegmentFile:
        """The open segment when it takes the frame, else a new one."""
        segment = self._segment
        if segment:
            if segment.takes(frame):
                return segment
            self.seal()
        return self._begin_segment(to_ist(frame[1]).date())

    def _begin_segment(self, day: date) -> SegmentFile:
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        try:
            segment = SegmentFile(self._directory, day, self._limits, wall_ns=wall_ns, mono_ns=mono_ns)
        except OSError as error:
            self._fail("created", None, error)
        self._segment = segment
        header = segment_header(self._run, wall_ns, mono_ns)
        self._write_control(segment, header, wall_ns, mono_ns)
        return segment

    def _write_control(self, segment: SegmentFile, record: dict[str, Any], wall_ns: int, mono_ns: int) -> None:
        self._write(segment, CONTROL, 0, 0, (encode_control(record), wall_ns, mono_ns))

    def _write(self, segment: SegmentFile, kind: int, feed: int, stream: int, frame: Frame) -> int:
        """Have the kernel take one record, then count it as acknowledged."""
        payload, wall_ns, mono_ns = frame
        seq = self._seq + 1
        try:
            segment.write(encode((kind, feed, stream, seq, wall_ns, mono_ns, payload)), seq)
        except OSError as error:
            self._fail("written", segment, error)
        self._seq = seq
        return seq

    def _fail(self, verb: str, segment: SegmentFile | None, error: OSError) -> NoReturn:
        if segment and verb != "written":
            with contextlib.suppress(OSError):  # the disk that just failed may refuse the marker, too
                segment.mark_suspect()
        place = segment.path if segment else self._directory
        self.failure = JournalError(
            f"{place}: the journal cannot be {verb} ({error.strerror}). Recording stops; {self.durable_seq} records of"
            " this run are durable, and the file is kept. Free disk space or repair the disk, then start the recorder:"
            " it recovers the rest."
        )
        raise self.failure from error

    def _raise_failure(self) -> None:
        if self.failure:
            raise JournalError(str(self.failure)) from self.failure

    def _sync_periodically(self, interval_seconds: float) -> None:
        while not self._stopping.wait(interval_seconds):
            try:
                self.sync()
                self._seal_when_old()
            except JournalError:
                return  # kept in `failure`, which the next append raises

    def _seal_when_old(self) -> None:
        """A segment that gets no more records is sealed in time, too."""
        segment = self._segment
        if segment and segment.is_old(self._clock.mono_ns()):
            with self._write_lock:
                if self._segment is segment:
                    self.seal()
