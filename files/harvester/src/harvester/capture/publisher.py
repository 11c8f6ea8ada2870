"""Puts the recorder's state together for the status file."""

import os
from pathlib import Path
from typing import Any

import structlog

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND, Clock
from harvester.base.monitors import ClockMonitor
from harvester.brokers.fyers.access import Gate
from harvester.capture.polls.poller import Poller
from harvester.capture.recorder import Recorder
from harvester.capture.sink import Capture
from harvester.capture.status import describe_symbols, write_status
from harvester.capture.symbol_master import SymbolBook
from harvester.capture.token_keeper import TokenKeeper
from harvester.journal.format import RunInfo

log = structlog.get_logger()
EVERY_NS = NS_PER_SECOND - 50 * NS_PER_MS
MANY, MANY_EVERY_NS = 500, 5 * NS_PER_SECOND
"""With so many symbols the file is large, and is written less often."""


class StatusPublisher:
    """Called after every turn of the recorder's loop; writes the file about once a second."""

    def __init__(
        self,
        path: Path,
        *,
        run: RunInfo,
        clock: Clock,
        capture: Capture,
        poller: Poller,
        gate: Gate,
        keeper: TokenKeeper,
        watch: ClockMonitor,
        book: SymbolBook,
    ) -> None:
        self._path = path
        self._run = run
        self._clock = clock
        self._capture = capture
        self._poller = poller
        self._gate = gate
        self._keeper = keeper
        self._watch = watch
        self._book = book
        self._started_at_ns = clock.wall_ns()
        self._next_mono_ns = 0
        self._failing = False

    def __call__(self, recorder: Recorder) -> None:
        """Publish when a second has passed; a file that cannot be written is a log line, not an end."""
        mono_ns = self._clock.mono_ns()
        if mono_ns < self._next_mono_ns:
            return
        status = self.describe(recorder)
        self._next_mono_ns = mono_ns + (EVERY_NS if len(status["symbols"]) < MANY else MANY_EVERY_NS)
        try:
            write_status(self._path, status)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.error("status_not_written", path=str(self._path), detail=str(error))
            self._failing = True

    def describe(self, recorder: Recorder) -> dict[str, Any]:
        """The whole state as JSON data. Times are wall ns unless the key says otherwise."""
        wall_ns = self._clock.wall_ns()
        today = recorder.calendar.trading_date(wall_ns)
        token = self._gate.token
        return {
            "release": self._run.release,
            "config_hash": self._run.config_hash,
            "run_id": self._run.run_id,
            "pid": os.getpid(),
            "started_at_ns": self._started_at_ns,
            "written_at_ns": wall_ns,
            "window": {
                "open": recorder.window is not None,
                "open_ns": recorder.window[0] if recorder.window else None,
                "phases": recorder.calendar.phases_at(wall_ns),
                "next_change_ns": recorder.next_change_ns,
            },
            "symbols": describe_symbols(self._capture.symbols, recorder.streams),
            "feeds": {feed.name: feed.describe() for feed in recorder.streams},
            "polling": recorder.is_polling,
            "open_gaps": [
                *(gap._asdict() for gap in self._capture.open_gaps),
                *(gap._asdict() | {"feed": feed.name} for feed in recorder.streams for gap in feed.ledger.open_gaps),
            ],
            "token": {
                "state": self._gate.token_state(wall_ns),
                "version": token.version if token else None,
                "expires_at_ns": token.expires_at_ns if token else None,
                "problem": self._keeper.problem,
            },
            "journal": self._capture.describe(),
            "deviation_ms": self._poller.deviations.describe(),
            "disk": {"free_bytes": recorder.disk.free_bytes, "full": recorder.disk.is_full},
            "calendar": {
                "valid_until": recorder.calendar.valid_until.isoformat(),
                "days_left": recorder.calendar.days_left(today),
                "problem": recorder.calendars.problem,
            },
            "clock": {"offset_ns": self._watch.offset_ns, "off": self._watch.is_off, "steps": self._watch.steps},
            "unknown_symbols": self._book.unknown,
        }
