"""The ledger of a streamed feed: a gap runs from the last frame that came to the next snapshot, for each symbol."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.ledger.gaps import ControlRecord, FeedHistory, Gap, Ledger, Window, close_record
from harvester.ledger.outage import ENDED, LATE, Outage

NOT_YET = Outage("not_started", "no connection had been made yet")
STEP = Outage("clock_step", "the clock was set forward")
ENDED_KEPT = 64
"""Most ended streams remembered of a symbol that another stream still delivers. They matter only for the seconds in
which that other stream may have been stale without anybody noticing."""


class Tail(NamedTuple):
    """Up to when (wall ns) a connection is known to have brought all that was sent on it, and why not beyond."""

    until_ns: int
    outage: Outage


@dataclass(slots=True)
class _Symbol:
    since: dict[int, int] = field(default_factory=dict)
    """Connected streams that have delivered a snapshot, and when."""
    ended: tuple[Window, ...] = ()
    """What ended streams delivered since `accounted_ns`: from snapshot to last frame."""
    accounted_ns: int = 0
    """Up to here every moment is settled; from here on a connected stream counts as live until it ends."""
    outage: Outage = NOT_YET

    def settle(self, until_ns: int) -> list[Window]:
        """The stretches up to `until_ns` that no ended stream delivered."""
        holes = []
        for begun, last in sorted(self.ended):
            if self.accounted_ns < min(begun, until_ns):
                holes.append((self.accounted_ns, min(begun, until_ns)))
            self.accounted_ns = max(self.accounted_ns, min(last, until_ns))
        if self.accounted_ns < until_ns:
            holes.append((self.accounted_ns, until_ns))
            self.accounted_ns = until_ns
        self.ended = tuple([each for each in self.ended if each[1] > self.accounted_ns])
        return holes


class StreamLedger(Ledger):
    """Accounts for the symbols of one streamed feed. Times are wall ns.

    A symbol is live from its snapshot on a connection to the last frame of that connection.
    """

    def __init__(self, run_id: str, feed: int, symbols: Iterable[str]) -> None:
        super().__init__(run_id, feed)
        self._states = {symbol: _Symbol() for symbol in symbols}
        self._past: Window | None = None
        """The window that was closed last: of its end more may become known."""
        self._counted_ns = 0
        """Up to here closed windows are accounted for."""

    @property
    def open_gaps(self) -> list[Gap]:
        return [self._gaps[symbol] for symbol in self._states if symbol in self._gaps]

    @property
    def symbols(self) -> list[str]:
        return list(self._states)

    def is_live(self, symbol: str) -> bool:
        """Whether a connection delivers the symbol now."""
        return bool(self._states[symbol].since)

    def open_window(self, window: Window) -> list[ControlRecord]:
        """A symbol that is not live is in a gap from the opening on, or from where this window was left before."""
        self.window = window
        begins_ns = max(window[0], self._counted_ns)
        records: list[ControlRecord] = []
        for symbol, state in self._states.items():
            if not state.since:
                records += self._begin(symbol, begins_ns)
            elif state.accounted_ns > begins_ns:
                records += self._note(symbol, (begins_ns, state.accounted_ns))
        return records

    def close_window(self, at_ns: int) -> list[ControlRecord]:
        if self.window is None:
            return []
        ends_ns = min(at_ns, self.window[1])
        records = [record for symbol in self._states for record in self._end(symbol, ends_ns)]
        self._past, self.window = (self.window[0], ends_ns), None
        self._counted_ns = max(self._counted_ns, ends_ns)
        return records

    def miss_window(self, window: Window, outage: Outage) -> list[ControlRecord]:
        """The whole window is a gap, also of symbols whose connection seemed to be live."""
        self._past = window
        begins_ns = max(window[0], self._counted_ns)
        self._counted_ns = max(self._counted_ns, window[1])
        records: list[ControlRecord] = []
        for symbol, state in self._states.items():
            if begins_ns < window[1]:
                records += self._note(symbol, (begins_ns, window[1]), outage)
            state.accounted_ns = max(state.accounted_ns, window[1])
        return records

    def resume(self, window: Window, history: FeedHistory, wall_ns: int) -> list[ControlRecord]:
        """Each symbol is in a gap from where an earlier run saw it last until its snapshot."""
        self.window = window
        records: list[ControlRecord] = []
        for gap in self._take_open(window, history):
            if gap.cause == "stopped" and gap.symbol in self._states:
                self._gaps[gap.symbol] = gap
            else:
                records.append(close_record(gap, self._end_past(gap, window, history, wall_ns)))
        outage = ENDED if history.last_wall_ns >= window[0] else LATE
        for symbol in self._states:
            if symbol not in self._gaps:
                records += self._begin(symbol, history.accounted.get(symbol, 0), outage)
        return records

    def step_clock(self, delta_ns: int, wall_ns: int) -> list[ControlRecord]:
        """What a step forward skipped was not seen; after a step back, moments come again."""
        before_ns = wall_ns - delta_ns
        self._counted_ns = min(self._counted_ns, wall_ns)
        records: list[ControlRecord] = []
        for symbol, state in self._states.items():
            if delta_ns < 0:
                state.accounted_ns = min(state.accounted_ns, wall_ns)
                state.since = {stream: min(since, wall_ns) for stream, since in state.since.items()}
                state.ended = tuple((begun, min(last, wall_ns)) for begun, last in state.ended if begun < wall_ns)
                if gap := self._gaps.get(symbol):
                    records += self._end(symbol, before_ns)
                    records += self._begin(symbol, wall_ns, Outage(gap.cause, gap.detail))
            elif state.since:
                records += self._note(symbol, (before_ns, wall_ns), STEP)
                state.accounted_ns, state.ended = wall_ns, ()
                state.since = dict.fromkeys(state.since, wall_ns)
        return records

    def mark_live(self, symbol: str, stream: int, wall_ns: int) -> list[ControlRecord]:
        """The symbol's snapshot came on this stream."""
        state = self._states[symbol]
        if not state.since:
            state.accounted_ns, state.ended = wall_ns, ()
        state.since.setdefault(stream, wall_ns)
        return self._end(symbol, wall_ns)

    def mark_lost(self, stream: int, last_ns: int, outage: Outage, tail: Tail | None = None) -> list[ControlRecord]:
        """The connection of this stream has ended; its last frame came at `last_ns`.

        After the window's close `tail` counts instead: what may be missing of the window's end is a gap of its own.
        """
        if tail and self.window is None:
            last_ns, outage = tail
        records: list[ControlRecord] = []
        for symbol, state in self._states.items():
            begun = state.since.pop(stream, None)
            if begun is None:
                continue
            state.ended = (*state.ended, (begun, max(begun, last_ns)))[-ENDED_KEPT:]
            # Another stream may have taken over only after this one had become stale.
            live_ns = min(state.since.values()) if state.since else max([last for _, last in state.ended])
            for hole in state.settle(live_ns):
                records += self._note(symbol, hole, outage)
            if not state.since:
                state.outage = outage
                if self.window:
                    records += self._begin(symbol, state.accounted_ns)
                elif self._past:
                    records += self._note(symbol, (state.accounted_ns, self._past[1]))
        return records

    def mark_quiet(self, symbols: Iterable[str], from_ns: int, to_ns: int) -> list[ControlRecord]:
        """Nothing of these symbols was missed in between, although nothing came: it counts as seen."""
        if self.window is None:
            return []
        from_ns, to_ns = max(from_ns, self.window[0]), min(to_ns, self.window[1])
        if from_ns >= to_ns:
            return []
        return [{"type": "quiet", "feed": self._feed, "symbols": list(symbols), "from_ns": from_ns, "to_ns": to_ns}]

    def mark_cause(self, symbols: Iterable[str], at_ns: int, outage: Outage) -> list[ControlRecord]:
        """Those of the symbols that are not live have another cause from `at_ns` on."""
        records: list[ControlRecord] = []
        for symbol in symbols:
            state, gap = self._states[symbol], self._gaps.get(symbol)
            if state.since:
                continue
            state.outage = outage
            if gap and gap.cause != outage.cause:
                records += self._end(symbol, at_ns)
                records += self._begin(symbol, max(at_ns, gap.from_ns))
        return records

    def _begin(self, symbol: str, from_ns: int, outage: Outage | None = None) -> list[ControlRecord]:
        """Open a gap in the window; none when `from_ns` is after its close."""
        if self.window is None or from_ns >= self.window[1]:
            return []
        return self._open_gap(symbol, max(from_ns, self.window[0]), outage or self._states[symbol].outage)

    def _end(self, symbol: str, to_ns: int) -> list[ControlRecord]:
        return self._close_gap(symbol, min(to_ns, self.window[1]) if self.window else to_ns)

    def _note(self, symbol: str, hole: Window, outage: Outage | None = None) -> list[ControlRecord]:
        """Record a gap whose end is known, cut to the window, or to the one before when none is open."""
        window = self.window or self._past
        if window is None or hole[1] <= window[0] or hole[0] >= window[1]:
            return []
        outage = outage or self._states[symbol].outage
        return self._note_gap(symbol, max(hole[0], window[0]), min(hole[1], window[1]), outage)
