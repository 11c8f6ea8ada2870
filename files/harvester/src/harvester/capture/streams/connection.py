"""One connection of a streamed feed: made again whenever it ends, for as long as it is wanted."""

import asyncio
from functools import partial
from typing import Any, Literal

import structlog

from harvester.base.redaction import MASK, redact
from harvester.brokers.protocol import NOTHING, LastState, NewSession, StreamSession, SymbolTally
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.liveness import LivenessMonitor
from harvester.journal.format import FEED_NAMES
from harvester.ledger.outage import Outage
from harvester.ledger.streams import Tail
from harvester.net.backoff import Backoff
from harvester.net.graceful_close import close_gracefully
from harvester.net.websocket import ConnectionEnded, Handlers, WebSocket, connect
from harvester.tokens.handover import Token

log = structlog.get_logger()
WAIT_SECONDS = 0.5
TEXT_LIMIT = 1000
State = Literal["idle", "waiting", "connecting", "open", "subscribed"]


class StreamConnection:
    """Keeps one socket connected. Its stream number names it in the journal."""

    def __init__(self, stream: int, symbols: tuple[str, ...], context: FeedContext, new_session: NewSession) -> None:
        self.stream = stream
        self.symbols = symbols
        self.state: State = "idle"
        self.attempt = 0
        self.outage: Outage | None = None
        """Why the last connection ended, or could not be made."""
        self.token: Token | None = None
        """The token of the last attempt."""
        self.socket: WebSocket | None = None
        self.session: StreamSession | None = None
        """The conversation on `socket`."""
        self.is_doubted = False
        """Whether it may have missed something since its last data, although it gave signs of life."""
        self._expected: LastState = {}
        self._past = (0, 0, 0)
        """Frames, bytes and unknown messages of sockets that have ended."""
        self._past_tallies: dict[str, SymbolTally] = {}
        self._context = context
        self._new_session = new_session
        self._backoff = Backoff()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def is_open(self) -> bool:
        return self.socket is not None and not self.socket.is_over

    def missing(self) -> set[str]:
        """Symbols whose snapshot has not come on the present socket."""
        return set(self.session.missing() if self.is_open and self.session else self.symbols)

    def start(self, expected: LastState | None = None) -> None:
        """Connect, and connect again after each end; snapshots are compared with what another connection knew last."""
        if self._task is None:
            self._expected = expected or {}
            self.is_doubted, self.outage = False, None
            self._backoff.succeed()
            self._task = asyncio.create_task(self._run())

    async def stop(self, outage: Outage) -> None:
        """Close gracefully and stay closed; `outage` is why its symbols are not live from now on."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        tail = None
        try:
            await asyncio.wait([task])
            if self.socket:
                tail = await close_gracefully(self.socket)
        finally:  # the caller may be cancelled; the end is journalled all the same
            if self.socket:
                self._account(self.socket, outage, tail)
            self.state = "idle"

    def counts(self) -> tuple[int, int, int]:
        """Frames, bytes and unknown messages over all sockets of this connection."""
        frames, size, unknown = self._past
        if self.socket and self.session:
            return frames + self.socket.frames, size + self.socket.size, unknown + self.session.unknown
        return self._past

    def tally(self, symbol: str) -> SymbolTally:
        """The symbol's tally over all sockets of this connection."""
        past, session = self._past_tallies.get(symbol, NOTHING), self.session
        return past.plus(session.tally(symbol)) if session else past

    async def _run(self) -> None:
        while True:
            token = await self._wait_for_token()
            self.attempt += 1
            self.state = "connecting"
            try:
                ended = await self._connect_and_serve(token)
            except ConnectionEnded as error:
                ended = error
            except Exception as error:  # a defect of ours must not keep the connection down
                ended = ConnectionEnded(self._defect(error))
            self._end(ended.outage)
            if ended.about_token:
                self._context.trading.is_token_doubted = True
            await asyncio.sleep(self._backoff.fail(ended.outage.cause))

    async def _wait_for_token(self) -> Token:
        context = self._context
        while True:
            wall_ns = context.clock.wall_ns()
            failure = context.sink.failure
            outage = Outage("disk_full", failure) if failure else None
            outage = outage or context.access.check_connection(wall_ns, context.clock.mono_ns())
            if outage is None and context.access.token:
                self.token = context.access.token
                return self.token
            if outage:
                self.state = "waiting"
                self.outage = outage
                context.mark_cause(self.symbols, wall_ns, outage)
            await asyncio.sleep(WAIT_SECONDS)

    async def _connect_and_serve(self, token: Token) -> ConnectionEnded:
        """Look up the address, connect, and return when the socket has ended."""
        session = self._new_session(self._mark_live)
        session.expect(self._expected)
        address = await session.locate(token)
        is_text = self._context.is_text
        record = partial(self._record_text, token.access_token.get_secret_value().encode()) if is_text else self._record
        handlers = Handlers(
            record, session.scan, self._hear, self._refuse_size, lambda: self._open(socket, session), is_text
        )
        socket = WebSocket(handlers)
        await connect(socket, address.url, address.headers, self._context.tls)
        monitor = LivenessMonitor(socket, session, self._context)
        helpers = [asyncio.create_task(monitor.run()), asyncio.create_task(self._subscribe(socket, session, token))]
        for helper in helpers:
            helper.add_done_callback(partial(self._check_helper, socket))
        try:
            ended = await socket.wait_over()
        finally:
            for helper in helpers:
                helper.cancel()
        if monitor.has_lived:
            self._backoff.succeed()
        return ended

    async def _subscribe(self, socket: WebSocket, session: StreamSession, token: Token) -> None:
        try:
            await session.subscribe(socket, token)
            self.state = "subscribed"
        except ConnectionEnded as error:
            socket.end(error.outage, about_token=error.about_token)

    def _check_helper(self, socket: WebSocket, helper: "asyncio.Task[None]") -> None:
        """End a connection whose monitor or subscription failed: nothing would notice that it is stale."""
        if not helper.cancelled() and (error := helper.exception()):
            socket.end(self._defect(error))

    def _defect(self, error: BaseException) -> Outage:
        log.error("connection_failed", stream=self.stream, exc_info=error)
        return Outage("unknown", f"{type(error).__name__} in the recorder")

    def _record(self, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        return self._context.sink.append(self._context.feed, self.stream, message, wall_ns, mono_ns)

    def _record_text(self, token: bytes, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        """As received, but for a token that the server echoes: none is ever in the journal."""
        return self._record(message.replace(token, MASK.encode()), wall_ns, mono_ns)

    def _open(self, socket: WebSocket, session: StreamSession) -> None:
        """The upgrade was made; from now on the socket has an end that must be accounted for."""
        self.state, self.socket, self.session = "open", socket, session
        self.is_doubted = False
        symbols = list(session.symbols)
        self._write({"type": "connect", "symbols": symbols, "attempt": self.attempt, **session.describe()})
        log.info("connected", feed=FEED_NAMES[self._context.feed], stream=self.stream, attempt=self.attempt)

    def _mark_live(self, symbol: str, wall_ns: int) -> None:
        self._context.mark_live(symbol, self.stream, wall_ns)

    def _hear(self, text: str) -> None:
        if self.session is None or not self.session.hear(text):
            self._write({"type": "text", "text": redact(text)[:TEXT_LIMIT]})

    def _refuse_size(self, size: int) -> None:
        self._write({"type": "oversize", "bytes": size})

    def _write(self, record: dict[str, Any]) -> None:
        kind = record.pop("type")
        self._context.sink.write({"type": kind, "feed": self._context.feed, "stream": self.stream, **record})

    def _end(self, outage: Outage) -> None:
        """A socket has ended, or an attempt failed."""
        self.state = "waiting"
        log.warning("not_connected", feed=FEED_NAMES[self._context.feed], stream=self.stream, **outage._asdict())
        if self.socket:
            self._account(self.socket, outage)
        else:
            self.outage = outage
            self._context.mark_cause(self.symbols, self._context.clock.wall_ns(), outage)

    def _account(self, socket: WebSocket, outage: Outage, tail: Tail | None = None) -> None:
        """Journal the end of the socket, ending it if it is still open, and keep its counts."""
        socket.end(outage)
        self.outage = outage
        self._write({"type": "disconnect", **outage._asdict()})
        seen_ns = socket.data_wall_ns if self.is_doubted else socket.whole_ns
        self._context.mark_lost(self.stream, seen_ns, outage, tail or Tail(socket.whole_ns, outage))
        self._context.mark_cause(self.symbols, self._context.clock.wall_ns(), outage)
        self._past, self._past_tallies = self.counts(), {symbol: self.tally(symbol) for symbol in self.symbols}
        self.socket = self.session = None
