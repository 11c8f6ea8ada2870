"""The broker's 50-level socket (TBT). Source: the broker's Python SDK 3.2.0 and its API docs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from harvester.base.redaction import redact
from harvester.brokers.fyers.tbt_book import TbtBook
from harvester.brokers.fyers.tbt_scan import TbtScanner
from harvester.brokers.protocol import Address, LastState, OnLive, SymbolTally
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded, WebSocket
from harvester.tokens.handover import Token

CHANNEL = "1"
LookUp = Callable[[Token], Awaitable[str]]
"""Asks the broker for the socket's address. Raises ConnectionEnded. There is no address to fall back on: where the
look-up refuses a client, the SDK's fallback accepts it and stays silent."""


class TbtSession:
    """One connection with one channel. A symbol is live once its book has come whole."""

    def __init__(
        self, symbols: tuple[str, ...], on_live: OnLive, *, app_id: str, url: str | None, look_up: LookUp
    ) -> None:
        self.symbols = symbols
        self._app_id = app_id
        self._url = url
        self._look_up = look_up
        self._on_live = on_live
        self.differing: set[str] = set()
        self._expected: LastState = {}
        self._wanted = set(symbols)
        self._scanner = TbtScanner(frozenset(symbols), self._take_snapshot)

    def state(self) -> LastState:
        return self._scanner.books

    def expect(self, state: LastState) -> None:
        self._expected = state

    async def locate(self, token: Token) -> Address:
        url = self._url or await self._look_up(token)
        return Address(url, {"authorization": f"{self._app_id}:{token.access_token.get_secret_value()}"})

    async def subscribe(self, socket: WebSocket, token: Token) -> None:
        socket.send(_subscription(self.symbols))
        socket.send(json.dumps({"type": 2, "data": {"resumeChannels": [CHANNEL], "pauseChannels": []}}))
        await asyncio.sleep(0)
        if socket.is_over:
            raise ConnectionEnded(Outage("disconnect", "cut before anything was subscribed"))

    def scan(self, message: bytes, wall_ns: int) -> bool:
        return self._scanner.scan(message, wall_ns)

    def hear(self, text: str) -> bool:
        return text == "pong"

    def ping(self, socket: WebSocket) -> None:
        socket.send("ping")

    def describe(self) -> dict[str, Any]:
        return {}

    def missing(self) -> list[str]:
        return sorted(self._wanted)

    def ask_again(self, socket: WebSocket) -> None:
        socket.send(_subscription(tuple(self.missing())))

    def tally(self, symbol: str) -> SymbolTally:
        return SymbolTally(self._scanner.updates[symbol], self._scanner.last_ns.get(symbol, 0))

    @property
    def unknown(self) -> int:
        return self._scanner.unknown

    @property
    def refusal(self) -> str:
        return redact(f"the server says: {self._scanner.error}") if self._scanner.error else ""

    def _take_snapshot(self, symbol: str, book: TbtBook, wall_ns: int) -> None:
        if symbol not in self._wanted:
            return
        expected = self._expected.get(symbol)
        if expected is not None and not book.follows(expected):
            self.differing.add(symbol)
        self._wanted.discard(symbol)
        self._on_live(symbol, wall_ns)


def _subscription(symbols: tuple[str, ...]) -> str:
    data = {"subs": 1, "symbols": list(symbols), "mode": "depth", "channel": CHANNEL}
    return json.dumps({"type": 1, "data": data})
