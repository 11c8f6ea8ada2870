"""A client of the 50-level depth socket: channels of symbols that are resumed and paused, with JSON texts."""

import json
import logging
from collections.abc import Callable
from typing import Any

from exchange.sockets.connection import Connection
from exchange.sockets.feeds import TbtFeed
from exchange.wire import tbt

SYMBOL_LIMIT = 5
LIMIT_TEXT = (
    "symbol count exceeds limit: 5, please unsubscribe few symbols before resuming the channel or subscribing"
    " additional symbols"
)
"""As the broker's server says it (a recorder project's notes, 2026-07)."""
CHANNELS = {str(number) for number in range(1, 51)}
SUBSCRIBE, SWITCH = 1, 2
MODE = "depth"
log = logging.getLogger("exchange")


class BadTextError(ValueError):
    """Not a text that a client of this socket sends; the message goes back to it."""


class TbtClient:
    """Answers one client's texts and feeds it."""

    def __init__(
        self, connection: Connection, feed: TbtFeed, admit: Callable[[str], object | None], token: str
    ) -> None:
        """`token` is the `app_id:token` that the handshake was accepted with; `admit` judges it: None is good."""
        self.connection = connection
        self._token = token
        self._admit = admit
        self._feed = feed
        self._channels: dict[str, dict[str, None]] = {}
        self._resumed: set[str] = set()
        self._refused: set[str] = set()
        """Resumed channels over the limit: they deliver nothing."""
        self._joined: set[str] = set()

    def send_message(self, message: bytes, books: int, symbol: str) -> None:
        self.connection.send(message, books, symbol=symbol)

    def is_let_in(self) -> bool:
        return self._admit(self._token) is None

    def take(self, text: str) -> None:
        """Answer one text."""
        if text == "ping":
            self.connection.send("pong")
            return
        try:
            self._answer(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = str(error) if isinstance(error, BadTextError) else "invalid request"
            log.info("connection %d: refused: %s", self.connection.number, reason)
            self._complain(reason)

    def _complain(self, text: str) -> None:
        self.connection.send(tbt.socket_message([], kind=tbt.RESPONSE, text=text, error=True))

    def _answer(self, message: dict[str, Any]) -> None:
        data = message["data"]
        if message["type"] == SUBSCRIBE:
            self._subscribe(data)
        elif message["type"] == SWITCH:
            self._resumed |= self._checked(data["resumeChannels"])
            paused = self._checked(data["pauseChannels"])
            self._resumed -= paused
            self._refused -= paused
            self._settle(self._checked(data["resumeChannels"]) - paused)
        else:
            raise BadTextError("invalid request type")

    @staticmethod
    def _checked(channels: list[str]) -> set[str]:
        wrong = [name for name in channels if name not in CHANNELS]
        if wrong:
            raise BadTextError(f"invalid channel: {wrong[0]}")
        return set(channels)

    def _subscribe(self, data: dict[str, Any]) -> None:
        if data["mode"] != MODE:
            raise BadTextError("invalid mode")
        (name,) = self._checked([data["channel"]])
        symbols = [str(symbol) for symbol in data["symbols"]]
        if data["subs"] == -1:
            self._channels[name] = {s: None for s in self._channels.get(name, {}) if s not in symbols}
            self._settle(set())
            return
        served = [symbol for symbol in symbols if self._feed.serves(symbol)]
        self._channels.setdefault(name, {}).update(dict.fromkeys(served))
        for symbol in served:
            self._rejoin(symbol)
        self._settle({name} & self._resumed)
        if len(served) < len(symbols):
            self._complain("invalid symbols: " + ", ".join(sorted(set(symbols) - set(served))))

    def _rejoin(self, symbol: str) -> None:
        """Who subscribes again gets a snapshot again."""
        if symbol in self._joined:
            self._feed.join(self, symbol)

    def _settle(self, changed: set[str]) -> None:
        """Join what is resumed and within the limit, leave the rest. `changed`: channels that may have grown."""
        if len(self._wanted(self._resumed)) <= SYMBOL_LIMIT:
            self._refused.clear()
        elif changed:
            self._refused |= changed
            self._complain(LIMIT_TEXT)
        wanted = self._wanted(self._resumed - self._refused)
        for symbol in [symbol for symbol in self._joined if symbol not in wanted]:
            self._feed.leave(self, symbol)
        for symbol in [symbol for symbol in wanted if symbol not in self._joined]:
            self._feed.join(self, symbol)
        self._joined = set(wanted)

    def _wanted(self, channels: set[str]) -> dict[str, None]:
        return {symbol: None for name in sorted(channels) for symbol in self._channels.get(name, {})}

    def refresh(self) -> None:
        """Send snapshots of everything, after messages were withheld."""
        for symbol in sorted(self._joined):
            self._feed.join(self, symbol)

    def leave(self) -> None:
        """The connection is over."""
        for symbol in self._joined:
            self._feed.leave(self, symbol)
        self._joined.clear()

    @property
    def symbols(self) -> list[str]:
        """What it gets."""
        return sorted(self._joined)

    def describe(self) -> dict[str, object]:
        """What control answers show besides the connection's own facts."""
        return {"symbols": self.symbols, "resumed": sorted(self._resumed), "refused": sorted(self._refused)}
