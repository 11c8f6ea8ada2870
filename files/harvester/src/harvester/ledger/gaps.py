"""The protocol of both ledgers, and what they share: the window, the open gap of each symbol, and gap records."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harvester.ledger.outage import Cause, Outage

ControlRecord = dict[str, Any]
Window = tuple[int, int]
"""Open and close of a stretch that is recorded, in wall ns; the moment of the close is outside."""


class Gap(NamedTuple):
    """A stretch of one symbol, from `from_ns` (wall ns) on, that was not seen."""

    gap_id: str
    symbol: str
    from_ns: int
    cause: Cause
    detail: str


@dataclass
class FeedHistory:
    """What earlier runs of the day left in the journal of one feed. Times are wall ns."""

    accounted: dict[str, int] = field(default_factory=dict)
    """Up to this moment each symbol was seen or lies in a closed gap."""
    opened: dict[str, Gap] = field(default_factory=dict)
    """Gaps by their id that no record closed."""
    last_wall_ns: int = 0
    """When an earlier run last journalled anything of any feed; 0: no run before today."""

    def account(self, symbol: str, until_ns: int) -> None:
        """The symbol is accounted for up to this moment at least."""
        self.accounted[symbol] = max(self.accounted.get(symbol, 0), until_ns)


class Ledger(ABC):
    """Accounts for the symbols of one feed: inside a window each moment was seen or lies in exactly one gap.

    A gap is [from_ns, to_ns). All times are wall ns. Each method returns the control records to write, in order.
    """

    def __init__(self, run_id: str, feed: int | None = None) -> None:
        """`feed` is its number in gap records; None for polls, whose records carry none."""
        self.window: Window | None = None
        """The window that is recorded now."""
        self.others: Collection[str] = ()
        """Symbols of the feed that another ledger accounts for."""
        self._feed = feed
        self._prefix = run_id if feed is None else f"{run_id}-{feed}"
        self._count = 0
        self._gaps: dict[str, Gap] = {}

    @property
    def open_gaps(self) -> list[Gap]:
        return list(self._gaps.values())

    def checkpoint(self) -> dict[str, Any]:
        """What a later start needs to know, as JSON data."""
        return {"open": list(map(list, self.open_gaps))}

    @abstractmethod
    def open_window(self, window: Window) -> list[ControlRecord]:
        """The window is recorded from now on. One that was left before its close continues where it was left."""

    @abstractmethod
    def close_window(self, at_ns: int) -> list[ControlRecord]:
        """End all gaps with the window, or at `at_ns` when it is left before its close."""

    @abstractmethod
    def miss_window(self, window: Window, outage: Outage) -> list[ControlRecord]:
        """Account for a window that opened and closed unobserved; `close_window` follows."""

    @abstractmethod
    def step_clock(self, delta_ns: int, wall_ns: int) -> list[ControlRecord]:
        """The wall clock was set by `delta_ns`, and is at `wall_ns` now."""

    @abstractmethod
    def resume(self, window: Window, history: FeedHistory, wall_ns: int) -> list[ControlRecord]:
        """At a start at `wall_ns`, account for the absence in a window that is open now, or has closed meanwhile.

        A gap of a symbol that is recorded no more ends with the run that died in it or, after a stop, with this start;
        `history` is told, for the run that records the symbol again.
        """

    def _take_open(self, window: Window, history: FeedHistory) -> Iterator[Gap]:
        """Remove from `history` the gaps that began in the window and were never closed."""
        for gap in list(history.opened.values()):
            if window[0] <= gap.from_ns < window[1] and gap.symbol not in self.others:
                yield history.opened.pop(gap.gap_id)

    def _end_past(self, gap: Gap, window: Window, history: FeedHistory, stopped_ns: int) -> int:
        """Where a gap of an earlier run ends that this one does not go on with; one of a stop, at `stopped_ns`."""
        until_ns = stopped_ns if gap.cause == "stopped" else history.last_wall_ns
        ends_ns = min(max(gap.from_ns, until_ns), window[1])
        history.account(gap.symbol, ends_ns)
        return ends_ns

    def _open_gap(self, symbol: str, from_ns: int, outage: Outage) -> list[ControlRecord]:
        gap = self._gaps[symbol] = self._new_gap(symbol, from_ns, outage)
        return [self._open_record(gap)]

    def _close_gap(self, symbol: str, to_ns: int) -> list[ControlRecord]:
        """Close the symbol's gap, if one is open."""
        gap = self._gaps.pop(symbol, None)
        return [close_record(gap, to_ns)] if gap else []

    def _note_gap(self, symbol: str, from_ns: int, to_ns: int, outage: Outage) -> list[ControlRecord]:
        """Record a gap whose end is known already."""
        gap = self._new_gap(symbol, from_ns, outage)
        return [self._open_record(gap), close_record(gap, to_ns)]

    def _new_gap(self, symbol: str, from_ns: int, outage: Outage) -> Gap:
        self._count += 1
        return Gap(f"{self._prefix}-{self._count}", symbol, from_ns, *outage)

    def _open_record(self, gap: Gap) -> ControlRecord:
        record: ControlRecord = {
            "type": "gap_open",
            "gap_id": gap.gap_id,
            "symbols": [gap.symbol],
            "from_ns": gap.from_ns,
            "cause": gap.cause,
            "detail": gap.detail,
        }
        if self._feed is not None:
            record["feed"] = self._feed
        return record


def close_record(gap: Gap, to_ns: int) -> ControlRecord:
    """The control record that closes a gap, never before it began."""
    return {"type": "gap_close", "gap_id": gap.gap_id, "to_ns": max(to_ns, gap.from_ns)}
