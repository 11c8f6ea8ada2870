"""The ledger of scheduled polls: which slots of a window are due, and which of them have data or lie in a gap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harvester.ledger.gaps import ControlRecord, FeedHistory, Gap, Ledger, Window, close_record
from harvester.ledger.outage import ENDED, LATE, Outage

EARLY_NS = 1_000_000
"""A slot this near is due: wall and monotonic clock never agree to the nanosecond."""


def next_slot(window: Window, interval_ns: int, wall_ns: int) -> int | None:
    """The first slot of `window` at or after `wall_ns`, in wall ns; None when the window has no more."""
    opens, closes = window
    slot = opens + max(0, -(-(wall_ns - opens) // interval_ns)) * interval_ns
    return slot if slot < closes else None


class Due(NamedTuple):
    """Slots in wall ns: those that went by without a poll, in order, and the one to poll now."""

    missed: Sequence[int]
    slot_ns: int | None


@dataclass(slots=True)
class SlotState:
    """The slots of one symbol since the start of the recorder. Times are wall ns."""

    slots: int = 0
    """How many were recorded or missed."""
    accounted_ns: int = 0
    """Each slot before this moment has data or lies in a gap."""
    outage: Outage | None = None
    """Why the slot that was reported last has no data."""
    latest_ns: int | None = None
    """The latest slot reported since the window opened or the clock stepped."""


class PollLedger(Ledger):
    """Hands out the slots open + k x interval of a window, each once, and turns their outcome into gap records.

    Every slot reported missed lies in exactly one gap, every slot recorded in none. A slot may be reported after
    later ones. The schedule follows the wall clock alone, so it cannot drift.
    """

    def __init__(self, run_id: str, symbols: Iterable[str], interval_ns: int, *, always: bool = True) -> None:
        """`always`: every slot of a window is due; otherwise those between start_polling and stop_polling."""
        super().__init__(run_id)
        self.states = {symbol: SlotState() for symbol in symbols}
        self.interval_ns = interval_ns
        self.always = always
        self.next_ns: int | None = None
        """The next slot to hand out; None when the window has no more, or polling is off."""
        self.is_polling = False
        self._handed_ns = 0
        """Slots before this moment were handed out."""

    def checkpoint(self) -> dict[str, Any]:
        accounted = {symbol: state.accounted_ns for symbol, state in self.states.items()}
        return {"accounted": accounted, **super().checkpoint()}

    def recall(self, accounted: dict[str, int]) -> None:
        """Take over up to where an earlier run of the day had accounted for each symbol."""
        for symbol, state in self.states.items():
            state.accounted_ns = accounted.get(symbol, 0)

    def open_window(self, window: Window) -> list[ControlRecord]:
        self.window = window
        if self.always:
            self._poll_from(max(window[0], self._handed_ns))
        return []

    def close_window(self, at_ns: int) -> list[ControlRecord]:
        records = self._end_all(at_ns)
        self.window = self.next_ns = None
        self.is_polling = False
        return records

    def miss_window(self, window: Window, outage: Outage) -> list[ControlRecord]:
        records = self.open_window(window)
        if self.next_ns is not None:
            slots = range(self.next_ns, window[1], self.interval_ns)
            self._handed_ns = slots[-1] + 1
            records += self.miss(self.states, slots, outage)
        return records

    def step_clock(self, delta_ns: int, wall_ns: int) -> list[ControlRecord]:
        """End what was counted by the old clock; after a step back, slots are handed out again."""
        records = self._end_all(self.window[1] if self.window else None)
        if delta_ns < 0:
            self._handed_ns = min(self._handed_ns, wall_ns)
            if self.window and self.is_polling:
                again = next_slot(self.window, self.interval_ns, wall_ns)
                self.next_ns = min((slot for slot in (again, self.next_ns) if slot is not None), default=None)
        return records

    def resume(self, window: Window, history: FeedHistory, wall_ns: int) -> list[ControlRecord]:
        self.window = window
        if self.always:
            self._poll_from(wall_ns)
        resumes_ns = self.next_ns or window[1]
        unseen = {symbol: self._first_unseen(symbol, window) for symbol in (self.states if self.always else ())}
        records: list[ControlRecord] = []
        for gap in self._take_open(window, history):
            if gap.symbol not in unseen:
                records += self._settle(gap, self._end_past(gap, window, history, wall_ns))
            elif history.lasts(gap):
                self._adopt(gap, resumes_ns - self.interval_ns)
                del unseen[gap.symbol]
            else:
                died_ns = next_slot(window, self.interval_ns, history.last_wall_ns) or window[1]
                unseen[gap.symbol] = max(gap.from_ns, died_ns)
                records += self._settle(gap, unseen[gap.symbol])
        for symbol, first_ns in unseen.items():
            if slots := range(first_ns, resumes_ns, self.interval_ns):
                had_run = first_ns > window[0] or history.last_wall_ns >= window[0]
                records += self.miss([symbol], slots, ENDED if had_run else LATE)
        return records

    def start_polling(self, wall_ns: int) -> list[ControlRecord]:
        """Slots are due from the next one on, in place of a socket that is down."""
        if self.window is None or self.is_polling or next_slot(self.window, self.interval_ns, wall_ns) is None:
            return []
        self._poll_from(wall_ns)
        return [{"type": "polling", "from_ns": self.next_ns, "interval_ns": self.interval_ns}]

    def stop_polling(self) -> list[ControlRecord]:
        """Slots are no longer due; those handed out still have their outcome."""
        if self.window is None or not self.is_polling:
            return []
        to_ns = self.next_ns or self.window[1]
        self.next_ns, self.is_polling = None, False
        return [*self._end_all(to_ns), {"type": "polling_end", "to_ns": to_ns}]

    def take_due(self, wall_ns: int) -> Due:
        """Hand out what is due at `wall_ns`. A slot is missed once the next one is due."""
        first, interval_ns = self.next_ns, self.interval_ns
        if self.window is None or first is None or wall_ns + EARLY_NS < first:
            return Due((), None)
        opens, closes = self.window
        latest = opens + (min(wall_ns + EARLY_NS, closes - 1) - opens) // interval_ns * interval_ns
        following = latest + interval_ns
        self.next_ns = following if following < closes else None
        self._handed_ns = latest + 1
        if wall_ns + EARLY_NS >= following:
            return Due(range(first, following, interval_ns), None)
        return Due(range(first, latest, interval_ns), latest)

    def record(self, symbol: str, slot_ns: int) -> list[ControlRecord]:
        """The slot has data: close the symbol's gap, if one is open."""
        is_late = self._tally(symbol, [slot_ns], None)
        return [] if is_late else self._end_row(symbol, slot_ns, slot_ns)

    def miss(self, symbols: Iterable[str], slots: Sequence[int], outage: Outage) -> list[ControlRecord]:
        """These slots, in order, have no data: open a gap for each symbol, or continue the one just before them."""
        return [record for symbol in symbols for record in self._miss(symbol, slots, outage)]

    def _miss(self, symbol: str, slots: Sequence[int], outage: Outage) -> list[ControlRecord]:
        first_ns, last_ns = slots[0], slots[-1]
        if self._tally(symbol, slots, outage):
            return self._note_gap(symbol, first_ns, last_ns + self.interval_ns, outage)
        state, gap = self.states[symbol], self._gaps.get(symbol)
        follows = state.latest_ns is not None and first_ns <= state.latest_ns + self.interval_ns
        if gap and gap.cause == outage.cause and follows:
            state.latest_ns = last_ns
            return []
        return self._end_row(symbol, first_ns, last_ns) + self._open_gap(symbol, first_ns, outage)

    def _tally(self, symbol: str, slots: Sequence[int], outage: Outage | None) -> bool:
        """Count reported slots; True when later ones of the symbol were reported before."""
        state = self.states[symbol]
        state.slots += len(slots)
        state.outage = outage
        state.accounted_ns = max(state.accounted_ns, slots[-1] + self.interval_ns)
        return state.latest_ns is not None and slots[0] < state.latest_ns

    def _end_row(self, symbol: str, limit_ns: int | None, latest_ns: int | None) -> list[ControlRecord]:
        """Close the symbol's gap behind its latest slot, but not after `limit_ns`; `latest_ns` is the latest now."""
        state = self.states[symbol]
        before_ns, state.latest_ns = state.latest_ns, latest_ns
        if before_ns is None:
            return []
        end_ns = before_ns + self.interval_ns
        return self._close_gap(symbol, end_ns if limit_ns is None else min(end_ns, limit_ns))

    def _end_all(self, limit_ns: int | None) -> list[ControlRecord]:
        """Close gaps in the order of their opening; the slots that follow begin a new row."""
        symbols = [*self._gaps, *self.states]
        return [record for symbol in symbols for record in self._end_row(symbol, limit_ns, None)]

    def _poll_from(self, wall_ns: int) -> None:
        if self.window:
            self.next_ns, self.is_polling = next_slot(self.window, self.interval_ns, wall_ns), True

    def _first_unseen(self, symbol: str, window: Window) -> int:
        """The first slot of `window` that has neither data nor a closed gap; its close when there is none."""
        since_ns = max(window[0], self.states[symbol].accounted_ns)
        return next_slot(window, self.interval_ns, since_ns) or window[1]

    def _adopt(self, gap: Gap, last_ns: int) -> None:
        """Continue a gap of an earlier run, which holds the slots up to `last_ns`."""
        state = self.states[gap.symbol]
        self._gaps[gap.symbol] = gap
        state.latest_ns = max(gap.from_ns, last_ns)
        state.accounted_ns = max(state.accounted_ns, last_ns + self.interval_ns)

    def _settle(self, gap: Gap, to_ns: int) -> list[ControlRecord]:
        """Close a gap of an earlier run: slots before `to_ns` lie in it."""
        state = self.states.get(gap.symbol)
        if state:
            state.accounted_ns = max(state.accounted_ns, to_ns)
        return [close_record(gap, to_ns)]
