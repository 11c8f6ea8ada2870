"""What the parts of one recorder share."""

from dataclasses import dataclass, field

from harvester.base.clock import Clock
from harvester.base.monitors import ClockMonitor
from harvester.brokers.access import Access
from harvester.brokers.protocol import PollClient
from harvester.capture.sink import JournalSink
from harvester.config.settings import Settings
from harvester.journal.format import RunInfo


@dataclass
class TradingState:
    """State that the recorder's loop shares with the connections of all feeds."""

    since_ns: int | None = None
    """Monotonic ns since when continuous trading is on, so that data must be flowing; None: it is not."""
    is_token_doubted: bool = False
    """Set when a socket refused the token, and when it must be proven for another reason: the recorder then proves it
    by a REST call, whose answer is specific. It stays set until the call goes out."""


@dataclass
class RecorderContext:
    """Made once; the parts of the recorder are given it whole."""

    settings: Settings
    run: RunInfo
    clock: Clock
    client: PollClient
    sink: JournalSink
    access: Access
    watch: ClockMonitor = field(default_factory=ClockMonitor)
    trading: TradingState = field(default_factory=TradingState)
