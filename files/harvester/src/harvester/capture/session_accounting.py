"""Journals the windows of a day: opened, closed, missed, and the checkpoint that a later start reads."""

from collections.abc import Sequence

import structlog

from harvester.base.clock import NS_PER_MS
from harvester.calendar import TradingCalendar
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed
from harvester.capture.history import DayHistory
from harvester.journal.format import FEED_NAMES, FYERS_REST, day_directory
from harvester.ledger.gaps import Window
from harvester.ledger.outage import STALL, Outage
from harvester.ledger.streams import STEP

log = structlog.get_logger()


class SessionAccounting:
    """Moves the ledgers of all feeds from window to window and journals what they return. Windows are wall ns."""

    def __init__(self, context: RecorderContext, feeds: Sequence[Feed]) -> None:
        """`feeds` begin with the polled one; gap records are written in their order."""
        self.late = STALL
        """Why slots and windows are missed when they are found missed next."""
        self._settled: set[Window] = set()
        self._clock = context.clock
        self._sink = context.sink
        self._feeds = feeds
        settings = context.settings
        self._interval_ns = settings.poll.interval_ns
        self._phases = settings.calendar.phases
        self._numbers = [number for number, name in FEED_NAMES.items() if name in settings.feeds]

    @property
    def window(self) -> Window | None:
        """The window that is recorded now: that of every ledger."""
        return self._feeds[0].ledger.window

    def take_late(self) -> Outage:
        """`late` of this turn; the next turn's is a stall again."""
        late, self.late = self.late, STALL
        return late

    def account_for_absence(self, calendar: TradingCalendar) -> None:
        """At a start, account for the windows of today that closed unrecorded, and for the open one up to now."""
        today = calendar.trading_date(self._clock.wall_ns())
        history = DayHistory(self._interval_ns)
        history.read(day_directory(self._sink.directory, today))
        self._settled = history.settled
        for feed in self._feeds:
            feed.recall(history.feed(feed.number))
        wall_ns = self._clock.wall_ns()  # reading took its time
        for window in calendar.windows(today, self._phases):
            if window in history.settled or wall_ns < window[0]:
                continue
            has_closed = window[1] <= wall_ns
            if not has_closed:
                self._journal_opening(window)
            for feed in self._feeds:
                self._sink.write_all(feed.ledger.resume(window, history.feed(feed.number), wall_ns))
                if has_closed:
                    self._sink.write_all(feed.ledger.close_window(window[1]))
            if has_closed:
                self._settled.add(window)
            log.warning("absence_recorded", opens_ns=window[0], closed=has_closed)

    def open(self, window: Window) -> None:
        """The window opens now."""
        self._journal_opening(window)
        for feed in self._feeds:
            self._sink.write_all(feed.ledger.open_window(window))

    def account_for_missed(self, calendar: TradingCalendar, wall_ns: int) -> None:
        """Account for windows of today that passed while this process was frozen, or that the clock was set over."""
        for window in calendar.windows(calendar.trading_date(wall_ns), self._phases):
            if window[1] <= wall_ns and not any(_overlap(window, settled) for settled in self._settled):
                log.warning("window_missed", **self.late._asdict())
                self._journal_opening(window)
                for feed in self._feeds:
                    self._sink.write_all(feed.ledger.miss_window(window, self.late))
                self.close(window, window[1])

    def close(self, window: Window, closes_ns: int) -> None:
        """Close the open window at `closes_ns`, which is before its close when the calendar has changed."""
        for feed in self._feeds:
            self._sink.write_all(feed.ledger.close_window(closes_ns))
        self._sink.write({"type": "window_close", "open_ns": window[0], "close_ns": closes_ns})
        self._settled.add((window[0], closes_ns))
        log.info("window_closed")

    def step_clock(self, step_ns: int, wall_ns: int) -> None:
        """The wall clock was set by `step_ns` and is at `wall_ns` now."""
        self._sink.write({"type": "clock_step", "delta_ns": step_ns})
        log.warning("clock_stepped", delta_ms=step_ns // NS_PER_MS)
        for feed in self._feeds:
            self._sink.write_all(feed.ledger.step_clock(step_ns, wall_ns))
        if step_ns > 0:
            self.late = STEP

    def write_checkpoint(self) -> None:
        """Begin each segment with the state of all feeds: a start in the middle of a day reads on from the last.

        A state larger than a control record may be is refused and logged; the start then reads more segments.
        """
        if not self._sink.has_new_segment() or self._sink.failure:
            return
        states = {str(feed.number): feed.checkpoint() for feed in self._feeds}
        polls = states.pop(str(FYERS_REST))
        self._sink.write({"type": "state", **polls, "settled": sorted(self._settled), "feeds": states})

    def _journal_opening(self, window: Window) -> None:
        interval_ns = next((feed.interval_ns for feed in self._feeds if feed.interval_ns), None)
        times = {"open_ns": window[0], "close_ns": window[1], "interval_ns": interval_ns}
        self._sink.write({"type": "window_open", **times, "phases": list(self._phases), "feeds": self._numbers})
        log.info("window_opened", phases=",".join(self._phases))


def _overlap(one: Window, other: Window) -> bool:
    return one[0] < other[1] and other[0] < one[1]
