"""What every polled feed hands over, and what the recorder asks of such a feed."""

from typing import NamedTuple, Protocol

from harvester.base.redaction import Secret
from harvester.ledger.polls import Cause


class Arrival(NamedTuple):
    """The end of one poll: an answer, or the reason why there is none.

    `status` is 0 and `body` empty when no whole answer came. `cause` is None exactly when the slot has its data.
    """

    symbol: str
    scheduled_ns: int
    sent_ns: int
    wall_ns: int
    mono_ns: int
    status: int = 0
    body: bytes = b""
    cause: Cause | None = None
    detail: str = ""
    retry_after_seconds: float | None = None
    server_date_ns: int | None = None


class PolledFeed(Protocol):
    """A feed that is asked per symbol and slot."""

    number: int
    """Identifies the feed in a journal record."""

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> Arrival:
        """Ask once. Never raises for what the network or the broker does; ends within the feed's timeout."""
        ...

    async def prove_token(self, token: Secret) -> Arrival:
        """Ask for what only a living token gets; an arrival of no symbol and no slot."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
