"""The order of the checks."""

from collections.abc import Iterator
from pathlib import Path

from harvester.base.errors import HarvesterError
from runbook.doctor.broker import check_broker
from runbook.doctor.finding import Finding, fail, ok
from runbook.doctor.hosts import check_host
from runbook.doctor.machine import check_machine
from runbook.fleet.inventory import load_hosts


def examine(root: Path, store_root: Path, inventory: str | None = None, limit: str | None = None) -> Iterator[Finding]:
    """Every check in turn, from this machine outwards; a finding comes as soon as it is made."""
    yield from check_machine(root, store_root)
    try:
        hosts = load_hosts(root, inventory, limit)
    except HarvesterError as error:
        yield fail("inventory", str(error), "See there.")
        return
    yield ok("inventory", f"{len(hosts)} host{'s' if len(hosts) != 1 else ''}: {', '.join(h.name for h in hosts)}")
    yield check_broker(hosts[0])
    for host in hosts:
        yield from check_host(host)
