"""One WebSocket connection: the callback that receives a message journals it first, then has it scanned.

There is no queue: while the disk is slow nothing is read, and the broker's side of the socket fills.
"""

import asyncio
import re
import ssl
import struct
from collections.abc import Callable, Mapping
from time import monotonic_ns, time_ns
from typing import NamedTuple
from urllib.parse import urlsplit

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from harvester.base.redaction import one_line
from harvester.base.release import USER_AGENT
from harvester.journal.format import MAX_PAYLOAD
from harvester.ledger.outage import Cause, Outage
from harvester.net.proxy import proxy_for

CONNECT_SECONDS = 10.0
STAMP = struct.Struct(">q")
"""What a ping carries: its wall ns."""
FRAGMENTS_LIMIT = 4096
"""Most fragments of one message; a server that means well cuts a message of 1 MiB into far fewer."""
SIZE = re.compile(r"(\d+) > \d+")
BINARY, TEXT, CONTINUATION = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION

Record = Callable[[bytes, int, int], bool]
"""Journals a message received at (wall ns, monotonic ns); False when the journal did not take it."""
Scan = Callable[[bytes, int], bool]
"""Scans a journalled message received at wall ns; True when it was data rather than control."""


class ConnectionEnded(Exception):
    """A connection has ended, or could not be made. `outage` is the cause of the gap that begins there."""

    def __init__(self, outage: Outage, *, about_token: bool = False) -> None:
        super().__init__(": ".join(outage))
        self.outage = outage
        self.about_token = about_token
        """Whether the server refused the credentials, so that the token should be proven."""


class Handlers(NamedTuple):
    """What a connection does with what it receives."""

    record: Record
    scan: Scan
    text: Callable[[str], None]
    oversize: Callable[[int], None]
    opened: Callable[[], None]
    """Called before the first message."""
    is_text_data: bool = False
    """The server's text messages are its data: journalled and scanned as received, and never given to `text`."""


class WebSocket(WSListener):
    """A connection from its upgrade to its end."""

    def __init__(self, handlers: Handlers) -> None:
        super().__init__()
        self.last_wall_ns = 0
        """Receipt of the last message that was journalled; 0: none yet."""
        self.data_wall_ns = 0
        """Receipt of the last data; 0: none yet."""
        self.heard_mono_ns = self.data_mono_ns = monotonic_ns()
        """Receipt of the last frame of any kind, and of the last data."""
        self.frames = 0
        self.size = 0
        """Messages and bytes journalled."""
        self.answers_pings = False
        self.proven_ns = 0
        """All that the server had sent by this wall ns has come: it answered a ping, or closed, after that."""
        self._record, self._scan = handlers.record, handlers.scan
        self._handlers = handlers
        self._transport: WSTransport | None = None
        self._parts = bytearray()
        self._fragments = 0
        self._parts_kind = BINARY
        self._is_choked = False
        self._ending: ConnectionEnded | None = None
        self._is_cut = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._handlers.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The capture path."""
        if frame.msg_type is BINARY and frame.fin and self._ending is None:
            self._take(frame.get_payload_as_bytes())
        elif self._ending is None:
            self._take_other(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._is_cut = True

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False

    def send(self, message: bytes | str) -> None:
        """Send, unless the connection is over or the server does not read: then nothing more piles up."""
        if self._transport and self._ending is None and not self._is_choked:
            self._transport.send(BINARY if isinstance(message, bytes) else TEXT, message)

    def ping(self) -> None:
        """Ask the server's WebSocket layer for a sign of life."""
        if self._transport and self._ending is None and not self._is_choked:
            self._transport.send_ping(STAMP.pack(time_ns()))

    def end(self, outage: Outage, *, about_token: bool = False) -> None:
        """Take nothing more and cut the connection; the first outage given counts."""
        if self._ending is None:
            self._ending = ConnectionEnded(outage, about_token=about_token)
        if self._transport:
            self._transport.disconnect(graceful=False)

    def send_close(self) -> None:
        """Send a Close frame; what the server sends before its own is still taken in."""
        if self._transport and self._ending is None:
            self._transport.send_close(WSCloseCode.OK)

    @property
    def whole_ns(self) -> int:
        """Up to when (wall ns) all that the server sent has come, as far as can be known."""
        return max(self.last_wall_ns, self.proven_ns)

    @property
    def is_over(self) -> bool:
        return self._ending is not None or self._is_cut

    async def wait_over(self) -> ConnectionEnded:
        """Return, once the connection has ended, why."""
        trouble: Exception | None = None
        try:
            if self._transport:
                await self._transport.wait_disconnected()
        except Exception as error:  # what a callback raised, or what is not the protocol
            trouble = error
        return self._ending or self._explain(trouble)

    def _take(self, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD:  # picows objects to its header, yet delivers it when it comes before the cut
            self._refuse_size(len(payload))
            return
        wall_ns, mono_ns = time_ns(), monotonic_ns()
        if not self._record(payload, wall_ns, mono_ns):
            self.end(Outage("disk_full", "the journal did not take the message"))
            return
        self.last_wall_ns = wall_ns
        self.heard_mono_ns = mono_ns
        self.frames += 1
        self.size += len(payload)
        if self._scan(payload, wall_ns):
            self.data_wall_ns, self.data_mono_ns = wall_ns, mono_ns

    def _take_other(self, frame: WSFrame) -> None:
        """Text, messages in several frames, and WebSocket's own control frames."""
        self.heard_mono_ns = monotonic_ns()
        kind = frame.msg_type
        if kind in (BINARY, TEXT, CONTINUATION):
            self._take_fragment(kind, frame.get_payload_as_bytes(), is_last=frame.fin)
        elif kind is WSMsgType.PONG:
            self.answers_pings = True
            stamp = frame.get_payload_as_bytes()
            if len(stamp) == STAMP.size:
                self.proven_ns = max(self.proven_ns, *STAMP.unpack(stamp))
        elif kind is WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            reason = payload[2:].decode("utf-8", "backslashreplace")
            self.proven_ns = time_ns()
            code = int.from_bytes(payload[:2], "big")
            self.end(Outage("disconnect", one_line(f"the server closed with code {code} {reason}")))

    def _take_fragment(self, kind: WSMsgType, part: bytes, *, is_last: bool) -> None:
        """Work and memory are bounded, whatever the server cuts a message into."""
        if (kind is CONTINUATION) != bool(self._fragments):
            what = "a continuation of no message" if kind is CONTINUATION else "a message that began inside another"
            self.end(Outage("bad_response", f"not the WebSocket protocol: {what}"))
            return
        if kind is not CONTINUATION:
            self._parts_kind = kind
        self._parts += part
        self._fragments += 1
        if len(self._parts) > MAX_PAYLOAD:
            self._refuse_size(len(self._parts))
        elif self._fragments > FRAGMENTS_LIMIT:
            self.end(Outage("bad_response", f"a message in more than {FRAGMENTS_LIMIT} fragments"))
        elif is_last:
            message, self._parts, self._fragments = bytes(self._parts), bytearray(), 0
            if self._parts_kind is BINARY or self._handlers.is_text_data:
                self._take(message)
            else:
                self._handlers.text(message.decode("utf-8", "backslashreplace"))

    def _explain(self, trouble: Exception | None) -> ConnectionEnded:
        if isinstance(trouble, WSProtocolError):
            size = SIZE.search(str(trouble))
            if size:
                self._handlers.oversize(int(size[1]))
            outage = Outage("bad_response", f"not the WebSocket protocol: {one_line(trouble)}")
        elif trouble:
            outage = Outage("bad_response", f"{type(trouble).__name__} while taking a message: {one_line(trouble)}")
        else:
            outage = Outage("disconnect", "the connection was cut")
        return ConnectionEnded(outage)

    def _refuse_size(self, size: int) -> None:
        self._handlers.oversize(size)
        self.end(Outage("bad_response", f"a message of {size} bytes or more; the journal takes {MAX_PAYLOAD}"))


async def connect(socket: WebSocket, url: str, headers: Mapping[str, str], context: ssl.SSLContext) -> None:
    """Connect and upgrade. Certificates are checked. Raises ConnectionEnded."""
    host = urlsplit(url).hostname or ""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await ws_connect(
                lambda: socket,
                url,
                ssl_context=context,
                websocket_handshake_timeout=CONNECT_SECONDS,
                max_frame_size=MAX_PAYLOAD,
                extra_headers={"User-Agent": USER_AGENT, **headers},
                max_redirects=0,
                proxy=proxy_for(host),
            )
    except TimeoutError as error:
        raise _failure("timeout", f"{host}: no connection within {CONNECT_SECONDS:g} s") from error
    except WSHandshakeError as error:
        raise _refusal(host, error) from error
    except (OSError, EOFError) as error:
        raise _failure("disconnect", f"{host}: {type(error).__name__}: {one_line(error)}") from error
    except Exception as error:  # a library of a library may raise what it likes: the connection is not there
        raise _failure("unknown", f"{host}: {type(error).__name__}: {one_line(error)}") from error


def _failure(cause: Cause, detail: str) -> ConnectionEnded:
    return ConnectionEnded(Outage(cause, detail))


def _refusal(host: str, error: WSHandshakeError) -> ConnectionEnded:
    status = int(error.response.status) if error.response else 0
    if not status:
        return _failure("bad_response", f"{host}: the answer is no upgrade: {one_line(error)}")
    cause: Cause = "server_error" if status >= 500 else "rate_limited" if status == 429 else "refused"
    outage = Outage(cause, f"{host}: HTTP {status} instead of an upgrade")
    return ConnectionEnded(outage, about_token=status in (401, 403))
