"""The broker's data socket (HSM): quotes, five levels and indices. Source: the broker's Python SDK 3.2.0."""

import asyncio
from collections.abc import Mapping
from typing import Any

from harvester.base.redaction import redact
from harvester.brokers.fyers.hsm_scan import HsmScanner
from harvester.brokers.fyers.hsm_state import CLOCK, TopicState
from harvester.brokers.fyers.hsm_wire import (
    AUTH,
    NOTICE,
    PING_FRAME,
    SUBSCRIBE,
    Reply,
    ack,
    auth,
    full_mode,
    read_reply,
    subscribe,
)
from harvester.brokers.protocol import REPLY_SECONDS, Address, LastState, OnLive, SymbolTally
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded, WebSocket
from harvester.tokens.claims import TokenError, read_hsm_key
from harvester.tokens.handover import Token

URL = "wss://socket.fyers.in/hsm/v1-5/prod"
SUBSCRIBE_PAUSE_SECONDS = 0.5
TOPICS_A_CONNECTION = 5000
"""The SDK limits topics, of which a symbol has two; the broker's documentation limits symbols. Both are kept."""


class HsmSession:
    """One connection. A symbol is live once each of its topics has had its snapshot."""

    def __init__(self, topics: Mapping[str, str], url: str | None, on_live: OnLive) -> None:
        self.symbols = tuple(dict.fromkeys(topics.values()))
        self.refusal = ""
        self.differing: set[str] = set()
        self._expected: LastState = {}
        self._topics = topics
        self._url = url or URL
        self._on_live = on_live
        self._wanted = set(topics)
        self._scanner = HsmScanner(topics, self._take_snapshot)
        self._authenticated: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._socket: WebSocket | None = None
        self._acknowledge_every = 0
        self._unacknowledged = 0
        self._by_symbol: dict[str, list[str]] = {}
        for topic, symbol in topics.items():
            self._by_symbol.setdefault(symbol, []).append(topic)

    def state(self) -> LastState:
        return dict(self._scanner.states)

    def expect(self, state: LastState) -> None:
        self._expected = state

    async def locate(self, token: Token) -> Address:
        return Address(self._url, {})  # with an Authorization header the live server accepts and stays silent

    async def subscribe(self, socket: WebSocket, token: Token) -> None:
        self._socket = socket
        try:
            socket.send(auth(read_hsm_key(token.access_token)))
        except TokenError as error:
            raise ConnectionEnded(Outage("token_refused", str(error))) from error
        try:
            reply = await asyncio.wait_for(self._authenticated, REPLY_SECONDS)
        except TimeoutError:
            outage = Outage("timeout", f"no answer to authentication within {REPLY_SECONDS:g} s")
            raise ConnectionEnded(outage) from None
        if not reply.accepted:
            raise ConnectionEnded(Outage("refused", "the server refused authentication"), about_token=True)
        self._acknowledge_every = reply.acknowledge_every
        socket.send(full_mode())
        for number, frame in enumerate(subscribe(self._topics)):
            if number:
                await asyncio.sleep(SUBSCRIBE_PAUSE_SECONDS)
            socket.send(frame)

    def scan(self, message: bytes, wall_ns: int) -> bool:
        if self._scanner.scan(message, wall_ns):
            if self._acknowledge_every:
                self._acknowledge(message)
            return True
        self._take_reply(read_reply(message))
        return False

    def hear(self, text: str) -> bool:
        return False

    def ping(self, socket: WebSocket) -> None:
        socket.send(PING_FRAME)

    def describe(self) -> dict[str, Any]:
        return {"topics": self._topics}

    def missing(self) -> list[str]:
        return list(dict.fromkeys(self._topics[topic] for topic in self._wanted))

    def ask_again(self, socket: WebSocket) -> None:
        for frame in subscribe(sorted(self._wanted)):
            socket.send(frame)

    def tally(self, symbol: str) -> SymbolTally:
        updates = last_ns = 0
        for topic in self._by_symbol[symbol]:
            count, last = self._scanner.counts[topic]
            updates += count
            last_ns = max(last_ns, last)
        return SymbolTally(updates, last_ns)

    @property
    def unknown(self) -> int:
        return self._scanner.unknown

    def _acknowledge(self, message: bytes) -> None:
        self._unacknowledged += 1
        if self._unacknowledged >= self._acknowledge_every and self._socket:
            self._unacknowledged = 0
            self._socket.send(ack(message[3:7]))

    def _take_snapshot(self, topic: str, state: TopicState, wall_ns: int) -> None:
        if topic not in self._wanted:
            return
        expected = self._expected.get(topic)
        if expected is not None and not state.agrees(expected, but=CLOCK.get(topic[:2])):
            self.differing.add(self._topics[topic])
        self._wanted.discard(topic)
        symbol = self._topics[topic]
        if self._wanted.isdisjoint(self._by_symbol[symbol]):
            self._on_live(symbol, wall_ns)

    def _take_reply(self, reply: Reply) -> None:
        if reply.type == AUTH and not self._authenticated.done():
            self._authenticated.set_result(reply)
        elif reply.type == SUBSCRIBE and not reply.accepted:
            self.refusal = "the server refused the subscription"
        elif reply.type == NOTICE:
            self.refusal = redact(f"notice of the server: {reply.notice}")
