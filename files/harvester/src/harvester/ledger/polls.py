"""Open gaps of the running recorder: one per symbol at most, opened at the first slot without data."""

from typing import Any, Literal, NamedTuple

Cause = Literal[
    "not_started",
    "not_running",
    "no_token",
    "token_refused",
    "disconnect",
    "timeout",
    "rate_limited",
    "server_error",
    "bad_response",
    "stall",
    "clock_step",
    "disk_full",
    "exchange_halt",
    "stopped",
    "mute",
    "no_snapshot",
    "sequence_break",
    "refused",
    "slow_consumer",
    "unknown",
]
ControlRecord = dict[str, Any]


class Gap(NamedTuple):
    """A stretch of slots of one symbol that has no data, from `from_ns` on."""

    gap_id: str
    symbol: str
    from_ns: int
    cause: Cause
    detail: str


class GapTracker:
    """Turns "this slot has data, that one has none" into gap_open and gap_close records, both in scheduled wall ns.

    Every slot reported bad lies in exactly one gap [from_ns, to_ns), every slot reported good in none, and a slot that
    was not reported yet in none either: it may be reported late, after later ones. `close_all` ends a row (a window, or
    the stretch up to a clock step).
    """

    def __init__(self, run_id: str, interval_ns: int) -> None:
        self._run_id = run_id
        self._interval_ns = interval_ns
        self._count = 0
        self._open: dict[str, Gap] = {}
        self._latest: dict[str, int] = {}

    @property
    def open_gaps(self) -> list[Gap]:
        return list(self._open.values())

    def adopt(self, gap: Gap, last_ns: int) -> None:
        """Go on with a gap that an earlier run left open; slots up to `last_ns` are known to lie in it."""
        self._open[gap.symbol] = gap
        self._latest[gap.symbol] = max(gap.from_ns, last_ns)

    def report_good(self, symbol: str, slot_ns: int) -> list[ControlRecord]:
        """The slot has data: close the symbol's gap, if one is open."""
        if self._is_late(symbol, slot_ns):
            return []
        records = self._end(symbol, slot_ns)
        self._latest[symbol] = slot_ns
        return records

    def report_bad(self, symbol: str, slots: tuple[int, int], cause: Cause, detail: str) -> list[ControlRecord]:
        """The slots from the first to the last have no data: open a gap, or go on with the one right before them."""
        first_ns, last_ns = slots
        if self._is_late(symbol, first_ns):
            gap = self._new_gap(symbol, first_ns, cause, detail)
            return [open_record(gap), close_record(gap, last_ns + self._interval_ns)]
        before = self._open.get(symbol)
        goes_on = before and before.cause == cause and first_ns <= self._latest[symbol] + self._interval_ns
        records = [] if goes_on else self._end(symbol, first_ns)
        self._latest[symbol] = last_ns
        if goes_on:
            return records
        opened = self._open[symbol] = self._new_gap(symbol, first_ns, cause, detail)
        return [*records, open_record(opened)]

    def close_all(self, limit_ns: int | None = None) -> list[ControlRecord]:
        """Close every gap behind its last bad slot, but not later than `limit_ns` (the close of the window)."""
        records = [record for symbol in list(self._open) for record in self._end(symbol, limit_ns)]
        self._latest.clear()
        return records

    def _end(self, symbol: str, limit_ns: int | None = None) -> list[ControlRecord]:
        """Close the symbol's gap, if one is open, behind its last bad slot."""
        gap = self._open.pop(symbol, None)
        if gap is None:
            return []
        end_ns = self._latest[symbol] + self._interval_ns
        return [close_record(gap, end_ns if limit_ns is None else min(end_ns, limit_ns))]

    def _is_late(self, symbol: str, slot_ns: int) -> bool:
        return slot_ns < self._latest.get(symbol, slot_ns)

    def _new_gap(self, symbol: str, slot_ns: int, cause: Cause, detail: str) -> Gap:
        self._count += 1
        return Gap(f"{self._run_id}-{self._count}", symbol, slot_ns, cause, detail)


def open_record(gap: Gap, feed: int | None = None) -> ControlRecord:
    """The control record that opens a gap; `feed` is its number, left out for polls."""
    return {
        "type": "gap_open",
        "gap_id": gap.gap_id,
        "symbols": [gap.symbol],
        "from_ns": gap.from_ns,
        "cause": gap.cause,
        "detail": gap.detail,
    } | ({} if feed is None else {"feed": feed})


def close_record(gap: Gap, to_ns: int) -> ControlRecord:
    """The control record that closes a gap, never before it began."""
    return {"type": "gap_close", "gap_id": gap.gap_id, "to_ns": max(to_ns, gap.from_ns)}
