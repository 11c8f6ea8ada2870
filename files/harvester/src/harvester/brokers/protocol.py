"""What capture asks of a broker, whatever its wire format: REST polls, and conversations on its sockets."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, Protocol

from harvester.base.redaction import Secret
from harvester.ledger.outage import Outage
from harvester.net.websocket import WebSocket
from harvester.tokens.handover import Token

OnLive = Callable[[str, int], None]
"""Called with a symbol and wall ns when a snapshot of all that was subscribed of it has come."""
LastState = Mapping[str, Any]
"""What a connection knew last of each symbol or topic; only a session of the same socket can read it."""
REPLY_SECONDS = SNAPSHOT_SECONDS = 10.0
PING_NS = 10_000_000_000


class PollResult(NamedTuple):
    """The end of one poll: an answer, or the outage that kept it away. Times are wall ns unless named otherwise.

    `status` is the HTTP status, 0 with an empty `body` when no whole answer came. `outage` is None exactly when the
    slot has its data.
    """

    symbol: str
    scheduled_ns: int
    sent_ns: int
    wall_ns: int
    mono_ns: int
    status: int = 0
    body: bytes = b""
    outage: Outage | None = None
    retry_after_seconds: float | None = None
    server_date_ns: int | None = None


class TokenProver(Protocol):
    """Whoever can ask the broker whether it takes a token."""

    async def prove_token(self, token: Secret) -> PollResult:
        """Ask for what the broker gives to a valid token only; a result of no symbol and no slot."""


class PollClient(Protocol):
    """Sends requests of a polled feed."""

    number: int
    """Identifies the feed in a journal record."""

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask once. Never raises for what the network or the broker does; ends within the client's timeout."""


class CandleClient(Protocol):
    """Sends requests for the broker's own candles."""

    number: int
    """Identifies the feed in a journal record."""

    async def fetch(self, symbol: str, day: date, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask once for a symbol's candles of a market day so far; like PollClient.fetch. No data is an answer."""


class Address(NamedTuple):
    """Where to connect, and with which headers."""

    url: str
    headers: Mapping[str, str]


class SymbolTally(NamedTuple):
    """Entries or books received for a symbol, and the wall ns of the last; 0: none."""

    updates: int = 0
    last_ns: int = 0

    def plus(self, other: "SymbolTally") -> "SymbolTally":
        """Both together."""
        return SymbolTally(self.updates + other.updates, max(self.last_ns, other.last_ns))


NOTHING = SymbolTally()


class StreamSession(Protocol):
    """The conversation on one connection; made anew for each attempt. Methods that fail raise ConnectionEnded."""

    symbols: tuple[str, ...]
    differing: set[str]
    """Symbols whose snapshot was not what `expect` said."""

    def state(self) -> LastState:
        """What is known of the symbols now."""

    def expect(self, state: LastState) -> None:
        """Compare each snapshot that comes from now on with what an earlier connection knew last."""

    async def locate(self, token: Token) -> Address:
        """Where this connection goes."""

    async def subscribe(self, socket: WebSocket, token: Token) -> None:
        """Authenticate and subscribe; returns when all is sent."""

    def scan(self, message: bytes, wall_ns: int) -> bool:
        """Count what a binary message brings; True when it is data rather than control."""

    def hear(self, text: str) -> bool:
        """Take in a text message; True when it is only a sign of life."""

    def ping(self, socket: WebSocket) -> None:
        """Send the protocol's own ping."""

    def describe(self) -> dict[str, Any]:
        """What the connect record holds beside the symbols."""

    def missing(self) -> list[str]:
        """Symbols whose snapshot has not come yet."""

    def ask_again(self, socket: WebSocket) -> None:
        """Subscribe once more to what is missing."""

    def tally(self, symbol: str) -> SymbolTally:
        """What has come so far of one of its symbols."""

    @property
    def unknown(self) -> int:
        """How many messages, or parts of them, are not of the known format."""

    @property
    def refusal(self) -> str:
        """What the server refused while it keeps the connection; empty: nothing."""


NewSession = Callable[[OnLive], StreamSession]


class GroupPlan(NamedTuple):
    """The symbols of a connection group and how they are subscribed."""

    symbols: tuple[str, ...]
    new_session: NewSession
    redundant: bool = False
    """Two connections carry the same all the time (A/B)."""
    may_overlap: bool = False
    """A second connection is allowed while the first is open."""


class StreamSource(Protocol):
    """The symbols of a streamed feed and how they are spread over connections."""

    number: int
    """Identifies the feed in a journal record."""
    symbols: tuple[str, ...]
    stale_ns: int
    """A connection that gave no sign of life for so long is stale."""

    async def plan(self) -> list[GroupPlan]:
        """The groups of all symbols that can be subscribed. Raises HarvesterError when that cannot be known now."""

    def topics(self) -> dict[str, list[str]]:
        """What was looked up of each symbol, for a later start."""

    def recall(self, topics: dict[str, list[str]]) -> None:
        """Take over what an earlier run of the day had looked up."""
