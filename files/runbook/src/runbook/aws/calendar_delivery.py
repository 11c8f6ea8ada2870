"""Delivers an inventory's calendar file to all who go by it: functions and schedules in AWS, and the hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError
from runbook.aws import environment, sleepers
from runbook.fleet import calendar
from runbook.fleet.inventory import GROUP, ask_ansible
from runbook.fleet.playbook import Target, run

MANAGED, LAB = "aws_account_managed", "lab_state"
VARIABLES = (MANAGED, LAB, calendar.MARKET, "aws_account_profile", "aws_endpoint_url", "broker_proxy", "broker_ca_file")


@dataclass(frozen=True)
class Place:
    """The calendar file of an inventory, and how to reach who goes by it."""

    path: Path | None
    """The file in force; None: that of the package."""
    target: Path
    """Where a new one is written."""
    variables: Mapping[str, Any]
    """What leads clients to the inventory's AWS and broker; and whether its account is ours to change."""


def ask(root: Path, inventory: str | None, variable: str) -> dict[str, Any]:
    """A variable of the inventory and those that lead to its world, None where it has none. Raises ConfigError."""
    names = (variable, *VARIABLES)
    asked = ask_ansible(root, inventory, None, f"{GROUP}:localhost", names)
    return {name: next(filter(None, (each[name] for each in asked.values())), None) for name in names}


def look(root: Path, inventory: str | None) -> Place:
    """Ask the inventory. Raises ConfigError when Ansible cannot read it, and when it names a file that is not there."""
    variables = ask(root, inventory, calendar.VARIABLE)
    path = calendar.path_of(root, inventory, [variables])
    if path and not path.is_file():
        raise ConfigError(_explain_absence(path, variables[LAB]))
    return Place(path, path or calendar.path_beside(root, inventory), variables)


def deliver(root: Path, inventory: str | None, place: Place) -> list[str]:
    """Run the parts of site.yml that carry the calendar; hosts that slept are started for it, and stopped again.

    Gives the names of those. Raises PlaybookError with what stopped it.
    """
    return configure(root, inventory, {calendar.VARIABLE: str(place.target.resolve())}, place.variables)


def configure(
    root: Path, inventory: str | None, variable: Mapping[str, str], variables: Mapping[str, Any]
) -> list[str]:
    """The same, with another variable that names a file; `variables` are those of `ask`."""
    target = Target(root, inventory)
    if not variables[MANAGED]:
        run("site", target, variable, tags=["harvester_config"])
        return []
    with sleepers.left_asleep(environment.load(root, inventory)) as asleep:
        run("site", target, variable, tags=["aws", "harvester_config"])
    return asleep


def _explain_absence(path: Path, lab: str | None) -> str:
    if lab:
        return (
            f"There is no lab at {lab}, so it has no calendar yet: ./inv lab-up makes both. The hosts of another"
            " inventory are named with --inventory."
        )
    return (
        f"{path}: there is no such file, and {calendar.VARIABLE} in the inventory names it. Correct the variable, or"
        f" remove it: {calendar.FILE} beside the inventory's hosts is used then, and written by this command."
    )
