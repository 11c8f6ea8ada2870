"""The journal as the feeds see it: records go in as received; a journal that fails is reopened when it can be."""

from pathlib import Path

import structlog

from harvester.base.clock import Clock
from harvester.capture.backlog import Backlog
from harvester.config.settings import Settings
from harvester.journal.format import JournalError, RunInfo
from harvester.journal.quarantine import measure
from harvester.journal.recovery import recover
from harvester.journal.writer import JournalWriter
from harvester.ledger.gaps import ControlRecord
from harvester.ledger.lost import LostToday

log = structlog.get_logger()


class JournalSink:
    """Owns the journal of one recorder."""

    def __init__(self, settings: Settings, *, clock: Clock, run: RunInfo) -> None:
        self.directory = settings.journal_dir
        self.failure: str | None = None
        """Why the journal takes nothing now; None: it does."""
        self.writer: JournalWriter | None = None
        self.problems: list[str] = []
        """What the last recovery could not put right."""
        self.quarantined: tuple[int, int] | None = None
        """Files and bytes in quarantine when the journal was opened; only recovery adds to it. None: unknown."""
        self._settings = settings.journal
        self._clock = clock
        self._run = run
        self._backlog = Backlog()
        self._segment: Path | None = None
        self.lost = LostToday()
        """What the gaps among the records add up to."""

    def open(self) -> None:
        """Recover what a killed run left, then open a segment. Raises JournalError: a second recorder, a bad disk."""
        report = recover(self.directory, clock=self._clock)
        self.problems, self.quarantined = report.problems, measure(self.directory)
        for problem in report.problems:
            log.error("journal_problem", detail=problem)
        if report.changed:
            log.warning("journal_recovered", sealed=len(report.sealed), damaged_bytes=report.damaged_bytes)
        self.writer = JournalWriter(
            self.directory,
            clock=self._clock,
            run=self._run,
            sync_interval_ms=self._settings.sync_interval_ms,
            segment_bytes=self._settings.segment_bytes,
            segment_seconds=self._settings.segment_seconds,
        )

    def write(self, record: ControlRecord) -> None:
        """Append a control record; while the journal is broken it is kept for later."""
        self.write_all([record])

    def write_all(self, records: list[ControlRecord]) -> None:
        """Append control records with one write; a gap among them is made durable at once."""
        for record in records:
            self.lost.take(record)
        self._append_all(records)

    def _append_all(self, records: list[ControlRecord]) -> None:
        if not records:
            return
        writer = self.writer
        if writer is None or self.failure:
            self._backlog.keep(records)
            return
        try:
            writer.append_control(*records)
        except JournalError as error:
            if writer.failure is None:
                log.error("control_record_refused", detail=str(error))
                return
            self._fail(error)
            self._backlog.keep(records)
        if any(record["type"] == "gap_open" for record in records):
            writer.sync_soon()

    def append(self, feed: int, stream: int, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        """Append a message as received at these clock readings; False when the journal did not take it."""
        if self.writer is None or self.failure:
            return False
        try:
            self.writer.append(feed, stream, message, wall_ns=wall_ns, mono_ns=mono_ns)
        except JournalError as error:
            self._fail(error)
            return False
        return True

    def end_segment(self) -> None:
        """What was written so far can be closed: it is sealed soon, and the next record opens another segment."""
        if self.writer is None or self.failure:
            return
        try:
            self.writer.end_segment()
        except JournalError as error:
            self._fail(error)

    def has_new_segment(self) -> bool:
        """Whether another segment is being written than at the last call."""
        segment = self.writer.segment if self.writer else None
        if segment is None or segment == self._segment:
            return False
        self._segment = segment
        return True

    def reopen(self) -> None:
        """After a failure, try to continue as a new run of the journal."""
        self.close()
        run = self._run
        self._run = RunInfo(run.host_id, run.release, run.config_hash, run.streams, run.candles)
        try:
            self.open()
        except JournalError as error:
            log.error("journal_still_failing", detail=str(error))
            return
        self.failure = None
        log.warning("journal_reopened", run_id=self._run.run_id)
        self._append_all(self._backlog.take())

    def close(self) -> None:
        """Seal the segment and release the journal's lock."""
        writer, self.writer = self.writer, None
        if writer:
            try:
                writer.close()
            except JournalError as error:
                log.error("journal_not_sealed", detail=str(error))

    def _fail(self, error: JournalError) -> None:
        if self.failure is None:
            self.failure = str(error)
            log.critical("journal_failed", detail=str(error))
