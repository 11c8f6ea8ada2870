"""The journal's writer: acknowledged means handed to the kernel, durable means synced, sealed means final.

Appending waits for no disk: a thread of the writer's own syncs, seals what has ended, and makes the file that the next
segment needs. It does so in the order of the records, so that what is durable has no hole.

After a failed write or sync the writer refuses everything: the kernel may have dropped what it could not write and
report success the next time, so nothing is retried. The file stays as it is and the next start recovers it.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import to_local
from harvester.journal.format import (
    CONTROL,
    DATA,
    HEADER,
    JournalError,
    RunInfo,
    day_directory,
    encode,
    encode_control,
    segment_header,
)
from harvester.journal.lock import JournalLock
from harvester.journal.segment import Limits, SegmentFile, Spare

__all__ = ["JournalError", "JournalWriter", "RunInfo"]

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

        A segment ends when the next records would take it over `segment_bytes`, when it is `segment_seconds` old, when
        the market date changes, after a window_close record, and by `end_segment`. It is sealed on disk soon after.
        """
        self.durable_seq = 0
        self.failure: JournalError | None = None
        self._directory = directory
        self._clock = clock
        self._run = run
        self._limits = Limits(segment_bytes, segment_seconds * NS_PER_SECOND)
        self._seq = 0
        self._segment: SegmentFile | None = None
        self._ended: deque[SegmentFile] = deque()
        """Segments whose last record is written, and which are not sealed on disk yet."""
        self._spare: Spare | None = None
        self._write_lock = threading.Lock()  # taken after the sync lock, when both are; never held during a sync
        self._sync_lock = threading.Lock()
        self._is_stopping = False
        self._has_work = threading.Event()
        self._lock = JournalLock(directory)
        try:
            self._begin_segment(clock.wall_ns())
        except BaseException:
            self._release()
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
        with self._write_lock:
            segment = self._segment_for(HEADER.size + len(payload), wall_ns, mono_ns)
            seq = self._seq + 1
            self._write(segment, encode((DATA, feed, stream, seq, wall_ns, mono_ns, payload)), 1)
            return seq

    def append_control(self, *records: dict[str, Any]) -> int:
        """Write control records, JSON objects with a "type", in one step; the last one's number is returned.

        Raises JournalError. After a failure some of them may be in the file, which the next start recovers.
        """
        payloads = list(map(encode_control, records))
        with self._write_lock:
            wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
            size = sum(HEADER.size + len(payload) for payload in payloads)
            segment = self._segment_for(size, wall_ns, mono_ns)
            self._write_controls(segment, payloads, wall_ns, mono_ns)
            seq = self._seq
            if any(record["type"] == CLOSES_SEGMENT for record in records):
                self._end_segment(segment)
            return seq

    def sync_soon(self) -> None:
        """Have the writer's thread make everything durable now, and not when its time comes; returns at once."""
        self._has_work.set()

    def sync(self) -> None:
        """Return when every record acknowledged so far is durable. Raises JournalError."""
        with self._sync_lock:
            with self._write_lock:
                self._raise_failure()
                seq, segment, ended = self._seq, self._segment, len(self._ended)
            for _ in range(ended):
                self._seal_ended(self._ended[0])
                self._ended.popleft()
            if segment and seq != self.durable_seq:
                try:
                    segment.sync()
                except OSError as error:
                    self._fail("synced", segment, error)
            self.durable_seq = seq

    def end_segment(self) -> None:
        """Have the next record open a new segment; the thread seals this one soon. Raises JournalError."""
        with self._write_lock:
            self._raise_failure()
            if self._segment:
                self._end_segment(self._segment)

    def seal(self) -> None:
        """Seal the segment; the next record opens a new one. Raises JournalError."""
        self.end_segment()
        self.sync()

    def close(self) -> None:
        """Seal, stop the sync thread and let go of the journal. Raises JournalError when sealing failed.

        After a failure nothing is sealed: recovery does that at the next start.
        """
        self._stop_thread()
        try:
            if self.failure is None:
                self.seal()
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _segment_for(self, size: int, wall_ns: int, mono_ns: int) -> SegmentFile:
        """The open segment when it takes records of so many bytes, else a new one."""
        if self.failure:
            self._raise_failure()
        segment = self._segment
        if segment:
            if segment.takes(size, wall_ns, mono_ns):
                return segment
            self._end_segment(segment)
        return self._begin_segment(wall_ns)

    def _begin_segment(self, first_wall_ns: int) -> SegmentFile:
        """A new segment for the market date of its first record."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        day = to_local(first_wall_ns).date()
        spare = self._spare if day_directory(self._directory, day).is_dir() else None
        try:
            segment = SegmentFile(self._directory, day, self._limits, wall_ns=wall_ns, mono_ns=mono_ns, spare=spare)
        except OSError as error:
            self._fail("created", None, error)
        if spare:
            self._spare = None
        self._segment = segment
        header = encode_control(segment_header(self._run, wall_ns, mono_ns))
        self._write_controls(segment, [header], wall_ns, mono_ns)
        return segment

    def _end_segment(self, segment: SegmentFile) -> None:
        """Write the segment's last record; the thread does the rest."""
        first, last = segment.first_seq, self._seq
        record = {"type": "seal", "records": segment.records, "first_seq": first, "last_seq": last}
        self._write_controls(segment, [encode_control(record)], self._clock.wall_ns(), self._clock.mono_ns())
        self._ended.append(segment)
        self._segment = None
        self._has_work.set()

    def _seal_ended(self, segment: SegmentFile) -> None:
        try:
            segment.seal()
        except OSError as error:
            self._fail("sealed", segment, error)

    def _write_controls(self, segment: SegmentFile, payloads: Sequence[bytes], wall_ns: int, mono_ns: int) -> None:
        encoded = [
            encode((CONTROL, 0, 0, seq, wall_ns, mono_ns, payload))
            for seq, payload in enumerate(payloads, start=self._seq + 1)
        ]
        self._write(segment, b"".join(encoded), len(encoded))

    def _write(self, segment: SegmentFile, encoded: bytes, records: int) -> None:
        """Have the kernel take the records, then count them as acknowledged."""
        try:
            segment.write(encoded, self._seq + 1, records)
        except OSError as error:
            self._fail("written", segment, error)
        self._seq += records

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
        while True:
            self._has_work.wait(interval_seconds)
            self._has_work.clear()
            if self._is_stopping:
                return
            try:
                self._end_when_old()
                self.sync()
            except JournalError:
                return  # kept in `failure`, which the next append raises
            self._prepare()

    def _end_when_old(self) -> None:
        """A segment that gets no more records is sealed in time, too."""
        with self._write_lock:
            if self._segment and self._segment.is_old(self._clock.mono_ns()):
                self._end_segment(self._segment)

    def _prepare(self) -> None:
        """Make the next segment's file ahead; one that cannot be made now is made, or fails, when it is needed."""
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = Spare(self._directory)

    def _stop_thread(self) -> None:
        self._is_stopping = True
        self._has_work.set()
        self._thread.join()

    def _release(self) -> None:
        """Close what is open, and let go of the journal."""
        for segment in (*self._ended, *([self._segment] if self._segment else [])):
            segment.abandon()
        if self._spare:
            with contextlib.suppress(OSError):
                self._spare.remove()
        self._lock.release()
