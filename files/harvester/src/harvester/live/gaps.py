"""The gaps of today as the journal has them: what the recorder knows that it did not see."""

from dataclasses import dataclass, field
from typing import Any

from harvester.journal.format import FEED_NAMES, FYERS_REST, Record, decode_control


@dataclass
class LiveGap:
    """[from_ns, to_ns) in wall ns; `to_ns` is None while it lasts."""

    symbols: list[str]
    feed: str
    cause: str
    from_ns: int
    to_ns: int | None = None


@dataclass
class LiveGaps:
    """By the recorder's own numbers."""

    _gaps: dict[str, LiveGap] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take in a control record; one that is no gap, or cannot be read, changes nothing."""
        if b"gap_" not in record.payload:
            return
        value = decode_control(record.payload) or {}
        try:
            if value.get("type") == "gap_open":
                self._gaps[str(value["gap_id"])] = _read(value)
            elif value.get("type") == "gap_close" and (gap := self._gaps.get(str(value["gap_id"]))):
                gap.to_ns = int(value["to_ns"])
        except (KeyError, TypeError, ValueError):
            return

    def of(self, symbol: str) -> list[LiveGap]:
        """Those of a symbol, by their begin."""
        found = [gap for gap in self._gaps.values() if symbol in gap.symbols]
        return sorted(found, key=lambda gap: gap.from_ns)


def _read(value: dict[str, Any]) -> LiveGap:
    feed = FEED_NAMES.get(value.get("feed", FYERS_REST), "")
    return LiveGap([str(symbol) for symbol in value["symbols"]], feed, str(value["cause"]), int(value["from_ns"]))
