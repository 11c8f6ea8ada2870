"""Journals the windows of a day: opened, closed, missed, and the checkpoint that a later start reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from harvester.calendar import NSE_CASH, SegmentName, TradingCalendar
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed
from harvester.capture.history import DayHistory, ReplayedFeed
from harvester.capture.segments import marked
from harvester.capture.sink import JournalSink
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.ledger.gaps import Ledger, Window
from harvester.ledger.outage import Outage

log = structlog.get_logger()


class SessionAccounting:
    """Moves one segment's ledgers of all feeds from window to window and journals what they return.

    Windows are wall ns.
    """

    def __init__(self, context: RecorderContext, feeds: Sequence[Feed], segment: SegmentName = NSE_CASH) -> None:
        """`feeds` begin with the polled one; gap records are written in their order."""
        self.segment = segment
        self._settled: set[Window] = set()
        self._clock = context.clock
        self._sink = context.sink
        self._ledgers: list[tuple[int, Ledger]] = [
            (feed.number, feed.ledgers[segment]) for feed in feeds if segment in feed.ledgers
        ]
        settings = context.settings
        self._interval_ns = next((feed.interval_ns for feed in feeds if feed.interval_ns), None)
        self._phases = settings.calendar.phases
        self._numbers = [number for number, name in FEED_NAMES.items() if name in settings.feeds]
        self._symbols = [] if segment == NSE_CASH else context.split(settings.all_symbols)[segment]

    @property
    def window(self) -> Window | None:
        """The window that is recorded now: that of every ledger."""
        return self._ledgers[0][1].window

    @property
    def settled(self) -> list[Window]:
        """Windows of the day that are accounted for to their close."""
        return sorted(self._settled)

    def account_for_absence(self, calendar: TradingCalendar, history: DayHistory) -> None:
        """At a start, account for the windows of today that closed unrecorded, and for the open one up to now."""
        settled = history.settled_of(self.segment)
        self._settled = set(settled)
        wall_ns = self._clock.wall_ns()
        for window in calendar.windows(calendar.trading_date(wall_ns), self._phases):
            if window in settled or wall_ns < window[0]:
                continue
            has_closed = window[1] <= wall_ns
            if not has_closed:
                self._journal_opening(window)
            for number, ledger in self._ledgers:
                self._sink.write_all(ledger.resume(window, history.feed(number), wall_ns))
                if has_closed:
                    self._sink.write_all(ledger.close_window(window[1]))
            if has_closed:
                self._settled.add(window)
            log.warning("absence_recorded", opens_ns=window[0], closed=has_closed)

    def open(self, window: Window) -> None:
        """The window opens now."""
        self._journal_opening(window)
        for _, ledger in self._ledgers:
            self._sink.write_all(ledger.open_window(window))

    def account_for_missed(self, calendar: TradingCalendar, wall_ns: int, late: Outage) -> None:
        """Account for windows of today that passed while this process was frozen, or that the clock was set over."""
        for window in calendar.windows(calendar.trading_date(wall_ns), self._phases):
            if window[1] <= wall_ns and not any(_overlap(window, settled) for settled in self._settled):
                log.warning("window_missed", **late._asdict())
                self._journal_opening(window)
                for _, ledger in self._ledgers:
                    self._sink.write_all(ledger.miss_window(window, late))
                self.close(window, window[1])

    def close(self, window: Window, closes_ns: int) -> None:
        """Close the open window at `closes_ns`, which is before its close when the calendar has changed."""
        for _, ledger in self._ledgers:
            self._sink.write_all(ledger.close_window(closes_ns))
        times = {"open_ns": window[0], "close_ns": closes_ns}
        self._sink.write(marked({"type": "window_close", **times}, self.segment))
        self._settled.add((window[0], closes_ns))
        log.info("window_closed")

    def step_clock(self, step_ns: int, wall_ns: int) -> None:
        """The wall clock was set by `step_ns` and is at `wall_ns` now."""
        for _, ledger in self._ledgers:
            self._sink.write_all(ledger.step_clock(step_ns, wall_ns))

    def _journal_opening(self, window: Window) -> None:
        times = {"open_ns": window[0], "close_ns": window[1], "interval_ns": self._interval_ns}
        names = {"symbols": self._symbols} if self._symbols else {}
        record = {"type": "window_open", **times, "phases": list(self._phases), "feeds": self._numbers, **names}
        self._sink.write(marked(record, self.segment))
        log.info("window_opened", phases=",".join(self._phases))


def write_checkpoint(
    sink: JournalSink,
    feeds: Sequence[Feed],
    sessions: Sequence[SessionAccounting],
    past: Mapping[int, ReplayedFeed],
    interval_ns: int,
) -> None:
    """Begin each segment of the journal with the state of all: a start in the middle of a day reads on from the last.

    `past` is what earlier runs of the day left, by number of the feed, also of feeds and symbols that this run has not;
    `interval_ns` the time between slots. A state larger than a control record may be is refused and logged; the start
    then reads more segments.
    """
    if not sink.has_new_segment() or sink.failure:
        return
    states: dict[int, dict[str, Any]] = {number: {"open": [], "topics": feed.topics} for number, feed in past.items()}
    states |= {feed.number: feed.checkpoint() for feed in feeds}
    for number, feed in past.items():
        states[number]["accounted"] = feed.accounted | states[number].get("accounted", {})
    polls = {"interval_ns": interval_ns, **states.pop(FYERS_REST)}
    settled: dict[str, list[Window]] = {session.segment: session.settled for session in sessions}
    by_number = {str(number): state for number, state in states.items()}
    record = {"type": "state", **polls, "settled": settled.pop(NSE_CASH, []), "feeds": by_number}
    if settled:
        record["settled_segments"] = settled
    sink.write(record | sink.lost.checkpoint())


def _overlap(one: Window, other: Window) -> bool:
    return one[0] < other[1] and other[0] < one[1]
