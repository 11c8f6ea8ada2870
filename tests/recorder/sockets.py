"""The broker's sockets in this process: they greet, subscribe and send as the real ones do, or misbehave as told."""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path

from aiohttp import WSMessage, WSMsgType, web
from tests.recorder.broker import FakeBroker, answer

from exchange.wire import hsm, tbt

TOKENS = {
    "NSE:HDFCBANK-EQ": 1333,
    "NSE:RELIANCE-EQ": 2885,
    "NSE:ADANIENT-EQ": 25,
    "NSE:INFY-EQ": 1594,
    "NSE:SBIN-EQ": 3045,
    "NSE:NIFTY50-INDEX": 26000,
}
MASTER = "".join(f"10100000{number:06},,,,,,,,,{ticker}{',' * 11}\n" for ticker, number in TOKENS.items())
WIDTHS = {"sf": 21, "dp": 30, "if": 8}
Handshake = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


async def welcome(request: web.Request) -> None:
    return None


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that is seen in this process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


class SocketBroker(FakeBroker):
    """REST as before, and one HSM and one TBT socket. What they sent is in `sent`, by path and connection."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        super().__init__(certificate)
        self.handshake: Handshake = welcome
        self.authenticates = True
        self.sends_snapshots = True
        self.keys: list[str] = []
        self.acks: list[int] = []
        self.ack_every: int | None = None
        self.pings = 0
        self.period = 0.05
        """Seconds from one round of updates to the next."""
        self.periods: dict[str, float] = {}
        """Of a path whose symbols change at a rate of their own."""
        self.is_mute = False
        """The market goes on, and no connection hears of it; pings are answered, and a new one gets its snapshots."""
        self.deaf: set[tuple[str, int]] = set()
        """Connections of which the same is true."""
        self.is_halted = False
        """The market stands still."""
        self.most_open: dict[str, int] = {}
        """How many connections a path allows; a further one is refused."""
        self.ends_older = False
        """A new connection ends those before it."""
        self.number = {"/hsm": 1, "/tbt": 1}
        """What the market shows: every value of each topic, the sequence and a quantity of each 50-level book."""
        self.sent: dict[tuple[str, int], list[bytes]] = {}
        self.sockets: dict[tuple[str, int], web.WebSocketResponse] = {}
        self.pinged: dict[tuple[str, int], list[bytes]] = {}
        """What WebSocket's own pings said, by path and connection; each is answered."""
        self.subscribed: dict[tuple[str, int], Collection[str]] = {}
        """Topics of the data socket, symbols of the 50-level socket, by path and connection."""
        self.extra_routes = {
            "/hsm": self._serve_hsm,
            "/tbt": self._serve_tbt,
            "/sym_details/NSE_CM.csv": answer(200, MASTER.encode()),
            "/sym_details/index_hsm_mapping.json": answer(200, json.dumps({"NSE:NIFTY50-INDEX": "Nifty 50"}).encode()),
            "/indus/home/tbtws": self._look_up,
        }

    def url_of(self, path: str) -> str:
        return self.url.replace("https", "wss") + path

    def connections(self, path: str) -> int:
        """How many were made in all."""
        return sum(1 for one, _ in self.sent if one == path)

    def cut(self, path: str) -> None:
        """Abort every open connection, without a word."""
        for (one, _), socket in self.sockets.items():
            if one == path and not socket.closed and socket._req and socket._req.transport:
                socket._req.transport.abort()

    async def send(self, path: str, message: bytes | str) -> None:
        """Send something of the test's own on every open connection."""
        for key, socket in self.sockets.items():
            if key[0] == path and not socket.closed:
                await self._send(key, message)

    async def _look_up(self, request: web.Request) -> web.Response:
        return web.json_response({"s": "ok", "code": 200, "data": {"socket_url": self.url_of("/tbt")}})

    def _is_full(self, path: str) -> bool:
        is_open = [key for key, socket in self.sockets.items() if key[0] == path and not socket.closed]
        return len(is_open) >= self.most_open.get(path, len(is_open) + 1)

    def _move(self, path: str, sent: int) -> int:
        """What the market shows after a period; it moves on with the first connection that shows what there is."""
        if sent == self.number[path] and not self.is_halted:
            self.number[path] += 1
        return self.number[path]

    def _hears(self, key: tuple[str, int]) -> bool:
        return not self.is_mute and key not in self.deaf

    async def _open(self, path: str, request: web.Request) -> tuple[tuple[str, int], web.WebSocketResponse]:
        socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 22)
        if self.ends_older:
            self.cut(path)
        await socket.prepare(request)
        key = path, self.connections(path)
        self.sent[key], self.pinged[key], self.sockets[key] = [], [], socket
        return key, socket

    async def _messages(self, key: tuple[str, int]) -> AsyncIterator[WSMessage]:
        """What a client sends, its pings answered."""
        async for message in self.sockets[key]:
            if message.type == WSMsgType.PING:
                self.pinged[key].append(message.data)
                with suppress(ConnectionError):
                    await self.sockets[key].pong(message.data)
            yield message

    async def _send(self, key: tuple[str, int], message: bytes | str) -> None:
        if isinstance(message, str):
            await self.sockets[key].send_str(message)
            return
        self.sent[key].append(message)
        await self.sockets[key].send_bytes(message)

    async def _serve_hsm(self, request: web.Request) -> web.StreamResponse:
        refusal = await self.handshake(request)
        if refusal is not None or self._is_full("/hsm"):
            return refusal or web.Response(status=429)
        key, socket = await self._open("/hsm", request)
        topics: dict[str, int] = {}
        self.subscribed[key] = topics
        updates = asyncio.create_task(self._update_hsm(key, topics))
        try:
            async for message in self._messages(key):
                if message.type == WSMsgType.BINARY:
                    await self._hear_hsm(key, message.data, topics)
        finally:
            updates.cancel()
        return socket

    async def _hear_hsm(self, key: tuple[str, int], frame: bytes, topics: dict[str, int]) -> None:
        kind = frame[2]
        if kind == 11:
            self.pings += 1
            return
        fields, at = {}, 4
        for _ in range(frame[3]):
            size = int.from_bytes(frame[at + 1 : at + 3], "big")
            fields[frame[at]] = frame[at + 3 : at + 3 + size]
            at += 3 + size
        assert at == len(frame), "a frame of the client is whole"
        if kind == hsm.AUTH:
            self.keys.append(fields[1].decode())
            await self._send(key, hsm.auth_reply(accepted=self.authenticates, ack_every=self.ack_every))
        elif kind == 3:
            self.acks.append(int.from_bytes(fields[1], "big"))
        elif kind == hsm.MODE:
            await self._send(key, hsm.reply(hsm.MODE))
        elif kind == hsm.SUBSCRIBE:
            new = _names(fields[1])
            await self._send(key, hsm.reply(hsm.SUBSCRIBE))
            if self.sends_snapshots:
                entries = [_snapshot(topics, name, self.number["/hsm"]) for name in new]
                await self._send(key, hsm.feed(0, entries))

    async def _update_hsm(self, key: tuple[str, int], topics: dict[str, int]) -> None:
        sent = self.number["/hsm"]
        while not self.sockets[key].closed:
            await asyncio.sleep(self.periods.get(key[0], self.period))
            before, sent = sent, self._move(key[0], sent)
            if topics and sent != before and self._hears(key):
                entries = [
                    hsm.update(place, [self.number["/hsm"]] * WIDTHS[name[:2]]) for name, place in topics.items()
                ]
                await self._send(key, hsm.feed(self.number["/hsm"], entries))

    async def _serve_tbt(self, request: web.Request) -> web.StreamResponse:
        refusal = await self.handshake(request)
        if refusal is not None or self._is_full("/tbt"):
            return refusal or web.Response(status=429)
        key, socket = await self._open("/tbt", request)
        self.keys.append(request.headers["authorization"])
        symbols: list[str] = []
        self.subscribed[key] = symbols
        updates = asyncio.create_task(self._update_tbt(key, symbols))
        try:
            async for message in self._messages(key):
                if message.type == WSMsgType.TEXT:
                    await self._hear_tbt(key, message.data, symbols)
        finally:
            updates.cancel()
        return socket

    async def _hear_tbt(self, key: tuple[str, int], text: str, symbols: list[str]) -> None:
        if text == "ping":
            self.pings += 1
            await self._send(key, "pong")
            return
        request = json.loads(text)
        if request["type"] == 1:
            symbols.extend(request["data"]["symbols"])
            if len(symbols) > 5:
                await self._send(key, tbt.socket_message([], kind=tbt.RESPONSE, text="too many", error=True))
            elif self.sends_snapshots:
                best = [tbt.Level(0, 100, 5, 1)]
                feeds = [
                    tbt.Feed(symbol, bids=best, asks=[self._ask()], sequence=self.number["/tbt"]) for symbol in symbols
                ]
                await self._send(key, tbt.socket_message(feeds, snapshot=True))

    async def _update_tbt(self, key: tuple[str, int], symbols: list[str]) -> None:
        sent = self.number["/tbt"]
        while not self.sockets[key].closed:
            await asyncio.sleep(self.periods.get(key[0], self.period))
            before, sent = sent, self._move(key[0], sent)
            if symbols and sent != before and self._hears(key):
                feeds = [tbt.Feed(symbol, asks=[self._ask()], sequence=self.number["/tbt"]) for symbol in symbols]
                await self._send(key, tbt.socket_message(feeds))

    def _ask(self) -> tbt.Level:
        return tbt.Level(1, 101, self.number["/tbt"], 2)


def _names(blob: bytes) -> list[str]:
    names, at = [], 2
    for _ in range(struct.unpack_from(">H", blob)[0]):
        names.append(blob[at + 1 : at + 1 + blob[at]].decode())
        at += 1 + blob[at]
    return names


def _snapshot(topics: dict[str, int], name: str, number: int) -> bytes:
    place = topics.setdefault(name, len(topics) + 1)
    return hsm.snapshot(place, hsm.Topic(name), [number] * WIDTHS[name[:2]])
