"""Gaps of a stream: from the last frame that came to the first snapshot after, for each symbol of its own."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.ledger.polls import Cause, ControlRecord, Gap, close_record, open_record

Window = tuple[int, int]


class Reason(NamedTuple):
    """Why a symbol cannot be seen."""

    cause: Cause
    detail: str


NOT_YET = Reason("not_started", "no connection had been made yet")
ENDED_KEPT = 64
"""Of the ended streams of a symbol that another one still covers, how many are remembered: they matter only for the
seconds in which that other one may have been silent, unnoticed."""


class Tail(NamedTuple):
    """Up to when (wall ns) a connection is known to have brought all that was sent on it, and why not beyond."""

    until_ns: int
    reason: Reason


@dataclass(slots=True)
class _Symbol:
    since: dict[int, int] = field(default_factory=dict)
    """Connected streams that have delivered a snapshot, and when."""
    ended: tuple[Window, ...] = ()
    """What streams that have ended delivered since `accounted_ns`: from snapshot to last frame."""
    accounted_ns: int = 0
    """Up to here every moment is settled; from here on a connected stream is believed until it ends."""
    reason: Reason = NOT_YET
    gap: Gap | None = None

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
        self.ended = tuple(each for each in self.ended if each[1] > self.accounted_ns)
        return holes


class StreamLedger:
    """Which symbols of one feed are covered. Each method returns the control records to write. Times are wall ns.

    Inside a window each moment of each symbol is covered by a connection, or lies in exactly one gap [from_ns, to_ns).
    A symbol is covered from its snapshot on a connection to the last frame of that connection.
    """

    def __init__(self, run_id: str, feed: int, symbols: Iterable[str]) -> None:
        self.feed = feed
        self._run_id = run_id
        self._count = 0
        self._symbols = {symbol: _Symbol() for symbol in symbols}
        self._window: Window | None = None
        self._past: Window | None = None
        """The window that was closed last: of its end more may become known."""
        self._counted_ns = 0
        """Up to here windows that were closed have counted."""

    @property
    def open_gaps(self) -> list[Gap]:
        return [state.gap for state in self._symbols.values() if state.gap]

    @property
    def symbols(self) -> list[str]:
        return list(self._symbols)

    def is_covered(self, symbol: str) -> bool:
        """Whether a connection delivers the symbol now."""
        return bool(self._symbols[symbol].since)

    def open_window(self, window: Window) -> list[ControlRecord]:
        """From now on the window counts: what was not covered since its opening is a gap.

        A window that was left before its end, and is now another, goes on where it was left.
        """
        self._window = window
        begins_ns = max(window[0], self._counted_ns)
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if not state.since:
                records += self._begin(symbol, state, begins_ns)
            elif state.accounted_ns > begins_ns:
                records += self._note(symbol, state, (begins_ns, state.accounted_ns))
        return records

    def miss_window(self, window: Window, reason: Reason) -> list[ControlRecord]:
        """A window that opened and closed while nobody looked: a gap, whatever the connections believe."""
        self._past = window
        hole = (max(window[0], self._counted_ns), window[1])
        self._counted_ns = max(self._counted_ns, window[1])
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if hole[0] < hole[1]:
                records += self._note(symbol, state, hole, reason)
            state.accounted_ns = max(state.accounted_ns, window[1])
        return records

    def resume_window(self, window: Window, seen_until: dict[str, int], reason: Reason) -> list[ControlRecord]:
        """Go on in a window of which an earlier run of the recorder saw each symbol up to a moment."""
        self._window = window
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if state.gap is None:
                records += self._begin(symbol, state, max(window[0], seen_until.get(symbol, 0)), reason)
        return records

    def adopt(self, gap: Gap) -> None:
        """Go on with a gap that an earlier run left open."""
        self._symbols[gap.symbol].gap = gap

    def close_window(self, at_ns: int | None = None) -> list[ControlRecord]:
        """End all gaps with the window, or at `at_ns` when it is left before."""
        if self._window is None:
            return []
        opens, closes = self._window
        ends_ns = closes if at_ns is None else min(at_ns, closes)
        records = [record for state in self._symbols.values() for record in self._end(state, ends_ns)]
        self._window, self._past = None, (opens, ends_ns)
        self._counted_ns = max(self._counted_ns, ends_ns)
        return records

    def cover(self, symbol: str, stream: int, wall_ns: int) -> list[ControlRecord]:
        """The symbol's snapshot came on this stream."""
        state = self._symbols[symbol]
        if not state.since:
            state.accounted_ns, state.ended = wall_ns, ()
        state.since.setdefault(stream, wall_ns)
        return self._end(state, wall_ns)

    def lose(self, stream: int, last_ns: int, reason: Reason, tail: Tail | None = None) -> list[ControlRecord]:
        """The connection of this stream has ended; its last frame came at `last_ns`.

        After the window's close `tail` counts instead: what may be missing of the window's end is a gap of its own.
        """
        if tail and self._window is None:
            last_ns, reason = tail
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            begun = state.since.pop(stream, None)
            if begun is None:
                continue
            state.ended = (*state.ended, (begun, max(begun, last_ns)))[-ENDED_KEPT:]
            # Another stream may have taken over only after this one had fallen silent.
            believed_ns = min(state.since.values(), default=max(last for _, last in state.ended))
            for hole in state.settle(believed_ns):
                records += self._note(symbol, state, hole, reason)
            if not state.since:
                state.reason = reason
                if self._window:
                    records += self._begin(symbol, state, state.accounted_ns)
                elif self._past:
                    records += self._note(symbol, state, (state.accounted_ns, self._past[1]))
        return records

    def explain(self, symbols: Iterable[str], at_ns: int, reason: Reason) -> list[ControlRecord]:
        """Those of the symbols that are not covered have another reason for it from `at_ns` on."""
        records: list[ControlRecord] = []
        for symbol in symbols:
            state = self._symbols[symbol]
            if state.since:
                continue
            state.reason = reason
            gap = state.gap
            if gap and gap.cause != reason.cause:
                records += self._end(state, at_ns)
                records += self._begin(symbol, state, max(at_ns, gap.from_ns))
        return records

    def step(self, delta_ns: int, wall_ns: int) -> list[ControlRecord]:
        """The wall clock was set by `delta_ns` to `wall_ns`: what it skipped was not seen."""
        before_ns = wall_ns - delta_ns
        self._counted_ns = min(self._counted_ns, wall_ns)
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if delta_ns < 0:
                state.accounted_ns = min(state.accounted_ns, wall_ns)
                state.since = {stream: min(since, wall_ns) for stream, since in state.since.items()}
                state.ended = tuple((begun, min(last, wall_ns)) for begun, last in state.ended if begun < wall_ns)
            elif state.since:
                skipped = Reason("clock_step", "the clock was set forward")
                records += self._note(symbol, state, (before_ns, wall_ns), skipped)
                state.accounted_ns, state.ended = wall_ns, ()
                state.since = dict.fromkeys(state.since, wall_ns)
            if state.gap and delta_ns < 0:
                reason = Reason(state.gap.cause, state.gap.detail)
                records += self._end(state, before_ns)
                records += self._begin(symbol, state, wall_ns, reason)
        return records

    def _begin(self, symbol: str, state: _Symbol, from_ns: int, reason: Reason | None = None) -> list[ControlRecord]:
        if self._window is None:
            return []
        from_ns = max(from_ns, self._window[0])
        if from_ns >= self._window[1]:
            return []
        state.gap = self._new_gap(symbol, from_ns, reason or state.reason)
        return [open_record(state.gap, self.feed)]

    def _note(self, symbol: str, state: _Symbol, hole: Window, reason: Reason | None = None) -> list[ControlRecord]:
        """A gap that is over when it is found, in the window or in the one before."""
        window = self._window or self._past
        if window is None or hole[1] <= window[0] or hole[0] >= window[1]:
            return []
        gap = self._new_gap(symbol, max(hole[0], window[0]), reason or state.reason)
        return [open_record(gap, self.feed), close_record(gap, min(hole[1], window[1]))]

    def _new_gap(self, symbol: str, from_ns: int, reason: Reason) -> Gap:
        self._count += 1
        return Gap(f"{self._run_id}-{self.feed}-{self._count}", symbol, from_ns, *reason)

    def _end(self, state: _Symbol, to_ns: int) -> list[ControlRecord]:
        gap, state.gap = state.gap, None
        if gap is None:
            return []
        limit_ns = self._window[1] if self._window else to_ns
        return [close_record(gap, min(to_ns, limit_ns))]
