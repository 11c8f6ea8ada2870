"""One client's connection to a socket: a queue of frames to send, and what was sent of it."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from aiohttp import WSMsgType, web

from exchange.sockets.sent import Sent
from harvester.base.clock import Clock

LINGER_NO_TIME = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which a close sends a TCP reset."""
MAX_MESSAGE = 1024 * 1024
log = logging.getLogger("exchange")
Message = TypeVar("Message", bytes, str)


def abort(transport: asyncio.Transport | None, *, reset: bool) -> None:
    """Close a connection, if it is still there, and drop what waits to be sent; with `reset` by a TCP reset."""
    if transport is None:
        return
    plain = transport.get_extra_info("socket")
    if reset and plain is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NO_TIME)
    transport.abort()


class Outgoing(NamedTuple):
    """A frame that waits for the network."""

    frame: bytes | str
    entries: int = 0
    message: int = 0
    symbol: str = ""
    """Of a message of the depth socket."""

    @property
    def is_data(self) -> bool:
        """Whether it carries market data."""
        return self.entries > 0


class Connection:
    """A WebSocket with a queue of frames. `feed` is fyers-hsm or fyers-tbt."""

    def __init__(
        self, number: int, feed: str, request: web.Request, clock: Clock, keep: Path | None, slow_bytes: int
    ) -> None:
        self.number = number
        self.feed = feed
        self.path = request.path
        self.clock = clock
        self.opened_ns = clock.wall_ns()
        self.closed_ns: int | None = None
        self.cause = ""
        self.received = self.dropped = 0
        self.muted = False
        """While true nothing is sent, and pings are not answered."""
        self.is_quiet = False
        """While true no market data is sent; everything else goes on, and pings are answered."""
        self._thawed = asyncio.Event()
        """Cleared while the connection is half-open: nothing is read either."""
        self._thawed.set()
        self.sent = Sent(keep)
        self.alter: Callable[[Outgoing], list[Outgoing]] = lambda out: [out]
        """Called with each data frame before it is sent; what it returns is sent instead."""
        self._slow_bytes = slow_bytes
        self._ws = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_MESSAGE)
        self._request = request
        self._queue: deque[Outgoing] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection below, while there is one."""
        return self._request.transport

    async def open(self) -> web.WebSocketResponse:
        """Answer the handshake; then frames may be sent."""
        await self._ws.prepare(self._request)
        self._sender = asyncio.create_task(self._send_all())
        return self._ws

    async def receive(self) -> bytes | str | None:
        """The next message of the client, its pings answered; None at the end of the connection."""
        while True:
            message = await self._ws.receive()
            await self._thawed.wait()
            self.received += 1
            if message.type is WSMsgType.PING and not self.muted:
                with contextlib.suppress(OSError):
                    await self._ws.pong(message.data)
            elif message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                data: bytes | str = message.data
                return data
            elif message.type not in (WSMsgType.PING, WSMsgType.PONG):
                self._note(f"client closed ({self._ws.close_code})")
                return None

    def send(self, frame: bytes | str, entries: int = 0, message: int = 0, symbol: str = "") -> None:
        """Queue a frame. The connection is aborted when more than `slow_bytes` bytes wait for the client to read."""
        if self._withholds(entries) or self.closed_ns is not None:
            self.dropped += 1
            return
        self._queue.append(Outgoing(frame, entries, message, symbol))
        self._queued_bytes += len(frame)
        self._wake.set()
        if self._queued_bytes > self._slow_bytes:
            log.warning("connection %d: slow consumer, %d bytes wait; cut off", self.number, self._queued_bytes)
            self.abort("slow consumer")

    @property
    def is_silent(self) -> bool:
        """Whether a fault withholds all frames."""
        return self.muted or not self._thawed.is_set()

    def _withholds(self, entries: int) -> bool:
        return self.is_silent or (self.is_quiet and entries > 0)

    def freeze(self) -> None:
        """From now on the connection is as if this machine had gone: nothing is read, sent or closed, until `abort`."""
        self._thawed.clear()
        if self.transport is not None:
            self.transport.pause_reading()

    async def drained(self, limit: int) -> None:
        """Wait until no more than `limit` bytes are in the queue, or the connection is gone."""
        while self._queued_bytes > limit and self.closed_ns is None:
            await asyncio.sleep(0.001)

    async def _send_all(self) -> None:
        try:
            while True:
                while self._queue:
                    await self._hand_over(self._queue.popleft())
                self._wake.clear()
                await self._wake.wait()
        except OSError as error:
            self._note(f"lost ({error})")

    async def _hand_over(self, waiting: Outgoing) -> None:
        self._queued_bytes -= len(waiting.frame)
        for out in self.alter(waiting) if waiting.is_data else [waiting]:
            await self._write(out)

    async def _write(self, out: Outgoing) -> None:
        if self._withholds(out.entries):
            self.dropped += 1
            return
        sent_ns = self.clock.wall_ns()
        try:
            if isinstance(out.frame, bytes):
                await self._ws.send_bytes(out.frame)
            else:
                await self._ws.send_str(out.frame)
        except asyncio.CancelledError:  # it waits for the client to read; the frame itself is on its way
            self._count(out, sent_ns)
            raise
        self._count(out, sent_ns)

    def _count(self, out: Outgoing, sent_ns: int) -> None:
        self.sent.add(sent_ns, out.frame, out.entries, out.message)

    def abort(self, cause: str, *, reset: bool = False) -> None:
        """End the connection without a closing handshake, with `reset` by a TCP reset. Control answers show `cause`."""
        self._note(cause)
        self._queue.clear()
        self._queued_bytes = 0
        self._thawed.set()
        abort(self.transport, reset=reset)

    def close_after_sending(self, cause: str) -> None:
        """Close with a closing handshake once what is queued is sent. Control answers show `cause`."""
        task = asyncio.create_task(self._close(cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, cause: str) -> None:
        await self.drained(0)
        self._note(cause)
        await self._ws.close()

    def _note(self, cause: str) -> None:
        if self.closed_ns is None:
            self.closed_ns = self.clock.wall_ns()
            self.cause = cause

    async def finish(self) -> None:
        """The client's handler has ended: stop sending."""
        self._note("ended")
        if self._sender:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        self.sent.close()

    def describe(self) -> dict[str, object]:
        """What control answers and the log show of it; no secret."""
        return {
            "connection": self.number,
            "feed": self.feed,
            "path": self.path,
            "opened_ns": self.opened_ns,
            "closed_ns": self.closed_ns,
            "cause": self.cause,
            "received": self.received,
            "dropped": self.dropped,
            "queued_bytes": self._queued_bytes,
            **self.sent.describe(),
        }


async def serve(connection: Connection, kind: type[Message], take: Callable[[Message], None]) -> None:
    """Hand each message of this kind to the client's `take` until the connection ends; others are passed over."""
    try:
        while (data := await connection.receive()) is not None:
            if isinstance(data, kind) and not connection.muted:
                take(data)
    finally:
        await connection.finish()
