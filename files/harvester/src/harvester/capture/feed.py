"""The protocol of a feed, polled or streamed, as the recorder drives it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from harvester.capture.history import ReplayedFeed
from harvester.ledger.gaps import Ledger
from harvester.ledger.outage import Outage


class Turn(NamedTuple):
    """One turn of the recorder's loop."""

    wall_ns: int
    mono_ns: int
    is_near: bool
    """Whether a window is open, or opens so soon that connections should be made."""
    hold: Outage | None
    """Why nothing may be recorded although a window is open; None: it may."""
    late: Outage
    """Why slots that went by since the last turn were not polled."""


@dataclass
class SymbolCounters:
    """Counts of one symbol in one feed since the start of the recorder. Times are wall ns."""

    updates: int = 0
    slots: int = 0
    accounted_ns: int = 0
    """Each slot before this moment has data or a gap. Of polls only, like `slots`, `last_http` and `last_error`."""
    last_recv_ns: int | None = None
    last_http: int | None = None
    last_error: str = ""


class Feed(ABC):
    """One source of observations: it brings frames into the journal and accounts for them in its ledger."""

    name: str
    number: int
    """Identifies the feed in journal records."""
    ledgers: Mapping[str, Ledger]
    """What is accounted for of the feed's symbols, by segment."""
    interval_ns: int | None = None
    """From one scheduled poll to the next; None where nothing is scheduled."""

    @property
    def next_due_ns(self) -> int | None:
        """The wall ns at which the feed must have its next turn; None: the recorder's usual pace will do."""
        return None

    @property
    def is_stuck(self) -> bool:
        """Whether the feed makes no progress, so that systemd should restart the service."""
        return False

    @property
    @abstractmethod
    def messages(self) -> int:
        """Messages received since the start of the recorder."""

    @abstractmethod
    def follow(self, turn: Turn) -> None:
        """Do what is due in this turn; returns at once."""

    def finish_window(self, turn: Turn, segment: str) -> bool:
        """Do what is still due in a segment's window that has closed; True when nothing of it is under way."""
        return True

    @abstractmethod
    def change_token(self) -> None:
        """A new token was adopted: use it from now on."""

    @abstractmethod
    def recall(self, history: ReplayedFeed) -> None:
        """Take over, at a start, what an earlier run of the day had found out."""

    @abstractmethod
    def checkpoint(self) -> dict[str, Any]:
        """The feed's part of the journal's state record."""

    @property
    @abstractmethod
    def symbols(self) -> Collection[str]:
        """The feed's symbols."""

    @abstractmethod
    def count(self, symbol: str) -> SymbolCounters:
        """Live counters of one of the symbols."""

    @abstractmethod
    async def stop(self, outage: Outage) -> None:
        """End all work; `outage` is why its symbols are not seen from now on."""
