"""The recording service: one loop that drives the feeds, the calendar, the token and the watchdog."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.monitors import DiskMonitor
from harvester.base.systemd import Notifier
from harvester.calendar import PhaseName, SegmentName, TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.clock_notes import ClockNotes
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed, Turn
from harvester.capture.history import DayHistory, ReplayedFeed
from harvester.capture.session_accounting import SessionAccounting, write_checkpoint
from harvester.capture.token_keeper import TokenKeeper
from harvester.journal.format import day_directory
from harvester.ledger.gaps import Window
from harvester.ledger.outage import STALL, Outage
from harvester.ledger.polls import EARLY_NS
from harvester.ledger.streams import STEP

log = structlog.get_logger()
TICK_NS = NS_PER_SECOND
REOPEN_NS = 5 * NS_PER_SECOND
LATE_CALENDAR = Outage("not_started", "the calendar was changed after this window had opened")
STOPPED = Outage("stopped", "the recorder was told to stop")


class Recorder:
    """Records the configured symbols in the calendar's windows until told to stop. Windows are wall ns."""

    def __init__(
        self,
        context: RecorderContext,
        *,
        feeds: Sequence[Feed],
        keeper: TokenKeeper,
        notifier: Notifier,
        calendars: CalendarReloader,
        after_tick: Callable[["Recorder"], None],
    ) -> None:
        """`feeds` begin with the polled one, whose turn must not wait for the others'."""
        settings = context.settings
        self.calendars = calendars
        self.disk = DiskMonitor(settings.data_dir, settings.disk_reserve_bytes)
        self.feeds = feeds
        self._settings = settings
        self._clock = context.clock
        self._sink = context.sink
        self._keeper = keeper
        self._watch = context.watch
        self._trading = context.trading
        self._notifier = notifier
        self._after_tick = after_tick
        self._phases = settings.calendar.phases
        self._sessions = [SessionAccounting(context, feeds, segment) for segment in context.recorded]
        self._late = STALL
        """Why slots and windows are missed when they are found missed next."""
        self._past: dict[int, ReplayedFeed] = {}
        """By number of the feed, what earlier runs of the day left."""
        self._reopen_mono_ns = 0
        self._clock_notes = ClockNotes(context.watch, settings.clock_log)
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
    def windows(self) -> dict[SegmentName, Window | None]:
        """The window of each segment that is recorded now."""
        return {session.segment: session.window for session in self._sessions}

    @property
    def window(self) -> Window | None:
        """From the first opening to the last close of the windows that are recorded now."""
        open_now = [window for window in self.windows.values() if window]
        return (min(opens for opens, _ in open_now), max(closes for _, closes in open_now)) if open_now else None

    def windows_of(self, segment: str) -> list[Window]:
        """Today's windows of any segment; none where the calendar has no hours of it."""
        known = [name for name in self.calendar.segments if name == segment]
        today = self.calendar.trading_date(self._clock.wall_ns())
        return self.calendar.of(known[0]).windows(today, self._phases) if known else []

    @property
    def phases(self) -> list[PhaseName]:
        """The phases that are on now in the segments that are recorded."""
        wall_ns = self._clock.wall_ns()
        calendars = map(self._calendar_of, self._sessions)
        return list(dict.fromkeys(name for calendar in calendars for name in calendar.phases_at(wall_ns)))

    @property
    def next_change_ns(self) -> int | None:
        """When a recorded window opens or closes next, in wall ns."""
        wall_ns = self._clock.wall_ns()
        changes = [self._calendar_of(session).next_change(wall_ns, self._phases) for session in self._sessions]
        return min((change for change in changes if change is not None), default=None)

    def _calendar_of(self, session: SessionAccounting) -> TradingCalendar:
        return self.calendar.of(session.segment)

    @property
    def next_due_ns(self) -> int | None:
        """The next scheduled poll, in wall ns; None: nothing is polled now."""
        return min((due_ns for feed in self.feeds if (due_ns := feed.next_due_ns) is not None), default=None)

    def run_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the loop; what it raises is logged."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._collect)

    async def run(self) -> None:
        """Record until `stop`. Raises HarvesterError when the journal cannot be opened."""
        self._sink.open()
        try:
            self._sink.write({"type": "start", "pid": os.getpid()})
            self._account_for_absence()
            self._notifier.ready("started")
            log.info("recorder_started", symbols=len(self._settings.symbols), journal=str(self._sink.directory))
            while not self._stopping.is_set():
                self._tick()
                await self._sleep()
        finally:
            await self._finish()

    def _account_for_absence(self) -> None:
        today = self.calendar.trading_date(self._clock.wall_ns())
        history = DayHistory(self._settings.poll.interval_ns)
        history.read(day_directory(self._sink.directory, today))
        self._past, self._sink.lost = history.feeds, history.lost
        for feed in self.feeds:
            feed.recall(history.feed(feed.number))
        wall_ns, used = self._clock.wall_ns(), {feed.number for feed in self.feeds}
        for number, past in history.feeds.items():
            if number not in used:
                self._sink.write_all(past.leave(wall_ns))
        for session in self._sessions:
            session.account_for_absence(self._calendar_of(session), history)

    def _tick(self) -> None:
        """Everything that may be due now; feeds before what can wait."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        step_ns = self._watch.check(wall_ns, mono_ns)
        if step_ns:
            self._step_clock(step_ns, wall_ns)
        is_new_token = self._keeper.adopt_new()
        self._follow_calendar(wall_ns, mono_ns)
        self._note_trading(wall_ns, mono_ns)
        late, self._late = self._late, STALL
        for feed in self.feeds:
            feed.follow(self._turn(wall_ns, mono_ns, late))
            if is_new_token:
                feed.change_token()
        self._prove_token(wall_ns, is_new_token=is_new_token)
        self._check_disk(mono_ns)
        for note in self._clock_notes.take():
            self._sink.write(note)
        write_checkpoint(self._sink, self.feeds, self._sessions, self._past, self._settings.poll.interval_ns)
        if not any(feed.is_stuck for feed in self.feeds):
            self._notifier.alive(self._summary())
        self._after_tick(self)

    def _turn(self, wall_ns: int, mono_ns: int, late: Outage) -> Turn:
        """Connections are up in a window and shortly before it, unless nothing may be recorded."""
        opens_ns = None if self.window else self.next_change_ns
        ahead_ns = self._settings.connect_before_seconds * NS_PER_SECOND
        is_near = self.window is not None or (opens_ns is not None and opens_ns - wall_ns <= ahead_ns)
        return Turn(wall_ns, mono_ns, is_near, self._hold(), late)

    def _step_clock(self, step_ns: int, wall_ns: int) -> None:
        self._sink.write({"type": "clock_step", "delta_ns": step_ns})
        log.warning("clock_stepped", delta_ms=step_ns // NS_PER_MS)
        for session in self._sessions:
            session.step_clock(step_ns, wall_ns)
        if step_ns > 0:
            self._late = STEP

    def _note_trading(self, wall_ns: int, mono_ns: int) -> None:
        since_ns = self._trading.since_ns
        self._trading.since_ns = {
            session.segment: since_ns.get(session.segment, mono_ns)
            for session in self._sessions
            if session.window and "continuous" in self._calendar_of(session).phases_at(wall_ns)
        }

    def _prove_token(self, wall_ns: int, *, is_new_token: bool) -> None:
        if self.window is None and (is_new_token or self._keeper.is_proof_due(self.next_change_ns, wall_ns)):
            self._trading.is_token_doubted = True
        if self._trading.is_token_doubted:
            self.run_background(self._keeper.prove())

    def _hold(self) -> Outage | None:
        """Why nothing may be recorded although the market is open."""
        if self._sink.failure:
            return Outage("disk_full", self._sink.failure)
        if self.disk.is_full:
            reserve = self._settings.disk_reserve_bytes
            return Outage("disk_full", f"{self.disk.free_bytes} bytes free, reserve {reserve}")
        return None

    def _follow_calendar(self, wall_ns: int, mono_ns: int) -> None:
        reading = self.calendars.look()
        if reading:
            self.run_background(reading)
        is_reloaded = self.calendars.take()
        if is_reloaded:
            valid_until = self.calendar.valid_until.isoformat()
            self._sink.write({"type": "calendar_reload", "valid_until": valid_until})
        for session in self._sessions:
            self._follow_session(session, wall_ns, mono_ns, is_reloaded=is_reloaded)

    def _follow_session(self, session: SessionAccounting, wall_ns: int, mono_ns: int, *, is_reloaded: bool) -> None:
        calendar = self._calendar_of(session)
        window = calendar.window_at(wall_ns + EARLY_NS, self._phases)
        if session.window and window != session.window:
            self._leave(session, session.window, wall_ns, mono_ns)
        if session.window is None:
            if is_reloaded:
                self._late = LATE_CALENDAR
            session.account_for_missed(calendar, wall_ns, self._late)
            if window:
                session.open(window)

    def _leave(self, session: SessionAccounting, window: Window, wall_ns: int, mono_ns: int) -> None:
        """Close the window once its last polls have ended; one that the calendar has changed is closed at once."""
        if wall_ns + EARLY_NS < window[1]:
            session.close(window, wall_ns)
            return
        turn = self._turn(wall_ns, mono_ns, self._late)
        if all([feed.finish_window(turn, session.segment) for feed in self.feeds]):
            session.close(window, window[1])

    def _check_disk(self, mono_ns: int) -> None:
        if self.disk.check():
            event = "disk_full" if self.disk.is_full else "disk_has_room"
            log.critical(event, free_bytes=self.disk.free_bytes)
        if self._sink.failure and not self.disk.is_full and mono_ns >= self._reopen_mono_ns:
            self._reopen_mono_ns = mono_ns + REOPEN_NS
            self._sink.reopen()

    def _summary(self) -> str:
        if self.window is None:
            return "market closed, waiting"
        messages = sum(feed.messages for feed in self.feeds)
        gaps = sum(len(ledger.open_gaps) for feed in self.feeds for ledger in feed.ledgers.values())
        return f"recording {len(self._settings.all_symbols)} symbols, {messages} messages, {gaps} gaps open"

    async def _sleep(self) -> None:
        """Sleep until the next slot or tick, or until told to stop."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        next_ns = self.next_due_ns or self.next_change_ns or wall_ns + TICK_NS
        nap = asyncio.create_task(self._clock.sleep_until(mono_ns + max(0, min(TICK_NS, next_ns - wall_ns))))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({nap, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (nap, stop):
            task.cancel()

    async def _finish(self) -> None:
        self._notifier.stopping("stopping")
        await asyncio.gather(*(feed.stop(STOPPED) for feed in self.feeds))
        self._sink.write({"type": "stop", "asked": self._stopping.is_set()})
        for task in self._background:
            task.cancel()
        self._sink.close()
        log.info("recorder_stopped")

    def _collect(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background_work_failed", exc_info=error)
