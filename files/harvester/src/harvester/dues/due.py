"""What is due, what was found of it, and the protocol by which a kind of thing takes part."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Literal, Protocol

import msgspec

from harvester.base.errors import HarvesterError

State = Literal["waiting", "met", "partial", "late", "missing", "excused", "unknown"]
"""waiting: there is time left. partial: it came, and something of it is lacking, each part with its cause. excused: it
was not due after all. unknown: nobody can see whether it came, which is no reason to do anything to it."""
WRONG: tuple[State, ...] = ("missing", "unknown")


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is expected. `kind` and `name` say what, `period` of which day or moment. Times are wall ns."""

    kind: str
    name: str
    period: str
    due_ns: int
    """When it is expected."""
    by_ns: int
    """When it is missing."""
    proof: str
    """What proves that it came, in words."""
    remedy: str
    """What to do when it does not come."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a source saw of a due, without any judgement."""

    met_ns: int | None = None
    """When it was there, proven; None: it is not."""
    proof: str = ""
    cause: str = ""
    """Why it is not there; or what is under way."""
    lack: str = ""
    """What is lacking of something that is there, with the causes."""
    excused: str = ""
    """Why it was not due after all."""
    unseen: str = ""
    """Why it cannot be said whether it is there."""
    told: bool = False
    """People were told of the cause already, by another way."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger: a due, what became of it, and why."""

    due: Due
    state: State
    met_ns: int | None = None
    proof: str = ""
    cause: str = ""
    told: bool = False


class UnseenError(HarvesterError):
    """A source cannot say anything; the message says why, and what to do."""


@contextmanager
def looking() -> Iterator[None]:
    """What the system does not show inside is UnseenError with its path."""
    try:
        yield
    except OSError as error:
        raise UnseenError(f"{error.filename}: cannot be looked at ({error.strerror}).") from error


class Source(Protocol):
    """A kind of thing that is due. A new one is a class with these two; nothing else has a list of kinds."""

    kind: str
    tells: bool
    """Whether the ledger tells people what is missing; False where something else does."""

    def declare(self, day: date, without: Collection[str] = ()) -> Sequence[Due]:
        """What is due on a day, in order of time, but for things of these names. Raises UnseenError."""
        ...

    def find(self, due: Due) -> Found:
        """What came of it until now. Raises UnseenError."""
        ...
