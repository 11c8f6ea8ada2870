"""The broker's data socket (HSM): quotes, five levels and indices. Source: the broker's Python SDK 3.2.0."""

import asyncio
from collections.abc import Mapping
from typing import Any

from harvester.base.redaction import redact
from harvester.brokers.fyers.adapter import REPLY_SECONDS, Address, Covered, Tally
from harvester.brokers.fyers.hsm_scan import HsmPeek
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
from harvester.net.closing import Ended
from harvester.net.websocket import Link
from harvester.tokens.claims import TokenError, read_hsm_key
from harvester.tokens.handover import Token

URL = "wss://socket.fyers.in/hsm/v1-5/prod"
SUBSCRIBE_PAUSE_SECONDS = 0.5
TOPICS_A_CONNECTION = 5000
"""The SDK counts topics, of which a symbol has two; the broker speaks of symbols. So we keep to both."""


class HsmSession:
    """One connection. A symbol is covered once each of its topics has had its snapshot."""

    def __init__(self, topics: Mapping[str, str], url: str | None, covered: Covered) -> None:
        self.symbols = tuple(dict.fromkeys(topics.values()))
        self.refusal = ""
        self._topics = topics
        self._url = url or URL
        self._covered = covered
        self._wanted = set(topics)
        self._peek = HsmPeek(self._take_snapshot)
        self._authenticated: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._link: Link | None = None
        self._acknowledge_every = 0
        self._unacknowledged = 0
        self._by_symbol: dict[str, list[str]] = {}
        for topic, symbol in topics.items():
            self._by_symbol.setdefault(symbol, []).append(topic)

    async def locate(self, token: Token) -> Address:
        return Address(self._url, {})  # with an Authorization header the live server accepts and stays silent

    async def greet(self, link: Link, token: Token) -> None:
        self._link = link
        try:
            link.send(auth(read_hsm_key(token.access_token)))
        except TokenError as error:
            raise Ended("token_refused", str(error)) from error
        try:
            reply = await asyncio.wait_for(self._authenticated, REPLY_SECONDS)
        except TimeoutError:
            raise Ended("timeout", f"no answer to authentication within {REPLY_SECONDS:g} s") from None
        if not reply.accepted:
            raise Ended("refused", "the server refused authentication", about_token=True)
        self._acknowledge_every = reply.acknowledge_every
        link.send(full_mode())
        await self._subscribe(link, self._topics)

    async def _subscribe(self, link: Link, topics: Mapping[str, str] | list[str]) -> None:
        for number, frame in enumerate(subscribe(topics)):
            if number:
                await asyncio.sleep(SUBSCRIBE_PAUSE_SECONDS)
            link.send(frame)

    def look(self, message: bytes, wall_ns: int) -> bool:
        if self._peek.look(message, wall_ns):
            if self._acknowledge_every:
                self._acknowledge(message)
            return True
        self._take_reply(read_reply(message))
        return False

    def hear(self, text: str) -> bool:
        return False

    def beat(self, link: Link) -> None:
        link.send(PING_FRAME)

    def describe(self) -> dict[str, Any]:
        return {"topics": self._topics}

    def missing(self) -> list[str]:
        return list(dict.fromkeys(self._topics[topic] for topic in self._wanted))

    def ask_again(self, link: Link) -> None:
        for frame in subscribe(sorted(self._wanted)):
            link.send(frame)

    def tallies(self) -> dict[str, Tally]:
        found: dict[str, Tally] = {}
        peek = self._peek
        for number, updates in peek.updates.items():
            symbol = self._topics.get(peek.names[number])
            if symbol:
                before = found.get(symbol, Tally(0, 0))
                last_ns = max(before.last_ns, peek.last_ns.get(number, 0))
                found[symbol] = Tally(before.updates + updates, last_ns)
        return found

    @property
    def unknown(self) -> int:
        return self._peek.unknown

    def _acknowledge(self, message: bytes) -> None:
        self._unacknowledged += 1
        if self._unacknowledged >= self._acknowledge_every and self._link:
            self._unacknowledged = 0
            self._link.send(ack(message[3:7]))

    def _take_snapshot(self, topic: str, wall_ns: int) -> None:
        if topic not in self._wanted:
            return
        self._wanted.discard(topic)
        symbol = self._topics[topic]
        if self._wanted.isdisjoint(self._by_symbol[symbol]):
            self._covered(symbol, wall_ns)

    def _take_reply(self, reply: Reply) -> None:
        if reply.type == AUTH and not self._authenticated.done():
            self._authenticated.set_result(reply)
        elif reply.type == SUBSCRIBE and not reply.accepted:
            self.refusal = "the server refused the subscription"
        elif reply.type == NOTICE:
            self.refusal = redact(f"notice of the server: {reply.notice}")
