"""What all connections of a streamed feed share: journal, ledger, access, clock, and whether the market trades."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from harvester.base.clock import Clock
from harvester.brokers.access import Access
from harvester.capture.sink import JournalSink
from harvester.ledger.outage import Outage
from harvester.ledger.streams import StreamLedger, Tail


class TradingState:
    """What the recorder's loop and the connections of all feeds tell each other."""

    def __init__(self, clock: Clock) -> None:
        self.trading_since_ns: int | None = None
        """Monotonic ns since when continuous trading is on, so that data must be flowing; None: it is not."""
        self._is_token_doubted = False
        self._clock = clock

    def follow(self, *, trading: bool) -> None:
        """Say whether continuous trading is on now, inside a recorded window."""
        if not trading:
            self.trading_since_ns = None
        elif self.trading_since_ns is None:
            self.trading_since_ns = self._clock.mono_ns()

    def doubt_token(self) -> None:
        """A socket refused the token: have it proven by a REST call, whose answer says more."""
        self._is_token_doubted = True

    def take_doubt(self) -> bool:
        """Whether the token was doubted since the last call."""
        is_doubted, self._is_token_doubted = self._is_token_doubted, False
        return is_doubted


@dataclass
class FeedContext:
    """The surroundings of one feed's connections."""

    feed: int
    sink: JournalSink
    ledger: StreamLedger
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
