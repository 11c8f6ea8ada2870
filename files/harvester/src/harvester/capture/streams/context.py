"""What all connections of a streamed feed share."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

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

    def mark_live(self, symbol: str, stream: int, wall_ns: int) -> None:
        self.sink.write_all(self.ledger.mark_live(symbol, stream, wall_ns))

    def mark_lost(self, stream: int, last_ns: int, outage: Outage, tail: Tail) -> None:
        self.sink.write_all(self.ledger.mark_lost(stream, last_ns, outage, tail))

    def mark_cause(self, symbols: Iterable[str], at_ns: int, outage: Outage) -> None:
        self.sink.write_all(self.ledger.mark_cause(symbols, at_ns, outage))
