"""What a journal says of the sockets: connections with their messages, and the gaps of each symbol."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.journal.format import CONTROL, DATA, FYERS_REST, decode_control
from harvester.journal.reader import read_segment

NEVER = 1 << 62


@dataclass
class Connection:
    """From one connect record to the end of it."""

    feed: int
    stream: int
    symbols: list[str]
    attempt: int
    topics: dict[str, str]
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    """(wall ns, payload)"""
    end: dict[str, Any] | None = None
    """The disconnect record."""

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.messages]


class Audit:
    """Reads the whole journal of a test."""

    def __init__(self, journal: Path) -> None:
        self.connections: list[Connection] = []
        self.timed: list[tuple[int, dict[str, Any]]] = []
        """Control records with their wall ns."""
        self.gaps: dict[str, dict[str, Any]] = {}
        self.polls = 0
        current: dict[tuple[int, int], Connection] = {}
        for path in sorted(journal.glob("*/*.*"), key=lambda path: path.name):
            for record in read_segment(path):
                if record.kind == DATA and record.feed == FYERS_REST:
                    self.polls += 1
                elif record.kind == DATA:
                    current[record.feed, record.stream].messages.append((record.wall_ns, record.payload))
                elif record.kind == CONTROL:
                    control = decode_control(record.payload) or {}
                    self.timed.append((record.wall_ns, control))
                    self._take(control, current)

    def _take(self, control: dict[str, Any], current: dict[tuple[int, int], Connection]) -> None:
        kind = control["type"]
        if kind == "connect":
            key = control["feed"], control["stream"]
            current[key] = Connection(*key, control["symbols"], control["attempt"], control.get("topics", {}))
            self.connections.append(current[key])
        elif kind == "disconnect":
            current[control["feed"], control["stream"]].end = control
        elif kind == "gap_open":
            self.gaps[control["gap_id"]] = {**control, "to_ns": NEVER}
        elif kind == "gap_close":
            self.gaps[control["gap_id"]]["to_ns"] = control["to_ns"]

    @property
    def controls(self) -> list[dict[str, Any]]:
        return [control for _, control in self.timed]

    def of(self, feed: int) -> list[Connection]:
        return [connection for connection in self.connections if connection.feed == feed]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [control for control in self.controls if control["type"] == kind]

    def gaps_of(self, symbol: str, feed: int) -> list[tuple[str, int, int]]:
        """(cause, from_ns, to_ns) of a symbol's gaps that are not empty, in order."""
        found = [
            (gap["cause"], gap["from_ns"], gap["to_ns"])
            for gap in self.gaps.values()
            if gap["symbols"] == [symbol] and gap.get("feed", FYERS_REST) == feed and gap["from_ns"] < gap["to_ns"]
        ]
        return sorted(found, key=lambda gap: gap[1])

    def causes(self, symbol: str, feed: int) -> list[str]:
        return [cause for cause, _, _ in self.gaps_of(symbol, feed)]

    def window(self) -> tuple[int, int]:
        """The one window that was opened."""
        opened = self.of_type("window_open")[0]
        return opened["open_ns"], opened["close_ns"]

    def check_gaps(self, symbol: str, feed: int) -> None:
        """Gaps of a symbol do not overlap, and lie in the window."""
        opens, closes = self.window()
        before = opens
        for _, from_ns, to_ns in self.gaps_of(symbol, feed):
            assert before <= from_ns
            assert to_ns == NEVER or to_ns <= closes
            before = to_ns
