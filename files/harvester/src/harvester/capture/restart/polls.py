"""What was missed before this start: slots of the day in which no recorder, or an earlier run, was at work."""

from datetime import date

from harvester.capture.restart.replay import DayHistory
from harvester.capture.sink import Capture
from harvester.config.limits import next_slot
from harvester.journal.format import day_directory


class Absence:
    """Settles, once at a start, what earlier runs of the day left open, and accounts for the slots since."""

    def __init__(self, capture: Capture, interval_ns: int, *, scheduled: bool = True) -> None:
        """`scheduled`: polls were due at every slot of a window, not only while they stood in for a socket."""
        self._capture = capture
        self._interval_ns = interval_ns
        self._scheduled = scheduled
        self._history = DayHistory()

    def read(self, day: date) -> DayHistory:
        """Take in what earlier runs of the day left in the journal."""
        self._history.read(day_directory(self._capture.directory, day))
        return self._history

    def account(self, window: tuple[int, int], resumes_ns: int) -> None:
        """Nothing was recorded in `window` from each symbol's last slot to `resumes_ns`, the next slot or the close."""
        symbols = self._capture.symbols if self._scheduled else ()
        unseen = {symbol: self._first_unseen(symbol, window) for symbol in symbols}
        for gap in self._history.open_gaps:
            if not window[0] <= gap.from_ns < window[1]:
                continue
            if gap.symbol not in unseen:
                self._capture.settle_gap(
                    gap, resumes_ns if self._scheduled else max(gap.from_ns, self._history.last_wall_ns)
                )
            elif gap.cause == "stopped":
                self._capture.adopt_gap(gap, resumes_ns - self._interval_ns)
                del unseen[gap.symbol]
            else:
                died_ns = next_slot(window, self._interval_ns, self._history.last_wall_ns) or window[1]
                unseen[gap.symbol] = max(gap.from_ns, died_ns)
                self._capture.settle_gap(gap, unseen[gap.symbol])
        for symbol, first_ns in unseen.items():
            self._miss(symbol, window, first_ns, resumes_ns)

    def _first_unseen(self, symbol: str, window: tuple[int, int]) -> int:
        """The first slot of `window` that has neither data nor a closed gap."""
        known_ns = self._history.accounted_until(symbol, self._interval_ns)
        return next_slot(window, self._interval_ns, max(window[0], known_ns)) or window[1]

    def _miss(self, symbol: str, window: tuple[int, int], first_ns: int, resumes_ns: int) -> None:
        slots = range(first_ns, resumes_ns, self._interval_ns)
        if not slots:
            return
        if first_ns > window[0] or self._history.last_wall_ns >= window[0]:
            self._capture.miss(symbol, slots, "not_running", "an earlier run of the recorder had ended")
        else:
            self._capture.miss(symbol, slots, "not_started", "the recorder was started after the window had opened")
