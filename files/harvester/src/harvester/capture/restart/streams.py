"""What the sockets missed before this start: from the last message of an earlier run on, or since the opening."""

from collections.abc import Sequence

from harvester.capture.restart.replay import DayHistory, StreamHistory
from harvester.capture.sink import Capture
from harvester.capture.streams.feed import StreamFeed
from harvester.ledger.polls import Gap, close_record
from harvester.ledger.streams import Reason, StreamLedger, Window

ENDED = Reason("not_running", "an earlier run of the recorder had ended")
LATE = Reason("not_started", "the recorder was started after the window had opened")


class StreamAbsence:
    """Settles, once at a start, what earlier runs of the day left open."""

    def __init__(self, capture: Capture, feeds: Sequence[StreamFeed]) -> None:
        self._capture = capture
        self._feeds = feeds

    def account_closed(self, window: Window, history: DayHistory) -> None:
        """A window that closed while no recorder ran."""
        for feed in self._feeds:
            self._resume(feed.ledger, window, history, history.feed(feed.number))
            self._capture.write_all(feed.ledger.close_window())

    def account_open(self, window: Window, history: DayHistory) -> None:
        """The window that is open now: each symbol is in a gap until its snapshot."""
        for feed in self._feeds:
            self._resume(feed.ledger, window, history, history.feed(feed.number))

    def _resume(self, ledger: StreamLedger, window: Window, history: DayHistory, feed: StreamHistory) -> None:
        symbols = set(ledger.symbols)
        seen = dict(feed.seen_until)
        for gap in list(feed.opened.values()):
            if not window[0] <= gap.from_ns < window[1]:
                continue
            del feed.opened[gap.gap_id]
            if gap.cause == "stopped" and gap.symbol in symbols:
                ledger.adopt(gap)
            else:
                ended_ns = min(max(gap.from_ns, history.last_wall_ns), window[1])
                self._close(gap, ended_ns)
                seen[gap.symbol] = max(seen.get(gap.symbol, 0), ended_ns)
        was_there = history.last_wall_ns >= window[0]
        self._capture.write_all(ledger.resume_window(window, seen, ENDED if was_there else LATE))

    def recall(self, history: DayHistory) -> None:
        """Tell the feeds what an earlier run of the day had looked up."""
        for feed in self._feeds:
            feed.recall(history.feed(feed.number).topics)

    def _close(self, gap: Gap, to_ns: int) -> None:
        self._capture.write_all([close_record(gap, to_ns)])
