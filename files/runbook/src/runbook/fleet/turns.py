"""What is done on each host of a fleet in turn: one that fails ends no other."""

from collections.abc import Callable, Iterable, Sequence

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host


def in_turn(hosts: Iterable[Host], act: Callable[[Host], None]) -> list[HarvesterError]:
    """Act on each host in their order, also after one that failed; why those failed that did, in the same order."""
    failed = []
    for host in hosts:
        try:
            act(host)
        except HarvesterError as error:
            failed.append(error)
    return failed


def raise_all(failed: Sequence[HarvesterError]) -> None:
    """Raise what failed, where anything did: one error as it is, several as one HarvesterError with all their words."""
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise HarvesterError(" ".join(map(str, failed)))
