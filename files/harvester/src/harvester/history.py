"""What earlier runs of the day left in the journal: how far each symbol is accounted for, and gaps still open."""

from pathlib import Path
from typing import Any

from harvester.gaps import Gap
from harvester.journal.format import CONTROL, DATA, FYERS_REST, POLL, decode_control
from harvester.journal.reader import read_segment


class DayHistory:
    """Read once at a start inside a session. Times are wall ns."""

    def __init__(self) -> None:
        self.last_slot: dict[str, int] = {}
        self.gaps_until: dict[str, int] = {}
        self.open_gaps: dict[str, Gap] = {}
        self.last_wall_ns = 0
        self._streams: dict[int, str] = {}

    def read(self, day_directory: Path) -> None:
        """Take in every sealed segment of the day, oldest first; damage is skipped."""
        for path in sorted(day_directory.glob("*.seg")):
            for record in read_segment(path):
                self.last_wall_ns = max(self.last_wall_ns, record.wall_ns)
                if record.kind == CONTROL:
                    self._take_control(decode_control(record.payload) or {})
                elif record.kind == DATA and record.feed == FYERS_REST and len(record.payload) >= POLL.size:
                    scheduled_ns = POLL.unpack_from(record.payload)[0]
                    symbol = self._streams.get(record.stream)
                    if symbol:
                        self.last_slot[symbol] = max(self.last_slot.get(symbol, 0), scheduled_ns)

    def _take_control(self, record: dict[str, Any]) -> None:
        kind = record.get("type")
        if kind == "segment":
            self._streams = {int(number): symbol for number, symbol in record["streams"].items()}
        elif kind == "gap_open":
            for symbol in record["symbols"]:
                gap_id = record["gap_id"]
                self.open_gaps[gap_id] = Gap(gap_id, symbol, record["from_ns"], record["cause"], record["detail"])
        elif kind == "gap_close":
            gap = self.open_gaps.pop(record["gap_id"], None)
            if gap:
                self.gaps_until[gap.symbol] = max(self.gaps_until.get(gap.symbol, 0), record["to_ns"])
