"""One stream of a socket feed: a connection that is made again whenever it ends, for as long as it is wanted."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from harvester.base.redaction import redact
from harvester.brokers.fyers.access import Refusal
from harvester.brokers.fyers.adapter import Covered, Session, Tally
from harvester.capture.streams.context import Desk
from harvester.capture.streams.liveness import Vigil
from harvester.journal.format import FEED_NAMES
from harvester.ledger.streams import Reason, Tail
from harvester.net.backoff import Backoff
from harvester.net.closing import Ended
from harvester.net.graceful_close import hang_up
from harvester.net.websocket import Handlers, Link, connect
from harvester.tokens.handover import Token

log = structlog.get_logger()
WAIT_SECONDS = 0.5
TEXT_LIMIT = 1000
NewSession = Callable[[Covered], Session]


class Leg:
    """Keeps one connection up. Its stream number names it in the journal."""

    def __init__(self, stream: int, symbols: tuple[str, ...], desk: Desk, new_session: NewSession) -> None:
        self.stream = stream
        self.state = "idle"
        self.attempt = 0
        self.reason: Reason | None = None
        """Why the last connection ended, or could not be made."""
        self.token: Token | None = None
        self.frames = 0
        self.size = 0
        self.unknown = 0
        """Of connections that have ended."""
        self.past: dict[str, Tally] = {}
        self._symbols = symbols
        self._desk = desk
        self._new_session = new_session
        self._backoff = Backoff()
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._session: Session | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def is_open(self) -> bool:
        return self._link is not None and not self._link.is_over

    def missing(self) -> set[str]:
        """Symbols of which not all has come on the present connection."""
        return set(self._session.missing() if self.is_open and self._session else self._symbols)

    def start(self) -> None:
        """Connect, and go on connecting."""
        if self._task is None:
            self._backoff.succeed()
            self._task = asyncio.create_task(self._run())

    async def stop(self, reason: Reason) -> None:
        """Hang up and stay away; `reason` is why its symbols are not covered from now on."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        tail = None
        try:
            await asyncio.wait([task])
            if self._link:
                tail = await hang_up(self._link)
        finally:  # who waits for this may lose patience; the books are closed all the same
            if self._link:
                self._account(self._link, reason, tail)
            self.state = "idle"

    def standing(self) -> tuple[list[str], int] | None:
        """Symbols of the open connection, and the wall ns of its last message."""
        return (list(self._symbols), self._link.last_wall_ns) if self.is_open and self._link else None

    def tallies(self) -> dict[str, Tally]:
        """What came by symbol, over all connections of this leg."""
        return _add(self.past, self._session.tallies()) if self._session else self.past

    def describe(self) -> dict[str, Any]:
        """The connection's part of the status file. Times are wall ns."""
        link, session = self._link, self._session
        return {
            "stream": self.stream,
            "state": self.state,
            "attempt": self.attempt,
            "symbols": len(self._symbols),
            "missing": len(self.missing()) if self.is_running else 0,
            "frames": self.frames + (link.frames if link else 0),
            "bytes": self.size + (link.size if link else 0),
            "unknown": self.unknown + (session.unknown if session else 0),
            "last_recv_ns": link.last_wall_ns or None if link else None,
            "cause": self.reason.cause if self.reason else None,
            "detail": self.reason.detail if self.reason else "",
        }

    async def _run(self) -> None:
        while True:
            token = await self._wait_for_token()
            self.attempt += 1
            self.state = "connecting"
            try:
                ended = await self._connect_and_serve(token)
            except Ended as error:
                ended = error
            except Exception as error:  # a defect of ours: the leg must not stay away for it
                ended = self._own_fault(error)
            self._end(ended)
            if ended.about_token:
                self._desk.session.doubt_token()
            await asyncio.sleep(self._backoff.fail(ended.cause))

    async def _wait_for_token(self) -> Token:
        desk = self._desk
        while True:
            wall_ns = desk.clock.wall_ns()
            failure = desk.capture.failure
            refusal = Refusal("disk_full", failure) if failure else desk.gate.doubt(wall_ns, desk.clock.mono_ns())
            if refusal is None and desk.gate.token:
                self.token = desk.gate.token
                return self.token
            if refusal:
                self.state = "waiting"
                self.reason = Reason(*refusal)
                desk.explain(self._symbols, wall_ns, self.reason)
            await asyncio.sleep(WAIT_SECONDS)

    async def _connect_and_serve(self, token: Token) -> Ended:
        """From the look-up to the end of one connection."""
        session = self._new_session(self._cover)
        address = await session.locate(token)

        def opened() -> None:
            self._open(link, session)

        handlers = Handlers(self._record, session.look, self._hear, self._refuse_size, opened)
        link = Link(handlers)
        await connect(link, address.url, address.headers, self._desk.tls)
        vigil = Vigil(link, session, self._desk)
        helpers = [asyncio.create_task(vigil.keep()), asyncio.create_task(self._greet(link, session, token))]
        for helper in helpers:
            helper.add_done_callback(partial(self._look_after, link))
        try:
            ended = await link.wait_over()
        finally:
            for helper in helpers:
                helper.cancel()
        if vigil.has_delivered:
            self._backoff.succeed()
        return ended

    async def _greet(self, link: Link, session: Session, token: Token) -> None:
        try:
            await session.greet(link, token)
            self.state = "subscribed"
        except Ended as error:
            link.end(error.cause, error.detail, about_token=error.about_token)

    def _look_after(self, link: Link, helper: "asyncio.Task[None]") -> None:
        """A connection that nobody watches, or that never said what it wants, is none."""
        if not helper.cancelled() and (error := helper.exception()):
            ended = self._own_fault(error)
            link.end(ended.cause, ended.detail)

    def _own_fault(self, error: BaseException) -> Ended:
        log.error("connection_failed", stream=self.stream, exc_info=error)
        return Ended("unknown", f"{type(error).__name__} in the recorder")

    def _record(self, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        return self._desk.capture.append(self._desk.feed, self.stream, message, wall_ns, mono_ns)

    def _open(self, link: Link, session: Session) -> None:
        """The upgrade was made; from now on the connection has an end that must be accounted for."""
        self.state, self._link, self._session = "open", link, session
        names = {"feed": self._desk.feed, "stream": self.stream, "symbols": list(session.symbols)}
        self._desk.capture.write({"type": "connect", **names, "attempt": self.attempt, **session.describe()})
        log.info("connected", feed=FEED_NAMES[self._desk.feed], stream=self.stream, attempt=self.attempt)

    def _cover(self, symbol: str, wall_ns: int) -> None:
        self._desk.cover(symbol, self.stream, wall_ns)

    def _hear(self, text: str) -> None:
        session = self._session
        if session is None or not session.hear(text):
            kept = redact(text)[:TEXT_LIMIT]
            self._write({"type": "text", "text": kept})

    def _refuse_size(self, size: int) -> None:
        self._write({"type": "oversize", "bytes": size})

    def _write(self, record: dict[str, Any]) -> None:
        kind = record.pop("type")
        self._desk.capture.write({"type": kind, "feed": self._desk.feed, "stream": self.stream, **record})

    def _end(self, ended: Ended) -> None:
        """A connection has ended, or an attempt failed."""
        self.state = "waiting"
        reason = Reason(ended.cause, ended.detail)
        log.warning("not_connected", feed=FEED_NAMES[self._desk.feed], stream=self.stream, **reason._asdict())
        if self._link:
            self._account(self._link, reason)
        else:
            self.reason = reason
            self._desk.explain(self._symbols, self._desk.clock.wall_ns(), reason)

    def _account(self, link: Link, reason: Reason, tail: Tail | None = None) -> None:
        """Close the books of the connection, and the connection if it has not ended yet."""
        link.end(*reason)
        self.reason = reason
        self._write({"type": "disconnect", **reason._asdict()})
        self._desk.lose(self.stream, link.last_wall_ns, reason, tail or Tail(link.whole_ns, reason))
        self._desk.explain(self._symbols, self._desk.clock.wall_ns(), reason)
        self.frames += link.frames
        self.size += link.size
        if self._session:
            self.past = _add(self.past, self._session.tallies())
            self.unknown += self._session.unknown
        self._link = self._session = None


def _add(one: dict[str, Tally], other: dict[str, Tally]) -> dict[str, Tally]:
    total = dict(one)
    for symbol, tally in other.items():
        before = total.get(symbol, Tally(0, 0))
        total[symbol] = Tally(before.updates + tally.updates, max(before.last_ns, tally.last_ns))
    return total
