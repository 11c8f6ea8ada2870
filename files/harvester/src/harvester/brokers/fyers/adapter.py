"""What a socket feed says and hears on one connection, whatever the wire format."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from harvester.net.websocket import Link
from harvester.tokens.handover import Token

Covered = Callable[[str, int], None]
"""Called with a symbol and wall ns when all that was asked for of it has come once."""
REPLY_SECONDS = SNAPSHOT_SECONDS = 10.0
PING_NS = 10_000_000_000


class Address(NamedTuple):
    """Where to connect, and with which headers."""

    url: str
    headers: Mapping[str, str]


class Tally(NamedTuple):
    """What came for a symbol on one connection: entries or books, and the wall ns of the last; 0: none."""

    updates: int
    last_ns: int


class Session(Protocol):
    """One connection's conversation; made anew for each attempt. Methods that fail raise Ended."""

    symbols: tuple[str, ...]

    async def locate(self, token: Token) -> Address:
        """Where this connection goes."""
        ...

    async def greet(self, link: Link, token: Token) -> None:
        """Say who we are and what we want; returns when all is said."""
        ...

    def look(self, message: bytes, wall_ns: int) -> bool:
        """Glance at a binary message; True when it is data."""
        ...

    def hear(self, text: str) -> bool:
        """Take in a text message; True when it is only a sign of life."""
        ...

    def beat(self, link: Link) -> None:
        """Send the protocol's own ping."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a connect record says of this connection beside its symbols."""
        ...

    def missing(self) -> list[str]:
        """Symbols that were asked for and have not come yet."""
        ...

    def ask_again(self, link: Link) -> None:
        """Ask once more for what is missing."""
        ...

    def tallies(self) -> dict[str, Tally]:
        """What came so far, by symbol."""
        ...

    @property
    def unknown(self) -> int:
        """Messages, or parts of them, that are not as we know them."""
        ...

    @property
    def refusal(self) -> str:
        """What the server refused while it goes on with the connection; empty: nothing."""
        ...
