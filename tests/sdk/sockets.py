"""Clients of the exchange's sockets for these tests: the unmodified SDK, and a bare one over aiohttp."""

import asyncio
import base64
import copy
import functools
import hashlib
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

import aiohttp
import numpy as np
from fyers_apiv3.FyersWebsocket import data_ws, tbt_ws
from tests.sdk.conftest import Running

from harvester.decode.fyers_tbt import Books

DATA_SOCKET = "wss://socket.fyers.in/hsm/v1-5/prod"
DEPTH_SOCKET = "wss://rtsocket-api.fyers.in/versova"
CHANNEL = 11
SBIN, MAHINDRA, NIFTY, FUTURE = "NSE:SBIN-EQ", "NSE:M&M-EQ", "NSE:NIFTY50-INDEX", "NSE:NIFTY26DECFUT"


def digest_of(frames: list[bytes]) -> str:
    """The digest that the exchange shows of a connection, from the frames that its client received."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(struct.pack("<I", len(frame)) + frame)
    return digest.hexdigest()


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        asyncio.run(test(*args, **more))

    return run


class DataSocket(data_ws.FyersDataSocket):
    """The SDK's class is one object a process; its subclasses are others."""

    _instance: ClassVar[Any] = None


class DepthSocket(tbt_ws.FyersTbtSocket):
    _instance: ClassVar[Any] = None


def wait_for(what: Callable[[], object], seconds: float = 8) -> Any:
    """What `what` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return found


class SdkData:
    """An SDK data socket that is connected; `ticks` and `answers` are what its callback got."""

    def __init__(self, server: Running, token: str, *, lite: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.connects = 0
        self.subscriptions: list[tuple[list[str], str]] = []
        DataSocket._instance = None
        self.socket = DataSocket(
            access_token=token,
            log_path=str(server.folder),
            litemode=lite,
            write_to_file=True,  # makes its threads daemons
            on_connect=self._connected,
            on_close=lambda _: None,
            on_error=self.errors.append,
            on_message=lambda message: self.messages.append(copy.deepcopy(message)),
        )

    def _connected(self) -> None:
        self.connects += 1
        for symbols, kind in self.subscriptions:
            self.socket.subscribe(symbols=symbols, data_type=kind)

    @property
    def ticks(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("type") in ("sf", "dp", "if")]

    def of(self, symbol: str, kind: str) -> list[dict[str, Any]]:
        return [tick for tick in self.ticks if tick["symbol"] == symbol and tick["type"] == kind]


@contextmanager
def connected(socket: Any) -> Iterator[None]:
    """A socket of the SDK, connected until the end of the context; it would come back for ever."""
    socket.connect()
    try:
        yield
    finally:
        socket.restart_flag = False
        [held] = [value for name, value in vars(socket).items() if name.endswith("__ws_object")]
        if held is not None:
            held.close()


@contextmanager
def sdk_data(
    server: Running, *subscriptions: tuple[list[str], str], lite: bool = False, token: str | None = None
) -> Iterator[SdkData]:
    """Connect the SDK's data socket and subscribe."""
    client = SdkData(server, token or server.token(), lite=lite)
    client.subscriptions = list(subscriptions)
    with connected(client.socket):
        yield client


def bearer(server: Running, token: str | None = None) -> str:
    return f"{server.app.app_id}:{token or server.token()}"


class Bare:
    """A WebSocket with the server's frames as they come."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[bytes] = []

    async def next(self, seconds: float = 5) -> bytes | str | None:
        """The next message; None when the server has closed."""
        message = await self.socket.receive(timeout=seconds)
        if message.type not in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
            return None
        if isinstance(message.data, bytes):
            self.frames.append(message.data)
        return message.data

    async def next_of(self, kind: int, seconds: float = 5) -> bytes:
        """The next frame of the data socket that has this type."""
        async with asyncio.timeout(seconds):
            while True:
                frame = await self.next(seconds)
                assert isinstance(frame, bytes), "the connection has ended"
                if frame[2] == kind:
                    return frame

    async def login(self, server: Running, token: str | None = None) -> bytes:
        """Authenticate on the data socket; the answer."""
        claims = (token or server.token()).split(".")[1]
        key = json.loads(base64.urlsafe_b64decode(claims + "=="))["hsm_key"]
        await self.socket.send_bytes(hsm_frame(1, (1, key.encode()), (2, b"P"), (3, b"\1"), (4, b"test")))
        return await self.next_of(1)

    async def subscribe(self, topics: list[str], channel: int = CHANNEL, kind: int = 4) -> bytes:
        """Subscribe (or unsubscribe, kind 5) on the data socket; the answer."""
        blob = struct.pack(">H", len(topics)) + b"".join(bytes([len(t)]) + t.encode() for t in topics)
        await self.socket.send_bytes(hsm_frame(kind, (1, blob), (2, bytes([channel]))))
        return await self.next_of(kind)

    async def channels(self, kind: int, channel: int = CHANNEL, *more: tuple[int, bytes]) -> bytes:
        """Pause (7), resume (8) or set the mode (12) of a channel; the answer."""
        await self.socket.send_bytes(hsm_frame(kind, (1, struct.pack(">Q", 1 << channel)), *more))
        return await self.next_of(kind)

    async def order(self, message: dict[str, Any]) -> None:
        """Send a text of the depth socket."""
        await self.socket.send_str(json.dumps(message))

    async def depth(self, symbols: list[str], channel: str = "1", subs: int = 1) -> None:
        await self.order({"type": 1, "data": {"subs": subs, "symbols": symbols, "mode": "depth", "channel": channel}})

    async def switch(self, resume: list[str], pause: list[str] | None = None) -> None:
        await self.order({"type": 2, "data": {"resumeChannels": resume, "pauseChannels": pause or []}})


def hsm_frame(kind: int, *fields: tuple[int, bytes]) -> bytes:
    """A client's frame; its length is as wrong as the SDK's."""
    body = b"".join(struct.pack(">BH", number, len(value)) + value for number, value in fields)
    return struct.pack(">HBB", 0, kind, len(fields)) + body


class _Direct(aiohttp.abc.AbstractResolver):
    """All names are the exchange."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": family, "proto": 0, "flags": 0}
        return [found]

    async def close(self) -> None:
        pass


def _narrow(found: Any) -> socket.socket:
    """A socket whose receive buffer is small, so that a server soon notices who does not read."""
    narrow = socket.socket(found[0], found[1], found[2])
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    return narrow


@asynccontextmanager
async def bare(server: Running, url: str = DATA_SOCKET, *, narrow: bool = False, **more: Any) -> AsyncIterator[Bare]:
    """Connect without the SDK, through the exchange's proxy; `narrow`: straight, with a small receive buffer."""
    ready = server.exchange.describe()
    context = ssl.create_default_context(cafile=str(ready["ca"]))
    headers = {"Authorization": bearer(server)} if url == DEPTH_SOCKET else {}
    connector = None
    if narrow:
        connector = aiohttp.TCPConnector(resolver=_Direct(int(str(ready["port"]))), socket_factory=_narrow)
        url = url.replace(".in/", f".in:{ready['port']}/")
    proxy = None if narrow else str(ready["proxy"])
    sent = more.pop("headers", headers)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(url, proxy=proxy, ssl=context, headers=sent, max_msg_size=0, **more) as connected,
    ):
        yield Bare(connected)


def topic(server: Running, symbol: str, kind: str) -> str:
    instrument = server.world.instruments[symbol]
    return f"{kind}|nse_cm|{instrument.token[10:]}"


def sockets(server: Running) -> list[dict[str, Any]]:
    """What the exchange says of its connections."""
    return server.world.sockets.describe()


def count_breaks(books: Books) -> int:
    """How often the sequence number of a symbol is not the one after its last."""
    return sum(int((np.diff(books.sequence[books.symbol == symbol]) != 1).sum()) for symbol in np.unique(books.symbol))
