"""Where a task acts: this checkout, the hosts of an inventory, and the directory of pulled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.ops.inventory import Host
    from harvester.ops.playbook import Target
    from harvester.ops.store import Store

ROOT = Path(__file__).resolve().parents[6]  # ./inv installs this package in place: the checkout that it is part of


def hosts_of(inventory: str | None, limit: str | None) -> list[Host]:
    """The chosen hosts of an inventory; ConfigError as `load_hosts` says."""
    from harvester.ops.inventory import load_hosts

    return load_hosts(ROOT, inventory, limit)


def target_of(inventory: str | None, limit: str | None) -> Target:
    """The same choice, for a playbook."""
    from harvester.ops.playbook import Target

    return Target(ROOT, inventory, limit)


def play(name: str, inventory: str | None, limit: str | None, *, check: bool = False, **variables: Any) -> None:
    """Run `playbooks/<name>.yml` there with these extra variables; PlaybookError when it fails."""
    from harvester.ops.playbook import run

    run(name, target_of(inventory, limit), variables or None, check=check)


def store_at(output: str) -> Store:
    """The pulled data at a path that is absolute, or taken from the checkout."""
    from harvester.ops.store import Store

    return Store((ROOT / output).resolve())
