"""What a delivery is: four verbs, and what they hand to each other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from harvester.base.errors import HarvesterError
from harvester.deliver.receipts import DayReceipt, VerifiedObject
from harvester.lake.layout import Partition


class ItemError(HarvesterError):
    """One item is not at the place; others may well get there."""

    ends_run = False
    """Whether it is no use to go on with the others in this run."""


class ForeignError(ItemError):
    """The place holds something under an item's name that this delivery did not bring."""


@dataclass(frozen=True)
class Item:
    """One file of a day: its name below the place, which is the receipt's as well, and what it must hold."""

    path: str
    bytes: int
    sha256: str


Kind = TypeVar("Kind", bound=Item)
"""A delivery's own items."""
Sent = TypeVar("Sent")
"""What `put` has to say to `verify`, such as a hash."""


@dataclass
class Plan(Generic[Kind]):
    """What the place should hold of a day."""

    seal: str
    """Names all of it: a day whose receipt has this seal is not looked at again. Read before the items, and after."""
    items: Iterable[Kind]
    """In the order in which they are brought; may be made one by one."""
    last: tuple[Kind, ...] = ()
    """Brought when all others are verified: they tell a reader that the day is whole."""
    left_out: str = ""
    """Why the day cannot be brought, where that is no fault."""
    counts: dict[str, int] = field(default_factory=dict)
    """Figures of the day for the receipt; complete after the items."""


@dataclass
class DayOutcome:
    """What a run did for one day of one host."""

    partition: Partition
    put: int = 0
    bytes: int = 0
    complete: bool = False
    new: bool = False
    """Whether this run completed it."""
    left_out: str = ""
    """Why the day cannot be at the place, where that is no fault."""
    foreign: bool = False
    """Whether the place holds something else under the day's names."""
    problems: list[str] = field(default_factory=list)


class Delivery(Protocol[Kind, Sent]):
    """Brings days to one place. Doing it again does nothing, or what is lacking."""

    def plan(self, day: Partition) -> Plan[Kind]:
        """What the place should hold of a day. Asks the place nothing. Raises HarvesterError."""
        ...

    def put(self, item: Kind) -> Sent:
        """Bring an item: under its name is all of it or nothing. What is there already is no error.

        Raises ItemError where only this item is concerned; any other HarvesterError ends the run.
        """
        ...

    def verify(self, item: Kind, sent: Sent) -> VerifiedObject:
        """Read back what is at the place; on return it is the item, and nothing that the item supersedes is left.

        Raises as `put`, ForeignError where something else is there.
        """
        ...

    def receipt(self, day: Partition) -> DayReceipt:
        """What was verified of the day so far."""
        ...

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        """Keep the receipt, durably. Raises HarvesterError."""
        ...
