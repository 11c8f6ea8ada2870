"""What the sockets need of a market, which the live model, synthetic load and a recorded day offer; and of a client."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from exchange.sockets.connection import Connection


class HsmListener(Protocol):
    """A client of the data socket, as a feed sees it."""

    def add(self, entry: bytes) -> None:
        """Put an entry into the frame that is being made."""
        ...

    def flush(self) -> None:
        """Send what was added."""
        ...

    def send_frame(self, frame: bytes, entries: int, message: int) -> None:
        """Send a whole feed frame as it is."""
        ...


class HsmFeed(Protocol):
    """Topics of the data socket."""

    def symbol_of(self, topic: str) -> str | None:
        """The ticker that the topic belongs to; None when there is no such topic."""
        ...

    def join(self, listener: HsmListener, topics: Sequence[str], *, lite: bool) -> None:
        """Send snapshots now, and updates from now on. A topic that is joined already gets another snapshot."""
        ...

    def leave(self, listener: HsmListener, topics: Sequence[str]) -> None:
        """Stop updates of these topics. Topics that were not joined are ignored."""
        ...


class TbtListener(Protocol):
    """A client of the 50-level socket, as a feed sees it."""

    def send_message(self, message: bytes, books: int, symbol: str) -> None:
        """Send one message with so many books, `symbol` being the first's."""
        ...


class TbtFeed(Protocol):
    """Symbols of the 50-level socket."""

    def serves(self, symbol: str) -> bool:
        """Whether the symbol is offered there."""
        ...

    def join(self, listener: TbtListener, symbol: str) -> None:
        """Send a snapshot now, and differences from now on. A symbol that is joined already gets another snapshot."""
        ...

    def leave(self, listener: TbtListener, symbol: str) -> None:
        """Stop updates of this symbol. A symbol that was not joined is ignored."""
        ...


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
