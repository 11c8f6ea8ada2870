"""Conditions of the roles' tasks, rendered by Ansible."""

from functools import cache
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from tests.application.project import ROOT


def find(role: str, file: str, name: str) -> dict[str, Any]:
    """A task of a role by its name."""
    found = yaml.safe_load((ROOT / "roles" / role / "tasks" / file).read_text("utf-8"))
    [task] = [task for each in found for task in (each, *each.get("block", ())) if task["name"] == name]
    return dict(task)


def render(text: str, **given: Any) -> Any:
    load_plugins()
    return Templar(DataLoader(), given).template(trust_as_template(text))


def holds(condition: str | list[str], **given: Any) -> bool:
    """Whether all of a condition's lines are true of these variables."""
    each = [condition] if isinstance(condition, str) else condition
    return all(render("{{ " + one + " }}", **given) for one in each)


def trusted(value: Any) -> Any:
    """Variables as Ansible loads them: their templates are rendered."""
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [trusted(each) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


@cache
def load_plugins() -> None:
    init_plugin_loader()
