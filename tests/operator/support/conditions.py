"""The tasks of all roles and playbooks as tests see them: with the conditions of their blocks, rendered by Ansible."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from harvester_role import variables
from tests.compiled import keep_compiled

from harvester.base.aws_names import Names
from runbook.aws.account import describe

keep_compiled()
ROOT = Path(__file__).resolve().parents[3]
LOADER = DataLoader()
ASSERT = "ansible.builtin.assert"
Given = list[dict[str, Any]]
"""States: variables, each state by itself."""
CHECK, NO_CHECK = {"ansible_check_mode": True}, {"ansible_check_mode": False}
DEPLOYED, BARE = ({"__application_link": {"stat": {"exists": each}}} for each in (True, False))
PLACED, HERE = {"application_env_place": "ssm:/a"}, {"application_env_place": ""}
ALL = {
    **{f"{path.parts[-3]}/{path.name}": path for path in sorted(ROOT.glob("roles/*/tasks/*.yml"))},
    **{f"playbooks/{path.name}": path for path in sorted(ROOT.glob("playbooks/*.yml"))},
}
NAMES: dict[str, Any] = describe(Names("test"), "123456789012")
LOOK: dict[str, Any] = {"partition": "aws", "account": "123456789012", "names": NAMES, "functions": []}
"""What the look at an account gives the roles `aws_*`, for AWS_FILES."""
AWS_FILES = [file for file in ALL if file.startswith("aws_")]


@cache
def tasks_of(file: str) -> list[dict[str, Any]]:
    """Every task of a file, those of blocks as well, each with the conditions of its blocks; plays are blocks, too."""
    found = yaml.load(ALL[file].read_text("utf-8"), yaml.CSafeLoader)
    return [*inside(found, ())]


def inside(found: list[dict[str, Any]], conditions: tuple[Any, ...]) -> Any:
    for task in found:
        own = (*conditions, *([task["when"]] if "when" in task else []))
        yield task | {"conditions": own}
        parts = ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always")
        yield from inside([each for part in parts for each in task.get(part) or ()], own)


def name_of(task: dict[str, Any]) -> str:
    return str(task.get("name", "")).rpartition(" | ")[2]


def find(file: str, name: str) -> dict[str, Any]:
    [task] = [each for each in tasks_of(file) if name_of(each).startswith(name) and ("when" in each or ASSERT in each)]
    return task


@cache
def expressions(path: str) -> Any:
    """A file, its texts as Ansible's expressions."""
    return DataLoader().load_from_file(str(ROOT / path), trusted_as_template=True)


@cache
def known_of(file: str) -> dict[str, Any]:
    """The variables of a role and of those that it builds on, of the account's roles all; of a playbook its play's."""
    role, found = file.partition("/")[0], dict(of_harvester())
    found["role_path"] = str(ROOT / "roles" / role)
    if role == "playbooks":
        for play in expressions(file):
            found |= play.get("vars", {})
    others = [path.name for path in sorted(ROOT.glob("roles/aws_*"))] if role.startswith("aws_") else ["rclone"]
    for path in (f"roles/{each}/{part}/main.yml" for each in (*others, role) for part in ("defaults", "vars")):
        if (ROOT / path).is_file():
            found |= expressions(path)
    return found


of_harvester = cache(variables)


@cache
def own_of(file: str) -> dict[str, dict[str, Any]]:
    """The variables of each task of a file, by its name."""
    return {each["name"]: each.get("vars", {}) for each in inside(expressions(str(ALL[file])), ()) if "name" in each}


def evaluate(role: str, expression: str, given: dict[str, Any]) -> Any:
    """What an expression gives among a role's variables."""
    return Templar(LOADER, known_of(f"{role}/main.yml") | given).template(trust_as_template(f"{{{{ {expression} }}}}"))


def value(file: str, task: dict[str, Any], expression: str, given: dict[str, Any], *, default: Any = None) -> Any:
    """What an expression of a task gives; `default` where it is omitted."""
    templar = Templar(LOADER, known_of(file) | own_of(file)[task["name"]] | given)
    return templar.template({"value": trust_as_template(expression)}).get("value", default)


def holds(file: str, task: dict[str, Any], condition: Any, given: dict[str, Any]) -> bool:
    templar = Templar(LOADER, known_of(file) | own_of(file)[task["name"]] | given)
    conditions = condition if isinstance(condition, list) else [condition]
    return all(templar.evaluate_conditional(trust_as_template(each)) for each in conditions)


def code(name: str, *codes: int) -> Given:
    return [{name: {"rc": each, "stderr": ""}} for each in codes]


def state(*units: str) -> dict[str, Any]:
    return {"__application_active": {"stdout_lines": [*units]}}
