"""From an arrival to the journal: data as received, gaps where there is none, counters for status."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from harvester.base.clock import Clock
from harvester.brokers.fyers.poll_result import Arrival
from harvester.capture.status import SymbolStatus
from harvester.config.settings import Settings
from harvester.journal.format import JournalError, Poll, RunInfo, encode_poll
from harvester.journal.recovery import recover
from harvester.journal.writer import JournalWriter
from harvester.ledger.polls import Cause, ControlRecord, Gap, GapTracker, close_record

log = structlog.get_logger()
PENDING_LIMIT = 100_000


class Capture:
    """Owns the journal and the gaps of one recorder. A journal that fails is reopened when the disk allows."""

    def __init__(self, settings: Settings, *, clock: Clock, run: RunInfo, feed: int) -> None:
        polled = settings.symbols if "fyers-rest" in settings.feeds else ()
        self.symbols = {symbol: SymbolStatus() for symbol in polled}
        self.failure: str | None = None
        self._settings = settings
        self._clock = clock
        self._run = run
        self._feed = feed
        self._streams = {symbol: number for number, symbol in run.streams.items()}
        self._gaps = GapTracker(run.run_id, settings.poll.interval_ns)
        self._pending: list[ControlRecord] = []
        self._unsynced = False
        self._segment: Path | None = None
        self._writer: JournalWriter | None = None

    @property
    def directory(self) -> Path:
        return self._settings.journal_dir

    @property
    def open_gaps(self) -> list[Gap]:
        return self._gaps.open_gaps

    def open(self) -> None:
        """Recover what a dead run left, then open a new segment. Raises JournalError: a second recorder, a bad disk."""
        report = recover(self.directory, clock=self._clock)
        for problem in report.problems:
            log.error("journal_problem", detail=problem)
        if report.changed:
            log.warning("journal_recovered", sealed=len(report.sealed), damaged_bytes=report.damaged_bytes)
        journal = self._settings.journal
        self._writer = JournalWriter(
            self.directory,
            clock=self._clock,
            run=self._run,
            sync_interval_ms=journal.sync_interval_ms,
            segment_bytes=journal.segment_bytes,
            segment_seconds=journal.segment_seconds,
        )

    def accept(self, arrival: Arrival) -> None:
        """Journal what arrived, then say whether the slot has its data."""
        symbol = self.symbols[arrival.symbol]
        symbol.slots += 1
        self._account(symbol, arrival.scheduled_ns)
        symbol.last_http = arrival.status or symbol.last_http
        cause, detail = arrival.cause, arrival.detail
        if arrival.status and not self._append(arrival):
            cause, detail = "disk_full", self.failure or "the journal refused the record"
        if cause is None:
            symbol.updates += 1
            symbol.last_recv_ns = arrival.wall_ns
            symbol.last_error = ""
            self.write_all(self._gaps.report_good(arrival.symbol, arrival.scheduled_ns))
        else:
            self._report_bad(arrival.symbol, (arrival.scheduled_ns, arrival.scheduled_ns), cause, detail)

    def miss(self, symbol: str, slots: Sequence[int], cause: Cause, detail: str) -> None:
        """These slots, in order, were not polled."""
        self.symbols[symbol].slots += len(slots)
        self._account(self.symbols[symbol], slots[-1])
        self._report_bad(symbol, (slots[0], slots[-1]), cause, detail)

    def adopt_gap(self, gap: Gap, last_ns: int) -> None:
        """Go on with a gap of an earlier run, which holds the slots up to `last_ns`."""
        self._gaps.adopt(gap, last_ns)
        self._account(self.symbols[gap.symbol], last_ns)

    def settle_gap(self, gap: Gap, to_ns: int) -> None:
        """End a gap that an earlier run left open: slots before `to_ns` lie in it."""
        self.write(close_record(gap, to_ns))
        if gap.symbol in self.symbols:
            symbol = self.symbols[gap.symbol]
            symbol.accounted_ns = max(symbol.accounted_ns, to_ns)

    def close_gaps(self, limit_ns: int | None = None) -> None:
        """End all gaps: the window closes at `limit_ns`, or the clock stepped."""
        self.write_all(self._gaps.close_all(limit_ns))

    def write(self, record: ControlRecord) -> None:
        """Append a control record; while the journal is broken it is kept for later."""
        if self._writer is None or self.failure:
            self._keep(record)
            return
        try:
            self._writer.append_control(record)
        except JournalError as error:
            self._fail(error)
            self._keep(record)

    def write_all(self, records: list[ControlRecord]) -> None:
        """Append control records of a ledger; a gap among them is made durable at once."""
        for record in records:
            self.write(record)
            self._unsynced |= record["type"] == "gap_open"

    def append(self, feed: int, stream: int, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        """Append a message of a socket as received; False when the journal did not take it."""
        if self._writer is None or self.failure:
            return False
        try:
            self._writer.append(feed, stream, message, wall_ns=wall_ns, mono_ns=mono_ns)
        except JournalError as error:
            self._fail(error)
            return False
        return True

    def take_unsynced(self) -> bool:
        """Whether a gap was opened since the last call, which must be made durable at once."""
        unsynced, self._unsynced = self._unsynced, False
        return unsynced

    def sync(self) -> None:
        """Make everything durable; safe in another thread. A failure shows at the next append."""
        writer = self._writer
        if writer and not self.failure:
            try:
                writer.sync()
            except JournalError as error:
                log.error("journal_failed", detail=str(error))

    def reopen(self) -> bool:
        """Try to go on after a failure, as a new run of the journal. True when it works again."""
        self.close()
        self._run = RunInfo(
            host_id=self._run.host_id,
            release=self._run.release,
            config_hash=self._run.config_hash,
            streams=self._run.streams,
        )
        try:
            self.open()
        except JournalError as error:
            log.error("journal_still_failing", detail=str(error))
            return False
        self.failure = None
        log.warning("journal_reopened", run_id=self._run.run_id)
        pending, self._pending = self._pending, []
        self.write_all(pending)
        return self.failure is None

    def close(self) -> None:
        """Seal the segment and let go of the journal."""
        writer, self._writer = self._writer, None
        if writer:
            try:
                writer.close()
            except JournalError as error:
                log.error("journal_not_sealed", detail=str(error))

    def describe(self) -> dict[str, Any]:
        """The journal's part of the status file."""
        writer = self._writer
        if writer is None:
            return {"seq": 0, "durable_seq": 0, "segment": None, "bytes": 0, "failure": self.failure}
        segment = writer.segment
        return {
            "seq": writer.seq,
            "durable_seq": writer.durable_seq,
            "segment": segment.name if segment else None,
            "bytes": writer.segment_size,
            "failure": self.failure,
        }

    def _append(self, arrival: Arrival) -> bool:
        payload = encode_poll(Poll(arrival.scheduled_ns, arrival.sent_ns, arrival.status, arrival.body))
        stream = self._streams[arrival.symbol]
        return self.append(self._feed, stream, payload, arrival.wall_ns, arrival.mono_ns)

    def _account(self, symbol: SymbolStatus, slot_ns: int) -> None:
        symbol.accounted_ns = max(symbol.accounted_ns, slot_ns + self._settings.poll.interval_ns)

    def has_new_segment(self) -> bool:
        """Whether another segment is being written than at the last call."""
        segment = self._writer.segment if self._writer else None
        if segment is None or segment == self._segment:
            return False
        self._segment = segment
        return True

    def _report_bad(self, symbol: str, slots: tuple[int, int], cause: Cause, detail: str) -> None:
        status = self.symbols[symbol]
        status.last_error = f"{cause}: {detail}"
        records = self._gaps.report_bad(symbol, slots, cause, detail)
        self.write_all(records)
        if records:
            log.warning("gap_opened", symbol=symbol, cause=cause, detail=detail)

    def _keep(self, record: ControlRecord) -> None:
        if len(self._pending) < PENDING_LIMIT:
            self._pending.append(record)

    def _fail(self, error: JournalError) -> None:
        if self.failure is None:
            self.failure = str(error)
            log.critical("journal_failed", detail=str(error))
