"""A feed of sockets of one group in this process, the broker at its other end, and a list for the journal."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.recorder.fakes import APP_ID, make_token
from tests.recorder.sockets import SocketBroker, until

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.redaction import Secret
from harvester.brokers.access import Access
from harvester.brokers.fyers.hsm import HsmSession
from harvester.brokers.fyers.hsm_wire import FEED
from harvester.brokers.fyers.tbt import TbtSession
from harvester.brokers.protocol import GroupPlan
from harvester.capture.context import TradingState
from harvester.capture.feed import Turn
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.feed import StreamFeed
from harvester.config.limits import RequestLimits
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.ledger.outage import STALL, Outage
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger
from harvester.net.websocket import WebSocket
from harvester.tokens.handover import Token

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
TOPICS = {"dp|nse_cm|3045": SBIN, "dp|nse_cm|1594": INFY}
BETWEEN = Outage("not_started", "between windows")
NEAR = Turn(0, 0, is_near=True, hold=None, late=STALL)
FAR = NEAR._replace(is_near=False)
FULL = Outage("disk_full", "7 bytes free")
DAY_NS = 86_400 * NS_PER_SECOND


class Journal:
    """Stands for the journal's sink: what was journalled, in order."""

    failure: str | None = None

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.data: list[tuple[int, int]] = []
        """Stream and wall ns of each message that has market data."""
        self.controls: list[dict[str, Any]] = []

    def append(self, feed: int, stream: int, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        self.messages.append(message)
        if feed == FYERS_TBT or message[2] == FEED:
            self.data.append((stream, wall_ns))
        return True

    def last_data_ns(self, stream: int, before_ns: int) -> int:
        """When the last data before a moment came on a stream."""
        return max(wall_ns for one, wall_ns in self.data if one == stream and wall_ns < before_ns)

    def write(self, record: dict[str, Any]) -> None:
        self.controls.append(record)

    def write_all(self, records: list[dict[str, Any]]) -> None:
        self.controls += records

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [control for control in self.controls if control["type"] == kind]

    @property
    def gaps(self) -> list[tuple[str, int, int]]:
        """Cause, from and to of SBIN's gaps that ended and are not empty."""
        ends = {close["gap_id"]: close["to_ns"] for close in self.of_type("gap_close")}
        found = [
            (gap["cause"], gap["from_ns"], ends[gap["gap_id"]])
            for gap in self.of_type("gap_open")
            if gap["symbols"] == [SBIN] and gap["gap_id"] in ends
        ]
        return [gap for gap in found if gap[1] < gap[2]]


class Stand:
    """A feed of one group, its context, and the broker at the other end."""

    def __init__(
        self,
        broker: SocketBroker,
        tls: ssl.SSLContext,
        *,
        redundant: bool = False,
        topics: dict[str, str] = TOPICS,
        path: str = "/hsm",
        stale_seconds: float = 60,
        may_overlap: bool = True,
        trading: TradingState | None = None,
        segment: str = "nse_cash",
    ) -> None:
        """`path` is that of the data socket, or of the 50-level socket; `trading` that of another feed beside."""
        self.broker = broker
        self.tls = tls
        self.path = path
        self.number = FYERS_HSM if path == "/hsm" else FYERS_TBT
        self.stale_ns = int(stale_seconds * NS_PER_SECOND)
        self.trading = trading or TradingState()
        self.journal = Journal()
        self.access = Access(RequestLimits(10, 100, 1000))
        clock = SystemClock()
        self.symbols = tuple(dict.fromkeys(topics.values()))
        self._names = set(topics if path == "/hsm" else self.symbols)
        self.ledger = StreamLedger("run", self.number, self.symbols)
        context = FeedContext(
            feed=self.number,
            sink=self.journal,  # type: ignore[arg-type]
            ledger=SegmentLedgers({segment: self.ledger}),
            access=self.access,
            clock=clock,
            tls=tls,
            stale_ns=self.stale_ns,
            trading=self.trading,
        )
        sessions = {
            "/hsm": partial(HsmSession, topics, broker.url_of("/hsm")),
            "/tbt": partial(TbtSession, self.symbols, app_id=APP_ID, url=broker.url_of("/tbt"), look_up=nowhere),
        }
        self.groups = [GroupPlan(self.symbols, sessions[path], redundant=redundant, may_overlap=may_overlap)]
        self.defects = 0
        self.feed = StreamFeed(context, self)
        self.hand_over("k")

    async def plan(self) -> list[GroupPlan]:
        if self.defects:
            self.defects -= 1
            raise ZeroDivisionError
        return self.groups

    def topics(self) -> dict[str, list[str]]:
        return {}

    def recall(self, topics: dict[str, list[str]]) -> None:
        pass

    @property
    def connection(self) -> StreamConnection:
        """The first that is running."""
        return next(connection for connection in self.feed.connections if connection.is_running)

    @property
    def socket(self) -> WebSocket:
        assert self.connection.socket
        return self.connection.socket

    def hand_over(self, letter: str) -> None:
        expires = time.time() + 3600
        text = make_token(expires, hsm_key=letter * 56)
        self.access.adopt(Token(Secret(text), letter, int(expires) * NS_PER_SECOND))

    @property
    def is_live(self) -> bool:
        return all(map(self.ledger.is_live, self.ledger.symbols))

    def open_window(self) -> tuple[int, int]:
        now = time.time_ns()
        window = now - NS_PER_SECOND, now + DAY_NS
        self.journal.write_all(self.ledger.open_window(window))
        return window

    def close_window(self) -> int:
        now = time.time_ns()
        self.journal.write_all(self.ledger.close_window(now))
        return now

    def stop_answering(self) -> None:
        """As a server that has lost its network: nothing is read, nothing is sent."""
        self.broker.is_mute = True
        self.stop_hearing()

    def deafen(self) -> None:
        """The market goes on, and none of its connections so far hears of it."""
        self.broker.deaf |= {key for key, names in self.broker.subscribed.items() if set(names) == self._names}

    def stop_hearing(self) -> None:
        """What the client says on the connections that are open now is not read."""
        for socket in self.broker.sockets.values():
            assert socket._req
            if socket._req.transport:
                socket._req.transport.pause_reading()


async def nowhere(token: Token) -> None:
    """The look-up of an address, where none is needed."""


@asynccontextmanager
async def live_feed(
    certificate: tuple[Path, Path], *, topics: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Stand]:
    """A feed in a window, in continuous trading, with all its symbols live; `options` are those of Stand."""
    tls = ssl.create_default_context(cafile=str(certificate[0]))
    async with SocketBroker(certificate) as broker:
        stand = Stand(broker, tls, topics=topics or TOPICS, **options)
        stand.open_window()
        stand.trading.since_ns = {"nse_cash": time.monotonic_ns()}
        stand.feed.follow(NEAR)
        if topics is None:
            made = 1 + bool(options.get("redundant"))
            await until(lambda: stand.is_live and broker.connections(stand.path) == made)
        try:
            yield stand
        finally:
            await stand.feed.stop(BETWEEN)
