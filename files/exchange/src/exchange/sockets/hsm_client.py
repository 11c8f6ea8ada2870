"""A client of the data socket: authentication, subscriptions by channel, and its feed frames."""

import json
import logging
from collections.abc import Callable, Iterable

from exchange.options import SocketRules
from exchange.sockets import hsm_requests as requests
from exchange.sockets.connection import Connection
from exchange.sockets.feeds import HsmFeed
from exchange.sockets.hsm_requests import BadRequestError, Request
from exchange.wire import hsm

LIMIT_CODE = 51001
LIMIT_TEXT = "Symbol limit exceeded"
SCHEMA = json.dumps(
    {
        part: [{"id": place, "name": name} for place, name in enumerate(hsm.FIELDS[kind])]
        for part, kind in (("scrip", "sf"), ("index", "if"), ("depth", "dp"))
    },
    separators=(",", ":"),
).encode()
log = logging.getLogger("exchange")


class HsmClient:
    """Answers one client's frames and sends it what it subscribed. `admit` takes a token's key; None lets it in."""

    def __init__(
        self, connection: Connection, feed: HsmFeed, admit: Callable[[str], object | None], rules: SocketRules
    ) -> None:
        self.connection = connection
        self._feed = feed
        self._admit = admit
        self._rules = rules
        self._key: str | None = None
        """Of the token that was accepted."""
        self.refuses: Callable[[], bool] = lambda: False
        """Whether a fault keeps this client out."""
        self.topics: dict[str, int] = {}
        """Channel of each topic."""
        self._paused: set[int] = set()
        self._lite: set[int] = set()
        self._entries: list[bytes] = []
        self._message = 0
        self.acks = 0

    # what feeds call

    def add(self, entry: bytes) -> None:
        self._entries.append(entry)

    def flush(self) -> None:
        entries, self._entries = self._entries, []
        most = self._rules.frame_entries
        for start in range(0, len(entries), most):
            part = entries[start : start + most]
            self._message += 1
            self.connection.send(hsm.feed(self._message, part), len(part), self._message)

    def send_frame(self, frame: bytes, entries: int, message: int) -> None:
        self._message = message
        self.connection.send(frame, entries, message)

    # what the client asks for

    def take(self, data: bytes) -> None:
        """Answer one frame. Bytes that are no frame of this socket get no answer; the log names them."""
        try:
            request = requests.parse(data)
            self._answer(request)
        except BadRequestError as error:
            log.warning("connection %d: not a frame of the data socket: %s", self.connection.number, error)

    def _answer(self, request: Request) -> None:
        answers = {
            hsm.SUBSCRIBE: self._subscribe,
            hsm.UNSUBSCRIBE: self._unsubscribe,
            hsm.PAUSE: self._pause,
            hsm.RESUME: self._resume,
            hsm.MODE: self._mode,
        }
        if request.kind == hsm.AUTH:
            self._authenticate(request)
        elif request.kind == requests.ACK:
            self.acks += 1
        elif request.kind in answers and self._key is None:
            self.connection.send(hsm.reply(request.kind, accepted=False))
        elif request.kind in answers:
            answers[request.kind](request)

    def _authenticate(self, request: Request) -> None:
        key = request.field(1).decode("latin-1")
        refusal = "a fault" if self.refuses() else self._admit(key)
        self._key = key if refusal is None else None
        if refusal is not None:
            log.info("connection %d: not let in: %s", self.connection.number, refusal)
        reply = hsm.auth_reply(accepted=refusal is None, schema=SCHEMA, ack_every=self._rules.ack_every)
        self.connection.send(reply)

    def _subscribe(self, request: Request) -> None:
        names, channel = request.topics, request.channel
        known = [name for name in dict.fromkeys(names) if self._feed.symbol_of(name) is not None]
        if len(self.topics.keys() | set(known)) > self._rules.topic_limit:
            self.connection.send(hsm.notice(LIMIT_CODE, LIMIT_TEXT, hsm.SUBSCRIBE))
            self.connection.send(hsm.reply(hsm.SUBSCRIBE, accepted=False))
            return
        self.connection.send(hsm.reply(hsm.SUBSCRIBE))
        self.topics.update(dict.fromkeys(known, channel))
        if channel not in self._paused:
            self._feed.join(self, known, lite=channel in self._lite)

    def _unsubscribe(self, request: Request) -> None:
        gone = [name for name in request.topics if self.topics.pop(name, None) is not None]
        self._feed.leave(self, gone)
        self.connection.send(hsm.reply(hsm.UNSUBSCRIBE))

    def _pause(self, request: Request) -> None:
        for channel in request.channels - self._paused:
            self._feed.leave(self, self._of(channel))
        self._paused |= request.channels
        self.connection.send(hsm.reply(hsm.PAUSE))

    def _resume(self, request: Request) -> None:
        again = request.channels & self._paused
        self._paused -= again
        self.connection.send(hsm.reply(hsm.RESUME))
        for channel in sorted(again):
            self._feed.join(self, self._of(channel), lite=channel in self._lite)

    def _mode(self, request: Request) -> None:
        channels, lite = request.channels, request.field(2) == requests.LITE
        turned = {channel for channel in channels if (channel in self._lite) != lite}
        self._lite = self._lite | channels if lite else self._lite - channels
        self.connection.send(hsm.reply(hsm.MODE))
        for channel in sorted(turned - self._paused):
            self._feed.join(self, self._of(channel), lite=lite)

    def _of(self, channel: int) -> list[str]:
        return [name for name, one in self.topics.items() if one == channel]

    # what the exchange does

    def is_let_in(self) -> bool:
        return self._key is None or self._admit(self._key) is None

    @property
    def symbols(self) -> Iterable[str]:
        found = map(self._feed.symbol_of, self.topics)
        return {symbol for symbol in found if symbol is not None}

    def refresh(self) -> None:
        """Send snapshots of everything, after frames were withheld."""
        self._entries.clear()
        for channel in sorted(set(self.topics.values()) - self._paused):
            self._feed.join(self, self._of(channel), lite=channel in self._lite)

    def leave(self) -> None:
        """The connection is over."""
        self._feed.leave(self, list(self.topics))

    def describe(self) -> dict[str, object]:
        """What control answers show besides the connection's own facts."""
        first = next(iter(self.topics), "")
        facts = {"topics": len(self.topics), "first_topic": first}
        return {**facts, "acks": self.acks, "authenticated": self._key is not None}
