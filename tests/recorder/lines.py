"""Connections without a network, in still time: what the recorder's side of a socket does, moment by moment.

The socket, the connection, the group and the monitors are real; the library's transport and the conversation are not.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import pytest
from picows import WSMsgType
from tests.golden import loop
from tests.golden.loop import StillLoop
from tests.golden.still import StillTime
from tests.recorder.fakes import make_token
from tests.recorder.live_feed import INFY, NEAR, SBIN, Journal

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.brokers.access import Access
from harvester.brokers.protocol import Address, GroupPlan, LastState, OnLive, StreamSession, SymbolTally
from harvester.capture.context import TradingState
from harvester.capture.streams import connection
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.feed import StreamFeed
from harvester.config.limits import RequestLimits
from harvester.journal.format import FYERS_TBT
from harvester.ledger.outage import Outage
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger
from harvester.net import graceful_close, websocket
from harvester.net.websocket import STAMP, ConnectionEnded, WebSocket
from harvester.tokens.handover import Token

SYMBOLS = (SBIN, INFY)
BEGIN_NS = 1_785_904_200 * NS_PER_SECOND


class Frame(NamedTuple):
    """As much of a frame as the receiver asks for."""

    msg_type: WSMsgType
    payload: bytes
    fin: bool = True

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


class Wire:
    """The server's end of a connection: what was sent to it, and what it sends."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.sent: list[bytes | str] = []
        self.pings: list[int] = []
        """The wall ns in each ping."""
        self.answers = True
        self._over = asyncio.Event()

    def send(self, kind: WSMsgType, message: bytes | str) -> None:
        self.sent.append(message)

    def send_ping(self, stamp: bytes) -> None:
        self.pings.append(STAMP.unpack(stamp)[0])
        if self.answers:
            self.give(stamp, WSMsgType.PONG)

    def send_close(self, code: int) -> None:
        if self.answers:
            self.give(code.to_bytes(2, "big"), WSMsgType.CLOSE)

    def disconnect(self, *, graceful: bool = True) -> None:
        self._over.set()

    async def wait_disconnected(self) -> None:
        await self._over.wait()

    def give(self, payload: bytes, kind: WSMsgType = WSMsgType.BINARY) -> None:
        self.socket.on_ws_frame(self, Frame(kind, payload))  # type: ignore[arg-type]

    def text(self, text: str) -> None:
        self.give(text.encode(), WSMsgType.TEXT)

    def show(self, *symbols: str, value: int = 0) -> None:
        """Snapshots; a value stands for all that is known of a symbol."""
        for symbol in symbols or SYMBOLS:
            self.give(f"snapshot|{symbol}|{value}".encode())

    def update(self, *symbols: str, value: int = 0) -> None:
        for symbol in symbols or SYMBOLS:
            self.give(f"update|{symbol}|{value}".encode())

    def cut(self) -> None:
        self.socket.on_ws_disconnected(self)  # type: ignore[arg-type]
        self._over.set()


class Talk:
    """A conversation in plain words, see Wire."""

    def __init__(self, symbols: tuple[str, ...], on_live: OnLive) -> None:
        self.symbols = symbols
        self.differing: set[str] = set()
        self.refusal = ""
        self.unknown = 0
        self.asked_again: list[int] = []
        """When it subscribed once more, monotonic ns."""
        self.pinged: list[int] = []
        self._on_live = on_live
        self._expected: LastState = {}
        self._values: dict[str, str] = {}
        self._wanted = set(symbols)
        self._tallies: Counter[str] = Counter()
        self._last_ns = 0

    def state(self) -> LastState:
        return dict(self._values)

    def expect(self, state: LastState) -> None:
        self._expected = state

    async def locate(self, token: Token) -> Address:
        return Address("wss://nowhere.example/", {})

    async def subscribe(self, socket: WebSocket, token: Token) -> None:
        socket.send("subscribe")

    def scan(self, message: bytes, wall_ns: int) -> bool:
        kind, symbol, value = message.decode().split("|")
        if kind == "odd":
            self.unknown += 1
            return False
        if kind == "snapshot" and symbol in self._wanted:
            self._wanted.discard(symbol)
            if self._expected.get(symbol, value) != value:
                self.differing.add(symbol)
            self._on_live(symbol, wall_ns)
        self._values[symbol] = value
        self._tallies[symbol] += 1
        self._last_ns = wall_ns
        return True

    def hear(self, text: str) -> bool:
        return text == "pong"

    def ping(self, socket: WebSocket) -> None:
        self.pinged.append(graceful_close.monotonic_ns())

    def describe(self) -> dict[str, Any]:
        return {}

    def missing(self) -> list[str]:
        return sorted(self._wanted)

    def ask_again(self, socket: WebSocket) -> None:
        self.asked_again.append(graceful_close.monotonic_ns())

    def tally(self, symbol: str) -> SymbolTally:
        return SymbolTally(self._tallies[symbol], self._last_ns)


class Line:
    """A feed of one group whose broker is the test."""

    def __init__(
        self,
        now: StillTime,
        *,
        stale_seconds: float = 60,
        symbols: Sequence[str] = SYMBOLS,
        groups: Sequence[tuple[str, ...]] | None = None,
        opening: Callable[[Wire], None] = Wire.show,
        is_text: bool = False,
        has_heartbeats: bool = False,
        talk: Callable[[tuple[str, ...], OnLive], StreamSession] | None = None,
        **plan: bool,
    ) -> None:
        """`symbols` are those of the feed, in one group where `groups` does not say otherwise.

        `opening`: what the server does with each new connection; `plan` is that of each group; see FeedContext.
        `talk` makes the conversations where they are not Talks.
        """
        self.now = now
        self.began_ns = now.mono_ns
        self.wires: list[Wire] = []
        """Connections that were made, in order."""
        self.talks: list[Talk] = []
        """One of each attempt."""
        self.tries: list[float] = []
        """When it was tried to connect, in seconds from the beginning."""
        self.refusal: ConnectionEnded | None = None
        """What an attempt to connect ends with."""
        self.opening = opening
        self.journal = Journal()
        self.access = Access(RequestLimits(10, 100, 1000))
        self.ledger = StreamLedger("run", FYERS_TBT, symbols)
        self.trading = TradingState()
        self.trading.since_ns = {"nse_cash": now.mono_ns}
        self.context = FeedContext(
            feed=FYERS_TBT,
            sink=self.journal,  # type: ignore[arg-type]
            ledger=SegmentLedgers({"nse_cash": self.ledger}),
            access=self.access,
            clock=Still(now),
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # never used
            stale_ns=int(stale_seconds * NS_PER_SECOND),
            trading=self.trading,
            is_text=is_text,
            has_heartbeats=has_heartbeats,
        )
        self.groups = [
            GroupPlan(each, partial(talk or self._talk, each), **plan) for each in groups or [tuple(symbols)]
        ]
        self.trouble: HarvesterError | None = None
        """Why no plan can be made."""
        self.planned: list[float] = []
        """When that was tried, in seconds from the beginning."""
        self.feed = StreamFeed(self.context, self)
        self.hand_over("k")
        self.journal.write_all(self.ledger.open_window((now.wall_ns, now.wall_ns + 86_400 * NS_PER_SECOND)))

    def _talk(self, symbols: tuple[str, ...], on_live: OnLive) -> Talk:
        self.talks.append(Talk(symbols, on_live))
        return self.talks[-1]

    async def plan(self) -> list[GroupPlan]:
        self.planned.append(self.seconds)
        if self.trouble:
            raise self.trouble
        return self.groups

    def topics(self) -> dict[str, list[str]]:
        return {}

    def recall(self, topics: dict[str, list[str]]) -> None:
        pass

    def hand_over(self, letter: str) -> None:
        expires = self.now.wall_ns // NS_PER_SECOND + 86_400
        token = Token(Secret(make_token(expires, hsm_key=letter * 56)), letter, expires * NS_PER_SECOND)
        self.access.adopt(token)

    async def connect(self, socket: WebSocket, *_: Any) -> None:
        """In place of `net.websocket.connect`."""
        self.tries.append(self.seconds)
        if self.refusal:
            raise self.refusal
        wire = Wire(socket)
        self.wires.append(wire)
        socket.on_ws_connected(wire)  # type: ignore[arg-type]
        self.opening(wire)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return round((self.now.mono_ns - self.began_ns) / NS_PER_SECOND, 3)

    def wall_ns(self, seconds: float) -> int:
        """A moment of the story, in wall ns."""
        return BEGIN_NS + int(seconds * NS_PER_SECOND)

    @property
    def connections(self) -> list[StreamConnection]:
        return self.feed.connections

    @property
    def gaps(self) -> list[tuple[str, float, float]]:
        """Cause and bounds, in seconds from the beginning, of SBIN's gaps that ended and are not empty."""
        found = [(cause, (one - BEGIN_NS) / 1e9, (other - BEGIN_NS) / 1e9) for cause, one, other in self.journal.gaps]
        return [(cause, round(begins, 3), round(ends, 3)) for cause, begins, ends in found]

    async def at(self, seconds: float) -> None:
        """Wait for a moment of the story."""
        await asyncio.sleep(max(0.0, seconds - self.seconds))

    async def flow(self, until: float, *wires: Wire, every: float = 1.0) -> None:
        """These connections bring updates at whole multiples of `every` seconds, the rest answers pings."""
        moment = self.seconds // every * every + every
        while moment <= until:
            await self.at(moment)
            for wire in wires:
                wire.update()
            moment += every
        await self.at(until)


class Still:
    """The recorder's clock."""

    def __init__(self, now: StillTime) -> None:
        self._now = now

    def wall_ns(self) -> int:
        return self._now.wall_ns

    def mono_ns(self) -> int:
        return self._now.mono_ns

    async def sleep_until(self, mono_ns: int) -> None:
        await asyncio.sleep(max(0, mono_ns - self._now.mono_ns) / NS_PER_SECOND)


Story = Callable[[Line], Awaitable[None]]


def play(monkeypatch: pytest.MonkeyPatch, story: Story, **options: Any) -> Line:
    """The line after a story that begins with the feed wanted; `options` are those of Line.

    Jitter is left out: a pause is as long as it may be.
    """
    now = StillTime(BEGIN_NS)
    for module in (websocket, graceful_close):
        monkeypatch.setattr(module, "time_ns", lambda: now.wall_ns)
        monkeypatch.setattr(module, "monotonic_ns", lambda: now.mono_ns)
    monkeypatch.setattr(loop, "QUIET_SECONDS", 0)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    line = Line(now, **options)
    monkeypatch.setattr(connection, "connect", line.connect)

    async def run() -> None:
        line.feed.follow(NEAR)
        await asyncio.sleep(0.001)
        try:
            await story(line)
        finally:
            await line.feed.stop(Outage("stopped", "the story is over"))

    with asyncio.Runner(loop_factory=lambda: StillLoop(now, lambda: None)) as runner:
        runner.run(run())
    return line
