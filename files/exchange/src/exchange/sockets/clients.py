"""What both sockets' clients have in common."""

from collections.abc import Iterable
from typing import Protocol

from exchange.sockets.connection import Connection


class Client(Protocol):
    """One client as the exchange handles it."""

    connection: Connection

    @property
    def symbols(self) -> Iterable[str]:
        """What it has subscribed."""
        ...

    def refresh(self) -> None:
        """Send snapshots of everything, after frames were withheld."""
        ...

    def leave(self) -> None:
        """The connection is over."""
        ...

    def is_let_in(self) -> bool:
        """False when its token is no longer good."""
        ...

    def describe(self) -> dict[str, object]:
        """What control answers show besides the connection's own facts."""
        ...
