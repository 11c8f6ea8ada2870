"""The scripted broker of the golden recorder: answers and misbehaves by the clock, and notes what it was asked.

It lives in the recorder's own loop, over TLS on loopback. All that it sends depends on still time alone.
"""

import asyncio
import json
import socket
import ssl
import struct
from typing import Any

from aiohttp import WSMsgType, web
from tests.golden.production import hsm, tbt
from tests.golden.still import NS_PER_SECOND, StillTime

WIDTHS = {"sf": 21, "dp": 30, "if": 8}
GRACE_SECONDS = 0.02


class Connection:
    """One accepted socket."""

    def __init__(self, path: str, number: int, web_socket: web.WebSocketResponse) -> None:
        self.path = path
        self.number = number
        self.socket = web_socket
        self.topics: dict[str, int] = {}
        self.symbols: list[str] = []
        self.is_mute = False
        self.messages = 0


class ScriptedBroker:
    """REST, one data socket and one 50-level socket."""

    def __init__(self, now: StillTime, opens_ns: int) -> None:
        self.accepts: set[str] = set()
        """Versions of the tokens that are good; a token ends with a dot and its version in base64 of itself."""
        self.poll_trouble: dict[str, str] = {}
        """What becomes of the polls of a symbol: a key of `_trouble`."""
        self.refuses_upgrades = 0
        """HTTP status that answers upgrades; 0: they are made."""
        self.notes: list[str] = []
        self.connections: list[Connection] = []
        self._now = now
        self._opens_ns = opens_ns
        self._runner: web.AppRunner | None = None

    async def serve(self, listener: socket.socket, tls: ssl.SSLContext) -> None:
        """Accept connections until the loop ends."""
        app = web.Application()
        app.router.add_get("/data/depth", self._depth)
        app.router.add_get("/api/v3/profile", self._profile)
        app.router.add_get("/indus/home/tbtws", self._look_up)
        app.router.add_get("/hsm", self._hsm)
        app.router.add_get("/tbt", self._tbt)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=tls).start()

    def note(self, text: str) -> None:
        """Remember what happened, in seconds after the opening."""
        self.notes.append(f"{(self._now.wall_ns - self._opens_ns) / NS_PER_SECOND:9.3f} {text}")

    def open(self, path: str) -> list[Connection]:
        """Connections that are up, the oldest first."""
        return [one for one in self.connections if one.path == path and not one.socket.closed]

    def cut(self, path: str, *places: int) -> None:
        """Abort open connections without a word; by their place in `open`, all when none is given."""
        found = self.open(path)
        for one in [found[place] for place in places] if places else found:
            transport = one.socket._req.transport if one.socket._req else None
            if transport:
                transport.abort()

    async def close(self, path: str) -> None:
        """Close open connections with a code and a reason."""
        for one in self.open(path):
            await one.socket.close(code=1012, message=b"restarting")

    def mute(self, path: str, *, mute: bool) -> None:
        """Open connections send nothing more, or again; their WebSocket layer answers."""
        for one in self.open(path):
            one.is_mute = mute

    async def say(self, path: str, message: bytes | str) -> None:
        """Send something else on every open connection."""
        for one in self.open(path):
            await (one.socket.send_str(message) if isinstance(message, str) else one.socket.send_bytes(message))

    def _second(self) -> int:
        return self._now.wall_ns // NS_PER_SECOND % 1_000

    def _knows(self, token: str) -> bool:
        return any(token.rpartition(":")[2].endswith(f".{version}") for version in self.accepts)

    async def _depth(self, request: web.Request) -> web.StreamResponse:
        symbol = request.query["symbol"]
        trouble = self.poll_trouble.get(symbol, "") or (
            "" if self._knows(request.headers["authorization"]) else "refuse"
        )
        self.note(f"GET {request.path_qs} {trouble}".rstrip())
        if trouble:
            return await self._trouble(trouble, request)
        await asyncio.sleep(GRACE_SECONDS)
        price = 800 + self._second() / 20
        book = {
            "totalbuyqty": 100, "totalsellqty": 200, "ltp": price, "v": self._second(),
            "bids": [{"price": round(price - 0.05, 2), "volume": 10, "ord": 1}],
            "ask": [{"price": round(price + 0.05, 2), "volume": 20, "ord": 2}],
        }  # fmt: skip
        return web.json_response({"s": "ok", "d": {symbol: book}, "message": ""})

    async def _trouble(self, name: str, request: web.Request) -> web.StreamResponse:
        if name == "hang":
            await asyncio.sleep(3600)
        if name == "cut":
            assert request.transport is not None
            request.transport.abort()
        if name == "refuse":
            return web.json_response({"s": "error", "code": -16, "message": "not this token"}, status=401)
        if name == "limit":
            error = {"s": "error", "code": -429, "message": "slow down"}
            return web.json_response(error, status=429, headers={"Retry-After": "3"})
        if name == "broken":
            return web.Response(body=b'{"s": "ok", "d": {', content_type="application/json")
        return web.Response(status=503, text="upstream failed")

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        good = self._knows(request.headers["authorization"])
        self.note(f"GET {request.path} {'ok' if good else 'refuse'}")
        return web.json_response({"s": "ok", "code": 200}) if good else await self._trouble("refuse", request)

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        self.note(f"GET {request.path}")
        return web.json_response({"s": "ok", "code": 200, "data": {"socket_url": "wss://broker.golden/tbt"}})

    async def _accept(self, request: web.Request) -> Connection:
        """Upgrade, each connection a moment after the one before, so that their order is never the kernel's."""
        number = len(self.connections)
        connection = Connection(request.path, number, web.WebSocketResponse(max_msg_size=1 << 22))
        self.connections.append(connection)
        await asyncio.sleep(GRACE_SECONDS * (1 + number % 5))
        await connection.socket.prepare(request)
        self.note(f"{request.path} {number} upgraded")
        return connection

    async def _hsm(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_upgrades:
            self.note(f"{request.path} HTTP {self.refuses_upgrades}")
            return web.Response(status=self.refuses_upgrades)
        connection = await self._accept(request)
        updates = asyncio.create_task(self._send_hsm(connection))
        async for message in connection.socket:
            if message.type == WSMsgType.BINARY:
                await self._hear_hsm(connection, message.data)
        updates.cancel()
        self.note(f"{request.path} {connection.number} over")
        return connection.socket

    async def _hear_hsm(self, connection: Connection, frame: bytes) -> None:
        kind = frame[2]
        fields, at = {}, 4
        for _ in range(frame[3] if kind != 11 else 0):
            size = int.from_bytes(frame[at + 1 : at + 3], "big")
            fields[frame[at]] = frame[at + 3 : at + 3 + size]
            at += 3 + size
        shown = {hsm.AUTH: lambda: fields[1].decode()[:8], 3: lambda: str(int.from_bytes(fields[1], "big"))}
        names = _names(fields[1]) if kind == hsm.SUBSCRIBE else []
        said = " ".join(names) or shown.get(kind, str)()
        self.note(f"{connection.path} {connection.number} says {kind} {said}".rstrip())
        if kind == hsm.AUTH:
            accepted = fields[1].decode()[:1] in {version[-1] for version in self.accepts}
            await connection.socket.send_bytes(hsm.auth_reply(accepted=accepted, ack_every=5))
        elif kind == hsm.MODE:
            await connection.socket.send_bytes(hsm.reply(hsm.MODE))
        elif kind == hsm.SUBSCRIBE:
            await connection.socket.send_bytes(hsm.reply(hsm.SUBSCRIBE))
            entries = []
            for name in names:
                place = connection.topics.setdefault(name, len(connection.topics) + 1)
                entries.append(hsm.snapshot(place, hsm.Topic(name), [self._second()] * WIDTHS[name[:2]]))
            await connection.socket.send_bytes(hsm.feed(0, entries))

    async def _send_hsm(self, connection: Connection) -> None:
        while not connection.socket.closed:
            await asyncio.sleep(1)
            if connection.topics and not connection.is_mute:
                connection.messages += 1
                second = self._second()
                entries = [hsm.update(place, [second] * WIDTHS[name[:2]]) for name, place in connection.topics.items()]
                await connection.socket.send_bytes(hsm.feed(connection.messages, entries))

    async def _tbt(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_upgrades:
            self.note(f"{request.path} HTTP {self.refuses_upgrades}")
            return web.Response(status=self.refuses_upgrades)
        connection = await self._accept(request)
        updates = asyncio.create_task(self._send_tbt(connection))
        async for message in connection.socket:
            if message.type == WSMsgType.TEXT:
                await self._hear_tbt(connection, message.data)
        updates.cancel()
        self.note(f"{request.path} {connection.number} over")
        return connection.socket

    async def _hear_tbt(self, connection: Connection, text: str) -> None:
        self.note(f"{connection.path} {connection.number} says {text}")
        if text == "ping":
            await connection.socket.send_str("pong")
            return
        request: dict[str, Any] = json.loads(text)
        if request["type"] == 1:
            connection.symbols += request["data"]["symbols"]
            feeds = [
                tbt.Feed(symbol, bids=[tbt.Level(0, 80_000 + self._second(), 5, 1)], sequence=1, snapshot=True)
                for symbol in connection.symbols
            ]
            await connection.socket.send_bytes(tbt.socket_message(feeds, snapshot=True))

    async def _send_tbt(self, connection: Connection) -> None:
        while not connection.socket.closed:
            await asyncio.sleep(1)
            if connection.symbols and not connection.is_mute:
                connection.messages += 1
                feeds = [
                    tbt.Feed(
                        symbol, asks=[tbt.Level(1, 80_010 + self._second(), 7, 2)], sequence=connection.messages + 1
                    )
                    for symbol in connection.symbols
                ]
                await connection.socket.send_bytes(tbt.socket_message(feeds))


def _names(blob: bytes) -> list[str]:
    names, at = [], 2
    for _ in range(struct.unpack_from(">H", blob)[0]):
        names.append(blob[at + 1 : at + 1 + blob[at]].decode())
        at += 1 + blob[at]
    return names
