"""What is done on each host of a fleet, or each group of hosts, in turn: one that fails ends no other."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from harvester.base.errors import HarvesterError

Turn = TypeVar("Turn")


def in_turn(turns: Iterable[Turn], act: Callable[[Turn], None]) -> list[HarvesterError]:
    """Act on each in their order, also after one that failed; why those failed that did, in the same order."""
    failed = []
    for turn in turns:
        try:
            act(turn)
        except HarvesterError as error:
            failed.append(error)
    return failed


def raise_all(failed: Sequence[HarvesterError]) -> None:
    """Raise what failed, where anything did: one error as it is, several as one HarvesterError with all their words."""
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise HarvesterError(" ".join(map(str, failed)))
