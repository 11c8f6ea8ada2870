"""GET over TLS, kept small for the capture process (docs/architecture.md, Decisions): h11 speaks HTTP/1.1.

Certificates are checked against the host's CA store. Connections are kept alive and shared out one request at a time.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import h11

from harvester.base.release import USER_AGENT
from harvester.net.proxy import proxy_for

KEEPALIVE_SECONDS = 75.0
CHUNK = 65_536
HTTPS_PORT = 443
IDLE_TOO_LONG = 408


class HttpsAnswer(NamedTuple):
    """A whole answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class BadAnswer(Exception):
    """What the peer sent is not an acceptable answer; the text says why."""


class _Wire:
    """One TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.CLIENT)
        self.idle_since = 0.0
        self.has_answered = False
        """Whether a byte of the answer has come to the request that was sent last."""

    def is_usable(self, now: float) -> bool:
        """Whether another request may go over it."""
        return now - self.idle_since < KEEPALIVE_SECONDS and not (self.reader.at_eof() or self.writer.is_closing())

    async def next_event(self) -> h11.Event | type:
        """The next HTTP event. Raises BadAnswer, and OSError when the peer closes the connection."""
        while True:
            try:
                event = self.http.next_event()
                if not isinstance(event, type) or event is h11.PAUSED:
                    return event
                data = await self.reader.read(CHUNK)
                self.has_answered |= bool(data)
                self.http.receive_data(data)
            except h11.RemoteProtocolError as error:
                if self.reader.at_eof():
                    raise ConnectionResetError("the server hung up before its answer was complete") from error
                raise BadAnswer(f"not HTTP: {error}") from error


class HttpsClient:
    """Asks one server. `base_url` has scheme, host and port only."""

    def __init__(self, base_url: str, tls: ssl.SSLContext) -> None:
        address = urlsplit(base_url)
        self._host = address.hostname or ""
        self._port = address.port or HTTPS_PORT
        self._authority = address.netloc
        self._tls = tls
        self._idle: list[_Wire] = []

    async def get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str], limit: int) -> HttpsAnswer:
        """The answer, its body at most `limit` bytes. No timeout of its own.

        A kept connection that ends before a byte of the answer was closed as the request went out, also where the
        server said so with 408 (RFC 9110): the request is repeated at once, on a fresh one. Raises BadAnswer for what
        is no answer, OSError when there is no connection.
        """
        target = path + (f"?{urlencode(query)}" if query else "")
        every = [
            ("host", self._authority),
            ("user-agent", USER_AGENT),
            ("accept-encoding", "identity"),
            *headers.items(),
        ]
        request = h11.Request(method="GET", target=target, headers=every)
        kept = self._take_idle()
        if kept is not None:
            try:
                answer = await self._ask(kept, request, limit)
                if answer.status != IDLE_TOO_LONG:
                    return answer
            except OSError:
                if kept.has_answered:
                    raise
        return await self._ask(await self._connect(), request, limit)

    async def close(self) -> None:
        """Close all connections."""
        idle, self._idle = self._idle, []
        for wire in idle:
            wire.writer.close()
        for wire in idle:
            with suppress(OSError):
                await wire.writer.wait_closed()

    async def _ask(self, wire: _Wire, request: h11.Request, limit: int) -> HttpsAnswer:
        """Send over this connection, and keep or end it."""
        wire.has_answered = done = False
        try:
            wire.writer.write((wire.http.send(request) or b"") + (wire.http.send(h11.EndOfMessage()) or b""))
            await wire.writer.drain()
            answer = await self._read(wire, limit)
            done = True
        finally:
            if not done:
                wire.writer.transport.abort()
        self._keep(wire)
        return answer

    async def _read(self, wire: _Wire, limit: int) -> HttpsAnswer:
        event = await wire.next_event()
        while isinstance(event, h11.InformationalResponse):
            event = await wire.next_event()
        if not isinstance(event, h11.Response):
            raise ConnectionResetError("the server hung up without an answer")
        status = event.status_code
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        body = bytearray()
        while not isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            event = await wire.next_event()
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit:
                    raise BadAnswer(f"the body is longer than {limit} bytes (HTTP {status})")
        return HttpsAnswer(status, headers, bytes(body))

    def _take_idle(self) -> _Wire | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            wire = self._idle.pop()
            if wire.is_usable(now):
                return wire
            wire.writer.close()
        return None

    def _keep(self, wire: _Wire) -> None:
        if wire.http.our_state is h11.DONE and wire.http.their_state is h11.DONE:
            wire.http.start_next_cycle()
            wire.idle_since = asyncio.get_running_loop().time()
            self._idle.append(wire)
        else:
            wire.writer.close()

    async def _connect(self) -> _Wire:
        proxy = proxy_for(self._host)
        if proxy is None:
            return _Wire(*await asyncio.open_connection(self._host, self._port, ssl=self._tls))
        from python_socks.async_.asyncio import Proxy  # only where there is one

        socket = await Proxy.from_url(proxy).connect(self._host, self._port)
        return _Wire(*await asyncio.open_connection(sock=socket, ssl=self._tls, server_hostname=self._host))
