"""Where a task acts: this checkout, the hosts of an inventory, and the directory of pulled data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook.fleet.inventory import Host
    from runbook.fleet.playbook import Target
    from runbook.pull.store import LocalStore

ROOT = Path(__file__).resolve().parents[5]  # ./inv installs this package in place: the checkout that it is part of


def hosts_of(inventory: str | None, limit: str | None, *, named: bool = False) -> list[Host]:
    """The chosen hosts of an inventory, those that sleep as well; ConfigError as `load_hosts` says.

    `named` is for what needs no host, but what the inventory says of it: it may yet have to be made.
    """
    from runbook.console.terminal import waiting
    from runbook.fleet.inventory import load_hosts

    with waiting("asking Ansible for the hosts"):
        hosts = load_hosts(ROOT, inventory, limit, named=named)
    go_by_calendar(inventory, *(host.variables for host in hosts))
    return hosts


def awake_hosts_of(inventory: str | None, limit: str | None) -> list[Host]:
    """The same for what is done on the hosts. HarvesterError when one of them sleeps."""
    from runbook.fleet.inventory import refuse_sleepers

    hosts = hosts_of(inventory, limit)
    refuse_sleepers(host.name for host in hosts if host.asleep)
    return hosts


def go_by_calendar(inventory: str | None, *variables: Mapping[str, Any]) -> None:
    """From here on this process goes by market and calendar of an inventory; `variables` are its hosts', if known.

    Where they are not, the market is that of the calendar file. Raises ConfigError.
    """
    from harvester.base.market import enter
    from harvester.calendar.model import ENVIRONMENT
    from runbook.fleet.calendar import market_of, path_of

    path = path_of(ROOT, inventory, variables)
    enter(market_of(path, variables))
    os.environ[ENVIRONMENT] = str(path or "")


def target_of(inventory: str | None, limit: str | None) -> Target:
    """The same choice, for a playbook. ConfigError when there is no such inventory."""
    from runbook.fleet.inventory import require_inventory
    from runbook.fleet.playbook import Target

    require_inventory(ROOT, inventory)
    return Target(ROOT, inventory, limit)


def play(name: str, inventory: str | None, limit: str | None, *, check: bool = False, **variables: Any) -> None:
    """Run `playbooks/<name>.yml` there with these extra variables; PlaybookError when it fails.

    HarvesterError when one of the hosts sleeps; site.yml starts them.
    """
    from runbook.fleet.calendar import path_beside
    from runbook.fleet.inventory import CLOUD_FILE, refuse_sleepers, sleepers_of
    from runbook.fleet.playbook import run

    if name != "site" and path_beside(ROOT, inventory).with_name(CLOUD_FILE).exists():
        refuse_sleepers(sleepers_of(ROOT, inventory, limit))
    run(name, target_of(inventory, limit), variables or None, check=check)


def store_at(output: str) -> LocalStore:
    """The pulled data there."""
    from runbook.pull.store import LocalStore

    return LocalStore(directory_at(output, "--output"))


def directory_at(path: str, option: str) -> Path:
    """A path that is absolute, or taken from the checkout. ConfigError where it leads to something else."""
    from harvester.base.arguments import require_directory

    place = (ROOT / path).resolve()
    require_directory(place, option)
    return place


def report_at(path: str | None) -> Path | None:
    """Where --json wants a report. ConfigError at once where it cannot be written, not when the work is done."""
    from harvester.base.arguments import require_place

    if path:
        require_place(Path(path).resolve(), "--json")
    return Path(path).resolve() if path else None
