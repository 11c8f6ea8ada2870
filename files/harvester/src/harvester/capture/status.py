"""The recorder's state as one JSON file, replaced whole about once a second; what `harvester health` reads."""

import json
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.base.clock import NS_PER_MS
from harvester.base.errors import UnhealthyError
from harvester.base.files import replace_file
from harvester.journal.format import FEED_NAMES, FYERS_REST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.capture.streams.feed import StreamFeed

KEPT = 5000
POLLS = FEED_NAMES[FYERS_REST]


@dataclass
class SymbolStatus:
    """Counters of one symbol since the start of the recorder. Times are wall ns."""

    updates: int = 0
    slots: int = 0
    accounted_ns: int = 0
    """Up to where each slot is known to have data or a gap."""
    last_recv_ns: int | None = None
    last_http: int | None = None
    last_error: str = ""

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def describe_symbols(polled: dict[str, SymbolStatus], streams: "Sequence[StreamFeed]") -> dict[str, Any]:
    """Each symbol of any feed: what came in all, and what of it by which socket."""
    symbols = {
        name: symbol.describe() | {"feeds": {POLLS: {"updates": symbol.updates, "last_recv_ns": symbol.last_recv_ns}}}
        for name, symbol in polled.items()
    }
    for feed in streams:
        tallies = feed.tallies()
        for name in feed.ledger.symbols:
            tally = tallies.get(name)
            last_ns = tally.last_ns or None if tally else None
            updates = tally.updates if tally else 0
            whole = symbols.setdefault(name, SymbolStatus().describe() | {"feeds": {}})
            whole["feeds"][feed.name] = {"updates": updates, "last_recv_ns": last_ns}
            whole["updates"] += updates
            whole["last_recv_ns"] = max(whole["last_recv_ns"] or 0, last_ns or 0) or None
    return symbols


class Deviations:
    """How late requests started, in ns: the last few thousand for percentiles, and the largest since the start."""

    def __init__(self) -> None:
        self._recent = array("q")
        self._next = 0
        self._largest = 0

    def add(self, deviation_ns: int) -> None:
        """Take in one request's start minus its schedule."""
        size = abs(deviation_ns)
        self._largest = max(self._largest, size)
        if len(self._recent) < KEPT:
            self._recent.append(size)
        else:
            self._recent[self._next] = size
            self._next = (self._next + 1) % KEPT

    def describe(self) -> dict[str, float | None]:
        """p50, p99 and max in milliseconds; None before the first request."""
        ordered = sorted(self._recent)
        if not ordered:
            return {"p50": None, "p99": None, "max": None}
        last = len(ordered) - 1
        return {
            "p50": round(ordered[last // 2] / NS_PER_MS, 3),
            "p99": round(ordered[last * 99 // 100] / NS_PER_MS, 3),
            "max": round(self._largest / NS_PER_MS, 3),
        }


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace the file in one step; it lives in memory-backed /run, so it is not synced. Raises OSError."""
    replace_file(path, json.dumps(status), synced=False)


def read_status(path: Path) -> dict[str, Any]:
    """The last state published. Raises UnhealthyError where there is none."""
    try:
        status = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UnhealthyError(
            f"{path}: the recorder has not published its state, so it is not running. Start it with ./inv start, and"
            " see why it stopped with ./inv logs."
        ) from None
    except (OSError, ValueError) as error:
        raise UnhealthyError(f"{path}: the recorder's state cannot be read: {error}.") from error
    if not isinstance(status, dict):
        raise UnhealthyError(f"{path}: not a recorder's state.")
    return status
