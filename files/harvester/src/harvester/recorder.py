"""The recording service: one loop that keeps the schedule, the calendar, the token and the watchdog."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from harvester.absence import Absence
from harvester.calendar import TradingCalendar
from harvester.capture import Capture
from harvester.clock import NS_PER_MS, NS_PER_SECOND, Clock
from harvester.errors import HarvesterError
from harvester.gaps import Cause
from harvester.notify import Notifier
from harvester.poller import Poller
from harvester.settings import Settings
from harvester.slots import EARLY_NS, SlotCursor
from harvester.tokenkeeper import TokenKeeper
from harvester.watches import ClockWatch, DiskWatch, FileWatch

log = structlog.get_logger()
TICK_NS = NS_PER_SECOND
REOPEN_NS = 5 * NS_PER_SECOND
Window = tuple[int, int]
Reason = tuple[Cause, str]
STALL: Reason = ("stall", "the recorder did not run on time")
STEP: Reason = ("clock_step", "the clock was set forward")
LATE_CALENDAR: Reason = ("not_started", "the calendar was changed after this window had opened")


class Recorder:
    """Records the configured symbols in the calendar's windows until told to stop. Slots and windows are wall ns."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        capture: Capture,
        poller: Poller,
        keeper: TokenKeeper,
        watch: ClockWatch,
        notifier: Notifier,
        after_tick: Callable[["Recorder"], None],
    ) -> None:
        self.calendar = TradingCalendar.load(settings.calendar.file)
        self.calendar_problem = ""
        self.disk = DiskWatch(settings.data_dir, settings.disk_reserve_bytes)
        self.window: Window | None = None
        self._settings = settings
        self._clock = clock
        self._capture = capture
        self._poller = poller
        self._keeper = keeper
        self._watch = watch
        self._notifier = notifier
        self._after_tick = after_tick
        self._phases = settings.calendar.phases
        self._calendar_file = FileWatch(settings.calendar.file)
        self._cursor: SlotCursor | None = None
        self._late: Reason = STALL
        self._accounted_ns = 0
        self._reopen_mono_ns = 0
        self._clock_was_off = False
        self._stopping = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask the service to end; for signal handlers."""
        self._stopping.set()

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
            self._account_for_absence()
            self._notifier.ready("started")
            log.info("recorder_started", symbols=len(self._settings.symbols), journal=str(self._capture.directory))
            while not self._stopping.is_set():
                self._tick()
                await self._sleep()
        finally:
            await self._finish()

    def _account_for_absence(self) -> None:
        """Slots of today that nobody recorded: in windows that have closed, and up to now in the open one."""
        absence = Absence(self._capture, self._settings.poll.interval_ns)
        today = self.calendar.trading_date(self._clock.wall_ns())
        absence.read(today)
        wall_ns = self._clock.wall_ns()
        for window in self.calendar.windows(today, self._phases):
            if window[1] <= wall_ns:
                absence.account(window, window[1])
                self._capture.close_gaps(window[1])
            elif window[0] <= wall_ns:
                cursor = self._enter_window(window, after_ns=wall_ns)
                absence.account(window, cursor.next_ns or window[1])

    def _tick(self) -> None:
        """Everything that may be due now; polls first, for they must not wait for the rest."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        step_ns = self._watch.check(wall_ns, mono_ns)
        if step_ns:
            self._note_clock_step(step_ns, wall_ns)
        adopted = self._keeper.adopt_new()
        self._follow_calendar(wall_ns)
        self._poll_due(wall_ns, mono_ns, STEP if step_ns > 0 else self._late)
        if self.window is None and (adopted or self._keeper.is_proof_due(self.next_change_ns, wall_ns)):
            self.run_background(self._keeper.prove())
        self._look_after_disk(mono_ns)
        self._note_clock_offset()
        if self._capture.take_unsynced():
            self.run_background(asyncio.to_thread(self._capture.sync))
        if not self._poller.is_stuck:
            self._notifier.alive(self._summary())
        self._after_tick(self)

    def _poll_due(self, wall_ns: int, mono_ns: int, late: Reason) -> None:
        """Poll the slot that is due now; one that went by has its cause."""
        if self._cursor is None:
            return
        due = self._cursor.take(wall_ns)
        if due.missed:
            self._miss(due.missed, late)
        if due.slot_ns is not None:
            hold = self._hold()
            if hold:
                self._miss([due.slot_ns], hold)
            else:
                self._poller.start(due.slot_ns, mono_ns + due.slot_ns - wall_ns)
        if due.missed or due.slot_ns is not None:
            self._late = STALL
            self._accounted_ns = (due.slot_ns or due.missed[-1]) + 1

    def _miss(self, slots: Sequence[int], reason: Reason) -> None:
        for symbol in self._settings.symbols:
            self._capture.miss(symbol, slots, *reason)

    def _hold(self) -> Reason | None:
        """Why nothing may be recorded although the market is open."""
        if self._capture.failure:
            return "disk_full", self._capture.failure
        if self.disk.is_full:
            return "disk_full", f"{self.disk.free_bytes} bytes free, reserve {self._settings.disk_reserve_bytes}"
        return None

    def _follow_calendar(self, wall_ns: int) -> None:
        reloaded = self._calendar_file.has_changed() and self._reload_calendar()
        window = self.calendar.window_at(wall_ns + EARLY_NS, self._phases)
        if self.window and window != self.window:
            self._leave_window(wall_ns)
        if window and self.window is None:
            self._enter_window(window, after_ns=max(window[0], self._accounted_ns))
            self._late = LATE_CALENDAR if reloaded else STALL

    def _enter_window(self, window: Window, *, after_ns: int) -> SlotCursor:
        self.window = window
        phases = list(self._phases)
        schedule = {"open_ns": window[0], "close_ns": window[1], "interval_ns": self._settings.poll.interval_ns}
        self._capture.write({"type": "window_open", **schedule, "phases": phases})
        log.info("window_opened", phases=",".join(phases))
        self._cursor = SlotCursor(window, self._settings.poll.interval_ns, after_ns=after_ns)
        return self._cursor

    def _leave_window(self, wall_ns: int) -> None:
        """Close the window, once its last polls have ended."""
        if self.window is None:
            return
        if wall_ns + EARLY_NS >= self.window[1]:
            self._poll_due(wall_ns, self._clock.mono_ns(), self._late)
            if not self._poller.is_idle:
                return
        self._capture.close_gaps(self.window[1])
        self._capture.write({"type": "window_close", "open_ns": self.window[0], "close_ns": self.window[1]})
        log.info("window_closed")
        self.window = self._cursor = None

    def _reload_calendar(self) -> bool:
        try:
            self.calendar = TradingCalendar.load(self._settings.calendar.file)
        except HarvesterError as error:
            self.calendar_problem = str(error)
            log.error("calendar_refused", detail=self.calendar_problem)
            return False
        self.calendar_problem = ""
        valid_until = self.calendar.valid_until.isoformat()
        self._capture.write({"type": "calendar_reload", "valid_until": valid_until})
        log.info("calendar_reloaded", valid_until=valid_until)
        return True

    def _note_clock_step(self, step_ns: int, wall_ns: int) -> None:
        """End what was counted by the old clock; after a step back, slots come again."""
        self._capture.close_gaps(self.window[1] if self.window else None)
        self._capture.write({"type": "clock_step", "delta_ns": step_ns})
        log.warning("clock_stepped", delta_ms=step_ns // NS_PER_MS)
        if step_ns < 0:
            self._accounted_ns = min(self._accounted_ns, wall_ns)
            if self._cursor:
                self._cursor.rewind(wall_ns)

    def _note_clock_offset(self) -> None:
        """A clock that is off by more than the network explains makes every time in the journal doubtful."""
        if self._watch.is_off == self._clock_was_off:
            return
        self._clock_was_off = self._watch.is_off
        self._capture.write({"type": "clock", "offset_ns": self._watch.offset_ns, "off": self._clock_was_off})
        log.error("clock_is_off" if self._clock_was_off else "clock_is_right", offset_ns=self._watch.offset_ns)

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
        updates = sum(symbol.updates for symbol in self._capture.symbols.values())
        gaps = len(self._capture.open_gaps)
        return f"recording {len(self._settings.symbols)} symbols, {updates} updates, {gaps} gaps open"

    async def _sleep(self) -> None:
        """Until the next slot or tick, or until told to stop."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        next_ns = (self._cursor and self._cursor.next_ns) or self.next_change_ns or wall_ns + TICK_NS
        nap = asyncio.create_task(self._clock.sleep_until(mono_ns + max(0, min(TICK_NS, next_ns - wall_ns))))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({nap, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (nap, stop):
            task.cancel()

    async def _finish(self) -> None:
        self._notifier.stopping("stopping")
        unanswered = await self._poller.cancel()
        next_ns = self._cursor.next_ns if self._cursor else None
        for symbol in self._settings.symbols if self.window else ():
            slot_ns = unanswered.get(symbol, next_ns)
            if slot_ns is not None:
                self._capture.miss(symbol, [slot_ns], "stopped", "the recorder was told to stop")
        self._capture.write({"type": "stop", "asked": self._stopping.is_set()})
        for task in self._background:
            task.cancel()
        self._capture.close()
        log.info("recorder_stopped")

    def _collect(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background_work_failed", exc_info=error)
