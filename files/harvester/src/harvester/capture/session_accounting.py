"""What the journal says of the day's windows: opened, closed, settled, and who was absent in them."""

from collections.abc import Sequence

import structlog

from harvester.base.clock import NS_PER_MS, Clock
from harvester.calendar import TradingCalendar
from harvester.capture.polls.feed import PollSchedule
from harvester.capture.restart.checkpoint import describe_standing
from harvester.capture.restart.polls import Absence
from harvester.capture.restart.streams import StreamAbsence
from harvester.capture.sink import Capture
from harvester.capture.streams.feed import StreamFeed
from harvester.config.settings import Settings
from harvester.journal.format import FEED_NAMES
from harvester.ledger.streams import Reason, Window

log = structlog.get_logger()
STEP = Reason("clock_step", "the clock was set forward")


class WindowBooks:
    """Keeps journal, polls and the sockets' ledgers at one about the window. Slots and windows are wall ns."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        capture: Capture,
        schedule: PollSchedule,
        streams: Sequence[StreamFeed],
    ) -> None:
        self.window: Window | None = None
        self._settled: set[Window] = set()
        self._clock = clock
        self._capture = capture
        self._schedule = schedule
        self._streams = streams
        self._interval_ns = settings.poll.interval_ns
        self._phases = settings.calendar.phases
        self._feeds = [number for number, name in FEED_NAMES.items() if name in settings.feeds]

    def account_for_absence(self, calendar: TradingCalendar) -> None:
        """At a start: what nobody recorded today, in windows that have closed, and up to now in the open one."""
        absence = Absence(self._capture, self._interval_ns, scheduled=self._schedule.is_always)
        streams = StreamAbsence(self._capture, self._streams)
        today = calendar.trading_date(self._clock.wall_ns())
        history = absence.read(today)
        streams.recall(history)
        wall_ns = self._clock.wall_ns()  # reading took its time
        self._settled = history.settled
        for name, symbol in self._capture.symbols.items():
            symbol.accounted_ns = history.accounted_until(name, self._interval_ns)
        for window in calendar.windows(today, self._phases):
            if window in history.settled:
                continue
            if window[1] <= wall_ns:
                absence.account(window, window[1])
                self._capture.close_gaps(window[1])
                streams.account_closed(window, history)
                self._settled.add(window)
            elif window[0] <= wall_ns:
                self._enter(window, after_ns=wall_ns)
                absence.account(window, self._schedule.next_ns or window[1])
                streams.account_open(window, history)

    def open(self, window: Window) -> None:
        """The window opens now: each symbol of a socket is in a gap until its snapshot."""
        self._enter(window)
        for feed in self._streams:
            self._capture.write_all(feed.ledger.open_window(window))

    def account_for_missed(self, calendar: TradingCalendar, wall_ns: int) -> None:
        """Windows of today that came and went unseen: this process was frozen, or the clock set forward over them."""
        for window in calendar.windows(calendar.trading_date(wall_ns), self._phases):
            if window[1] <= wall_ns and not any(_overlap(window, settled) for settled in self._settled):
                reason = self._schedule.late
                self._enter(window)
                self._schedule.poll_due(wall_ns, self._clock.mono_ns())
                for feed in self._streams:
                    self._capture.write_all(feed.ledger.miss_window(window, reason))
                self.close(window, window[1])
                self._schedule.late = reason

    def close(self, window: Window, closes_ns: int) -> None:
        """The open window ended at `closes_ns`, which is sooner than its close when the calendar has changed."""
        self._capture.close_gaps(closes_ns)
        for feed in self._streams:
            self._capture.write_all(feed.ledger.close_window(closes_ns))
        self._capture.write({"type": "window_close", "open_ns": window[0], "close_ns": closes_ns})
        self._settled.add((window[0], closes_ns))
        log.info("window_closed")
        self.window = None
        self._schedule.leave()

    def note_clock_step(self, step_ns: int, wall_ns: int) -> None:
        """End what was counted by the old clock; after a step back, slots come again."""
        self._capture.close_gaps(self.window[1] if self.window else None)
        self._capture.write({"type": "clock_step", "delta_ns": step_ns})
        log.warning("clock_stepped", delta_ms=step_ns // NS_PER_MS)
        for feed in self._streams:
            self._capture.write_all(feed.ledger.step(step_ns, wall_ns))
        if step_ns < 0:
            self._schedule.rewind(wall_ns)
        else:
            self._schedule.late = STEP

    def note_standing(self) -> None:
        """Each segment says how the recorder stood, so that a later start need not read the ones before it."""
        if self._capture.has_new_segment() and not self._capture.failure:
            record = describe_standing(self._capture, self._streams, self._settled)
            if record:
                self._capture.write(record)

    def _enter(self, window: Window, after_ns: int | None = None) -> None:
        self.window = window
        times = {"open_ns": window[0], "close_ns": window[1], "interval_ns": self._schedule.interval_ns}
        self._capture.write({"type": "window_open", **times, "phases": list(self._phases), "feeds": self._feeds})
        log.info("window_opened", phases=",".join(self._phases))
        self._schedule.enter(window, after_ns)


def _overlap(one: Window, other: Window) -> bool:
    return one[0] < other[1] and other[0] < one[1]
