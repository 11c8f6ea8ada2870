"""What the parts of one recorder share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harvester.base.clock import Clock
from harvester.base.monitors import ClockMonitor
from harvester.brokers.access import Access
from harvester.brokers.protocol import TokenProver
from harvester.calendar import NSE_CASH, SegmentName
from harvester.calendar.segments import in_order
from harvester.capture.pulse import Pulse
from harvester.capture.sink import JournalSink
from harvester.config.settings import Settings
from harvester.journal.format import RunInfo


@dataclass
class TradingState:
    """State that the recorder's loop shares with the connections of all feeds."""

    since_ns: dict[str, int] = field(default_factory=dict)
    """Monotonic ns since when continuous trading is on in a segment, so that data must be flowing; where it is not, the
    segment has none."""
    is_token_doubted: bool = False
    """Set when a socket refused the token, and when it must be proven for another reason: the recorder then proves it
    by a REST call, whose answer is specific. It stays set until the call goes out."""
    pulses: list[Pulse] = field(default_factory=list)
    """Of all groups of streamed feeds that are wanted."""


@dataclass
class RecorderContext:
    """Made once; the parts of the recorder are given it whole."""

    settings: Settings
    run: RunInfo
    clock: Clock
    client: TokenProver
    sink: JournalSink
    access: Access
    watch: ClockMonitor = field(default_factory=ClockMonitor)
    trading: TradingState = field(default_factory=TradingState)
    segments: Mapping[str, SegmentName] = field(default_factory=dict)
    """Of each symbol that is recorded; of NSE cash are those that it does not name."""
    refused: Mapping[str, SegmentName] = field(default_factory=dict)
    """Symbols that are not recorded, because their segment has no hours in the calendar."""

    def split(self, symbols: Iterable[str]) -> dict[SegmentName, list[str]]:
        """The symbols by segment; every recorded segment has an entry."""
        found: dict[SegmentName, list[str]] = {segment: [] for segment in self.recorded}
        for symbol in symbols:
            found[self.segments.get(symbol, NSE_CASH)].append(symbol)
        return found

    @property
    def recorded(self) -> list[SegmentName]:
        """The segments of all symbols, each once."""
        return in_order(self.segments.get(symbol, NSE_CASH) for symbol in self.settings.all_symbols)
