"""Which slots of a window are polled: all of them, or those of the stretches in which polls stand in for a socket."""

from collections.abc import Callable, Sequence

from harvester.base.clock import Clock
from harvester.capture.polls.due import SlotCursor
from harvester.capture.polls.poller import Poller
from harvester.capture.sink import Capture
from harvester.config.settings import Settings
from harvester.ledger.streams import Reason

Window = tuple[int, int]
STALL = Reason("stall", "the recorder did not run on time")
Hold = Callable[[], Reason | None]
"""Why nothing may be recorded although the market is open; None: it may."""


class PollSchedule:
    """Hands the slots to the poller, and accounts for those that went by. Slots and windows are wall ns."""

    def __init__(self, settings: Settings, *, clock: Clock, capture: Capture, poller: Poller, hold: Hold) -> None:
        polls = "fyers-rest" in settings.feeds
        self.is_always = polls and settings.poll.when == "always"
        self.is_fallback = polls and not self.is_always
        self.late = STALL
        self._symbols = settings.symbols
        self._interval_ns = settings.poll.interval_ns
        self._clock = clock
        self._capture = capture
        self._poller = poller
        self._hold = hold
        self._window: Window | None = None
        self._cursor: SlotCursor | None = None
        self._accounted_ns = 0

    @property
    def next_ns(self) -> int | None:
        """The next slot to be polled."""
        return self._cursor.next_ns if self._cursor else None

    @property
    def interval_ns(self) -> int | None:
        """What a window's record says: None when nothing is scheduled."""
        return self._interval_ns if self.is_always else None

    @property
    def is_standing_in(self) -> bool:
        return self.is_fallback and self._cursor is not None

    def enter(self, window: Window, after_ns: int | None = None) -> None:
        """The window is open; the first slot is the first at or after `after_ns` that was not accounted for."""
        self._window = window
        if self.is_always:
            first_ns = max(window[0], self._accounted_ns) if after_ns is None else after_ns
            self._cursor = SlotCursor(window, self._interval_ns, after_ns=first_ns)

    def leave(self) -> None:
        """The window is over."""
        self._window = self._cursor = None

    def stand_in(self, wall_ns: int) -> None:
        """Poll from the next slot on, in place of a socket."""
        if self._window is None or self._cursor:
            return
        cursor = SlotCursor(self._window, self._interval_ns, after_ns=wall_ns)
        if cursor.next_ns is not None:
            self._cursor = cursor
            self._capture.write({"type": "polling", "from_ns": cursor.next_ns, "interval_ns": self._interval_ns})

    def stand_down(self) -> None:
        """The sockets are back."""
        if not self.is_standing_in or self._window is None:
            return
        to_ns = self.next_ns or self._window[1]
        self._cursor = None
        self._capture.close_gaps(to_ns)
        self._capture.write({"type": "polling_end", "to_ns": to_ns})

    def poll_due(self, wall_ns: int, mono_ns: int) -> None:
        """Poll the slot that is due now; one that went by has its cause: why the recorder is `late` this time."""
        late, self.late = self.late, STALL
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
            self._accounted_ns = (due.slot_ns or due.missed[-1]) + 1

    def rewind(self, wall_ns: int) -> None:
        """The clock was set back: slots come again."""
        self._accounted_ns = min(self._accounted_ns, wall_ns)
        if self._cursor:
            self._cursor.rewind(wall_ns)

    async def finish(self) -> None:
        """Give up what is in flight, with its cause."""
        unanswered = await self._poller.cancel()
        next_ns = self.next_ns
        for symbol in self._symbols if self._cursor else ():
            slot_ns = unanswered.get(symbol, next_ns)
            if slot_ns is not None:
                self._capture.miss(symbol, [slot_ns], "stopped", "the recorder was told to stop")

    def _miss(self, slots: Sequence[int], reason: Reason) -> None:
        for symbol in self._symbols:
            self._capture.miss(symbol, slots, *reason)
