"""A client of the order socket: it is let in and subscribes, and since the account never trades nothing follows."""

import json
from collections.abc import Callable

from exchange.sockets.connection import Connection

SUBSCRIBED = {"code": 1605, "message": "Successfully subscribed", "s": "ok"}
UNSUBSCRIBED = {"code": 1605, "message": "Successfully unsubscribed", "s": "ok"}
INVALID = {"code": -50, "message": "invalid request", "s": "error"}
KINDS = {"orders", "trades", "positions", "edis", "pricealerts", "login"}
"""What can be subscribed (SDK 3.2.0, order_ws)."""


class OrderClient:
    """Answers one client's texts."""

    def __init__(self, connection: Connection, admit: Callable[[str], object | None], token: str) -> None:
        """`token` is the `app_id:token` that the handshake was accepted with; `admit` judges it: None is good."""
        self.connection = connection
        self._token = token
        self._admit = admit
        self._kinds: set[str] = set()

    def is_let_in(self) -> bool:
        return self._admit(self._token) is None

    def take(self, text: str) -> None:
        """Answer one text."""
        if text == "ping":
            self.connection.send("pong")
            return
        try:
            message = json.loads(text)
            kinds, direction = {str(kind) for kind in message["SLIST"]}, message["SUB_T"]
            answer = self._subscribe(kinds, direction)
        except (ValueError, KeyError, TypeError):
            answer = INVALID
        self.connection.send(json.dumps(answer))

    def _subscribe(self, kinds: set[str], direction: int) -> dict[str, object]:
        if not kinds <= KINDS or direction not in (1, -1):
            return INVALID
        self._kinds = self._kinds | kinds if direction == 1 else self._kinds - kinds
        return SUBSCRIBED if direction == 1 else UNSUBSCRIBED

    def refresh(self) -> None:
        """There is nothing to send."""

    def leave(self) -> None:
        """The connection is over."""
        self._kinds.clear()

    @property
    def symbols(self) -> list[str]:
        """None: it is about the account."""
        return []

    def describe(self) -> dict[str, object]:
        """What control answers show besides the connection's own facts."""
        return {"subscribed": sorted(self._kinds)}
