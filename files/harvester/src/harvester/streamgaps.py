"""Gaps of a stream: from the last frame that came to the first snapshot after, for each symbol of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from harvester.gaps import Cause, ControlRecord, Gap, close_record, open_record

Window = tuple[int, int]


class Reason(NamedTuple):
    """Why a symbol cannot be seen."""

    cause: Cause
    detail: str


NOT_YET = Reason("not_started", "no connection had been made yet")


@dataclass(slots=True)
class _Symbol:
    streams: int = 0
    """Bit n: stream n has delivered a snapshot and is connected."""
    since_ns: int = 0
    until_ns: int = 0
    """Last evidence of a connection that has ended."""
    reason: Reason = NOT_YET
    gap: Gap | None = None


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

    @property
    def open_gaps(self) -> list[Gap]:
        return [state.gap for state in self._symbols.values() if state.gap]

    @property
    def symbols(self) -> list[str]:
        return list(self._symbols)

    def is_covered(self, symbol: str) -> bool:
        """Whether a connection delivers the symbol now."""
        return self._symbols[symbol].streams != 0

    def open_window(self, window: Window) -> list[ControlRecord]:
        """From now on the window counts, as a whole: what was not covered since its opening is a gap."""
        self._window = window
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if not state.streams:
                records += self._begin(symbol, state, window[0])
            elif state.since_ns > window[0]:
                records += self._begin(symbol, state, window[0])
                records += self._end(state, state.since_ns)
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

    def close_window(self) -> list[ControlRecord]:
        """End all gaps with the window."""
        window, self._window = self._window, None
        if window is None:
            return []
        return [record for state in self._symbols.values() for record in self._end(state, window[1])]

    def cover(self, symbol: str, stream: int, wall_ns: int) -> list[ControlRecord]:
        """The symbol's snapshot came on this stream."""
        state = self._symbols[symbol]
        if not state.streams:
            state.since_ns = wall_ns
        state.streams |= 1 << stream
        return self._end(state, wall_ns)

    def lose(self, stream: int, last_ns: int, reason: Reason) -> list[ControlRecord]:
        """The connection of this stream has ended; its last frame came at `last_ns`."""
        bit = 1 << stream
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            if state.streams & bit:
                state.streams &= ~bit
                state.until_ns = max(state.until_ns, last_ns)
                if not state.streams:
                    state.reason = reason
                    records += self._begin(symbol, state, max(state.until_ns, state.since_ns))
        return records

    def explain(self, symbols: Iterable[str], at_ns: int, reason: Reason) -> list[ControlRecord]:
        """Those of the symbols that are not covered have another reason for it from `at_ns` on."""
        records: list[ControlRecord] = []
        for symbol in symbols:
            state = self._symbols[symbol]
            if state.streams:
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
        records: list[ControlRecord] = []
        for symbol, state in self._symbols.items():
            state.until_ns = min(state.until_ns, wall_ns)
            state.since_ns = min(state.since_ns, wall_ns)
            if state.streams and delta_ns > 0:
                records += self._begin(symbol, state, before_ns, Reason("clock_step", "the clock was set forward"))
                records += self._end(state, wall_ns)
            elif state.gap and delta_ns < 0:
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
        self._count += 1
        state.gap = Gap(f"{self._run_id}-{self.feed}-{self._count}", symbol, from_ns, *(reason or state.reason))
        return [open_record(state.gap, self.feed)]

    def _end(self, state: _Symbol, to_ns: int) -> list[ControlRecord]:
        gap, state.gap = state.gap, None
        if gap is None:
            return []
        limit_ns = self._window[1] if self._window else to_ns
        return [close_record(gap, min(to_ns, limit_ns))]
