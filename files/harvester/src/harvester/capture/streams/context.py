"""What all connections of a streamed feed share."""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

from harvester.base.clock import Clock
from harvester.brokers.access import Access
from harvester.capture.context import TradingState
from harvester.capture.sink import JournalSink
from harvester.ledger.outage import Outage
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import Tail


@dataclass
class FeedContext:
    """What the connections of one feed share."""

    feed: int
    sink: JournalSink
    ledger: SegmentLedgers
    access: Access
    clock: Clock
    tls: ssl.SSLContext
    stale_ns: int
    trading: TradingState
    is_text: bool = False
    """The server sends its data in text messages."""
    has_heartbeats: bool = False
    """The server shows unasked, more often than once in `stale_ns`, that a connection lives. No second connection is
    then asked whether a silence of its data was the market's."""
    replacing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a connection is replaced: the broker allows few, so that there is one more at a time."""

    def mark_live(self, symbol: str, stream: int, wall_ns: int) -> None:
        self.sink.write_all(self.ledger.mark_live(symbol, stream, wall_ns))

    def mark_lost(self, stream: int, last_ns: int, outage: Outage, tail: Tail) -> None:
        self.sink.write_all(self.ledger.mark_lost(stream, last_ns, outage, tail))

    def mark_quiet(self, symbols: Iterable[str], from_ns: int, to_ns: int) -> None:
        self.sink.write_all(self.ledger.mark_quiet(symbols, from_ns, to_ns))

    def mark_cause(self, symbols: Iterable[str], at_ns: int, outage: Outage) -> None:
        self.sink.write_all(self.ledger.mark_cause(symbols, at_ns, outage))
