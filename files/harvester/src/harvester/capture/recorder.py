"""The recording service: one loop that keeps the schedule, the calendar, the token and the watchdog."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.monitors import ClockMonitor, DiskMonitor
from harvester.base.systemd import Notifier
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.clock_notes import ClockNotes
from harvester.capture.polls.due import EARLY_NS
from harvester.capture.polls.feed import PollSchedule
from harvester.capture.polls.poller import Poller
from harvester.capture.session_accounting import WindowBooks
from harvester.capture.sink import Capture
from harvester.capture.streams.feed import StreamFeed
from harvester.capture.streams.trading_state import SessionWatch
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.settings import Settings
from harvester.ledger.streams import Reason, Window

log = structlog.get_logger()
TICK_NS = NS_PER_SECOND
REOPEN_NS = 5 * NS_PER_SECOND
LATE_CALENDAR = Reason("not_started", "the calendar was changed after this window had opened")
STOPPED = Reason("stopped", "the recorder was told to stop")
BETWEEN = Reason("not_started", "between windows the sockets are closed")


class Recorder:
    """Records the configured symbols in the calendar's windows until told to stop. Slots and windows are wall ns."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        capture: Capture,
        poller: Poller,
        streams: Sequence[StreamFeed],
        keeper: TokenKeeper,
        watch: ClockMonitor,
        session: SessionWatch,
        notifier: Notifier,
        calendars: CalendarReloader,
        after_tick: Callable[["Recorder"], None],
    ) -> None:
        self.calendars = calendars
        self.disk = DiskMonitor(settings.data_dir, settings.disk_reserve_bytes)
        self.streams = streams
        self._settings = settings
        self._clock = clock
        self._capture = capture
        self._poller = poller
        self._keeper = keeper
        self._watch = watch
        self._session = session
        self._notifier = notifier
        self._after_tick = after_tick
        self._phases = settings.calendar.phases
        self._schedule = PollSchedule(settings, clock=clock, capture=capture, poller=poller, hold=self._hold)
        self._books = WindowBooks(settings, clock=clock, capture=capture, schedule=self._schedule, streams=streams)
        self._reopen_mono_ns = 0
        self._clock_notes = ClockNotes(watch, settings.clock_log)
        self._stopping = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask the service to end; for signal handlers."""
        self._stopping.set()

    @property
    def calendar(self) -> TradingCalendar:
        """The calendar in force."""
        return self.calendars.calendar

    @property
    def window(self) -> Window | None:
        """The window that is recorded now."""
        return self._books.window

    @property
    def is_polling(self) -> bool:
        """Whether polls are due now."""
        return self._schedule.next_ns is not None

    @property
    def next_change_ns(self) -> int | None:
        """When the recorded window opens or closes next, in wall ns."""
        return self.calendar.next_change(self._clock.wall_ns(), self._phases)

    def run_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something slow run beside the loop; what it raises is logged."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._collect)

    async def run(self) -> None:
        """Record until `stop`. Raises HarvesterError when the journal cannot be opened."""
        self._capture.open()
        try:
            self._capture.write({"type": "start", "pid": os.getpid()})
            self._books.account_for_absence(self.calendar)
            self._notifier.ready("started")
            log.info("recorder_started", symbols=len(self._settings.symbols), journal=str(self._capture.directory))
            while not self._stopping.is_set():
                self._tick()
                await self._sleep()
        finally:
            await self._finish()

    def _tick(self) -> None:
        """Everything that may be due now; polls first, for they must not wait for the rest."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        step_ns = self._watch.check(wall_ns, mono_ns)
        if step_ns:
            self._books.note_clock_step(step_ns, wall_ns)
        adopted = self._keeper.adopt_new()
        self._follow_calendar(wall_ns)
        self._schedule.poll_due(wall_ns, mono_ns)
        self._follow_streams(wall_ns, adopted=adopted)
        self._prove_token(wall_ns, adopted=adopted)
        self._look_after_disk(mono_ns)
        for note in self._clock_notes.take():
            self._capture.write(note)
        self._books.note_standing()
        if self._capture.take_unsynced():
            self.run_background(asyncio.to_thread(self._capture.sync))
        if not self._poller.is_stuck:
            self._notifier.alive(self._summary())
        self._after_tick(self)

    def _prove_token(self, wall_ns: int, *, adopted: bool) -> None:
        due = self.window is None and (adopted or self._keeper.is_proof_due(self.next_change_ns, wall_ns))
        if self._session.take_doubt() or due:
            self.run_background(self._keeper.prove())

    def _follow_streams(self, wall_ns: int, *, adopted: bool) -> None:
        """Sockets are up in a window and shortly before it, unless nothing may be recorded."""
        trading = self.window is not None and "continuous" in self.calendar.phases_at(wall_ns)
        self._session.follow(trading=trading)
        hold = self._hold()
        opens_ns = None if self.window else self.next_change_ns
        ahead_ns = self._settings.connect_before_seconds * NS_PER_SECOND
        near = self.window is not None or (opens_ns is not None and opens_ns - wall_ns <= ahead_ns)
        for feed in self.streams:
            feed.follow(wanted=near and hold is None, reason=hold or BETWEEN)
            if adopted:
                feed.change_token()
        if self.window and self._schedule.is_fallback:
            self._stand_in(wall_ns)

    def _stand_in(self, wall_ns: int) -> None:
        """Poll while a connection of the data socket is down for long."""
        down_ns = max((feed.down_for() for feed in self.streams if feed.name == "fyers-hsm"), default=0)
        if down_ns >= self._settings.poll.fallback_ns:
            self._schedule.stand_in(wall_ns)
        elif down_ns == 0:
            self._schedule.stand_down()

    def _hold(self) -> Reason | None:
        """Why nothing may be recorded although the market is open."""
        if self._capture.failure:
            return Reason("disk_full", self._capture.failure)
        if self.disk.is_full:
            reserve = self._settings.disk_reserve_bytes
            return Reason("disk_full", f"{self.disk.free_bytes} bytes free, reserve {reserve}")
        return None

    def _follow_calendar(self, wall_ns: int) -> None:
        reading = self.calendars.look()
        if reading:
            self.run_background(reading)
        reloaded = self.calendars.take()
        if reloaded:
            valid_until = self.calendar.valid_until.isoformat()
            self._capture.write({"type": "calendar_reload", "valid_until": valid_until})
        window = self.calendar.window_at(wall_ns + EARLY_NS, self._phases)
        if self.window and window != self.window:
            self._leave(self.window, wall_ns)
        if self.window is None:
            self._schedule.late = LATE_CALENDAR if reloaded else self._schedule.late
            self._books.account_for_missed(self.calendar, wall_ns)
            if window:
                self._books.open(window)

    def _leave(self, window: Window, wall_ns: int) -> None:
        """Close the window, once its last polls have ended; one that the calendar has changed is left where it is."""
        if wall_ns + EARLY_NS < window[1]:
            self._books.close(window, wall_ns)
            return
        self._schedule.poll_due(wall_ns, self._clock.mono_ns())
        if self._poller.is_idle:
            self._books.close(window, window[1])

    def _look_after_disk(self, mono_ns: int) -> None:
        if self.disk.check():
            event = "disk_full" if self.disk.is_full else "disk_has_room"
            log.critical(event, free_bytes=self.disk.free_bytes)
        if self._capture.failure and not self.disk.is_full and mono_ns >= self._reopen_mono_ns:
            self._reopen_mono_ns = mono_ns + REOPEN_NS
            self._capture.reopen()

    def _summary(self) -> str:
        if self.window is None:
            return "market closed, waiting"
        messages = sum(symbol.updates for symbol in self._capture.symbols.values())
        messages += sum(connection["frames"] for feed in self.streams for connection in feed.describe()["connections"])
        gaps = len(self._capture.open_gaps) + sum(len(feed.ledger.open_gaps) for feed in self.streams)
        return f"recording {len(self._settings.all_symbols)} symbols, {messages} messages, {gaps} gaps open"

    async def _sleep(self) -> None:
        """Until the next slot or tick, or until told to stop."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        next_ns = self._schedule.next_ns or self.next_change_ns or wall_ns + TICK_NS
        nap = asyncio.create_task(self._clock.sleep_until(mono_ns + max(0, min(TICK_NS, next_ns - wall_ns))))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({nap, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (nap, stop):
            task.cancel()

    async def _finish(self) -> None:
        self._notifier.stopping("stopping")
        await asyncio.gather(self._schedule.finish(), *(feed.stop(STOPPED) for feed in self.streams))
        self._capture.write({"type": "stop", "asked": self._stopping.is_set()})
        for task in self._background:
            task.cancel()
        self._capture.close()
        log.info("recorder_stopped")

    def _collect(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background_work_failed", exc_info=error)
