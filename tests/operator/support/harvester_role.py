"""The role harvester as its tests see it: its variables, its tasks, and its expressions as Ansible renders them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles/harvester"
WELL = {"current": "b2-1", "previous": "a1-0", "unproven": [], "broken": False, "status": {}}


def variables() -> dict[str, Any]:
    """The role's defaults and variables."""
    init_plugin_loader()
    found: dict[str, Any] = {"inventory_hostname": "h1"}
    for path in (ROLE / "defaults/main.yml", *sorted((ROLE / "vars/main").glob("*.yml"))):
        found |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    return found


def render(role: dict[str, Any], expression: str, **given: Any) -> Any:
    return Templar(DataLoader(), role | given).template(trust_as_template(expression))


def tasks(name: str) -> list[dict[str, Any]]:
    """The tasks of a file, blocks as one."""
    found: list[dict[str, Any]] = yaml.safe_load((ROLE / "tasks" / name).read_text("utf-8"))
    return found


def flatten(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks, and those of their blocks."""
    for task in found:
        yield task
        yield from flatten([*task.get("block", ()), *task.get("rescue", ())])
