"""What all connections of a socket feed share: the journal, the ledger, the token, the clock, the session."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from harvester.base.clock import Clock
from harvester.brokers.fyers.access import Gate
from harvester.capture.sink import Capture
from harvester.capture.streams.trading_state import SessionWatch
from harvester.ledger.streams import Reason, StreamLedger, Tail


@dataclass
class Desk:
    """One feed's surroundings."""

    feed: int
    capture: Capture
    ledger: StreamLedger
    gate: Gate
    clock: Clock
    tls: ssl.SSLContext
    mute_ns: int
    session: SessionWatch

    def cover(self, symbol: str, stream: int, wall_ns: int) -> None:
        self.capture.write_all(self.ledger.cover(symbol, stream, wall_ns))

    def lose(self, stream: int, last_ns: int, reason: Reason, tail: Tail) -> None:
        self.capture.write_all(self.ledger.lose(stream, last_ns, reason, tail))

    def explain(self, symbols: Iterable[str], at_ns: int, reason: Reason) -> None:
        self.capture.write_all(self.ledger.explain(symbols, at_ns, reason))
