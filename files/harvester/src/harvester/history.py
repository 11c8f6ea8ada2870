"""What earlier runs of the day left in the journal: how far each symbol is accounted for, and gaps still open."""

from pathlib import Path
from typing import Any

from harvester.gaps import Gap
from harvester.journal.format import CONTROL, DATA, FYERS_REST, POLL, decode_control
from harvester.journal.reader import read_segment


class DayHistory:
    """Read once at a start. Times are wall ns. Segments may be out of order where the clock was set back."""

    def __init__(self) -> None:
        self.last_slot: dict[str, int] = {}
        self.last_wall_ns = 0
        self._streams: dict[int, str] = {}
        self._opened: dict[str, Gap] = {}
        self._closed: dict[str, int] = {}

    def read(self, day_directory: Path) -> None:
        """Take in every sealed segment of the day; damage is skipped."""
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

    @property
    def open_gaps(self) -> list[Gap]:
        """Gaps that nothing closed."""
        return [gap for gap_id, gap in self._opened.items() if gap_id not in self._closed]

    def gaps_until(self, symbol: str) -> int:
        """Where the last closed gap of the symbol ends; 0 when it has none."""
        ends = (to_ns for gap_id, to_ns in self._closed.items() if self._symbol_of(gap_id) == symbol)
        return max(ends, default=0)

    def _symbol_of(self, gap_id: str) -> str | None:
        gap = self._opened.get(gap_id)
        return gap.symbol if gap else None

    def _take_control(self, record: dict[str, Any]) -> None:
        kind = record.get("type")
        if kind == "segment":
            self._streams = {int(number): symbol for number, symbol in record["streams"].items()}
        elif kind == "gap_open":
            gap_id, symbol = record["gap_id"], record["symbols"][0]
            self._opened[gap_id] = Gap(gap_id, symbol, record["from_ns"], record["cause"], record["detail"])
        elif kind == "gap_close":
            self._closed[record["gap_id"]] = record["to_ns"]
