"""The interface of the roles: every variable described once, every default stated once, unknown ones refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ON_AWS = ("aws_account", "aws_baseline", "aws_identity", "aws_storage", "aws_host", "aws_functions", "aws_watch")
ROLES = (
    "host_baseline",
    "host_hardening",
    "container_engine",
    "harvester",
    "application",
    "jobs",
    "database_backup",
    "rclone",
    "overseer",
    *ON_AWS,
)
TYPES = {"str": str, "path": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8")) or {}


def options(root: Path, role: str) -> dict[str, dict[str, Any]]:
    return load(root / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_has_a_description_and_a_default_or_must_be_set(root, role):
    described = options(root, role)
    required = {name for name, option in described.items() if option.get("required")}
    defaults = load(root / "roles" / role / "defaults" / "main.yml")

    assert set(defaults) == set(described) - required
    assert all(option["description"].endswith((".", ")")) for option in described.values())


@pytest.mark.parametrize("role", ROLES)
def test_a_default_is_stated_once_and_has_the_type_that_is_described(root, role):
    described = options(root, role)
    defaults = load(root / "roles" / role / "defaults" / "main.yml")

    assert [name for name, option in described.items() if "default" in option] == []
    assert {name for name, value in defaults.items() if not isinstance(value, TYPES[described[name]["type"]])} == set()


@pytest.mark.parametrize("role", ROLES)
def test_every_name_carries_the_name_of_its_role(root, role):
    files = [path for path in (root / "roles" / role / "vars").rglob("*.yml")]
    internal = {name for path in files for name in load(path)}

    assert all(f"{name}_".startswith(f"{role}_") for name in options(root, role))
    assert all(name.startswith(f"__{role}_") for name in internal)


@pytest.mark.parametrize("role", ROLES)
def test_no_default_names_a_group_or_needs_a_gathered_fact(root, role):
    text = (root / "roles" / role / "defaults" / "main.yml").read_text("utf-8")

    assert "ansible_facts" not in text
    assert "groups[" not in text


@pytest.mark.parametrize("role", ROLES)
def test_every_public_variable_is_used(root, role):
    folder = root / "roles" / role
    files = [path for name in ("tasks", "templates", "vars", "handlers") for path in (folder / name).rglob("*.*")]
    files += [root / "playbooks" / name for name in ("configure.yml", "provision.yml")]
    text = "\n".join(path.read_text("utf-8") for path in files)

    assert {name for name in options(root, role) if name not in text} == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_explains_itself(root, role):
    readme = (root / "roles" / role / "README.md").read_text("utf-8")

    assert "defaults/main.yml" in readme
    assert "meta/argument_specs.yml" in readme
    assert f"`{role}`" in readme


def test_what_configure_writes_of_hosts_in_aws_is_refused_by_no_role(root):
    written = [*(root / "inventory/aws/group_vars").glob("*.yml")]
    written += (root / "files/runbook/src/runbook/aws/templates").glob("*.j2")
    said = {
        name for path in written for name in re.findall(r"^ *(harvester_\w+):", path.read_text("utf-8"), re.MULTILINE)
    }
    [refusal] = [
        task for task in load(root / "roles/harvester/tasks/preflight.yml") if "Refuse variables" in task["name"]
    ]

    unread = refusal["vars"]["__harvester_of_inventory"]
    assert {"harvester_count", "harvester_asleep", "harvester_settings"} <= said
    assert said - set(options(root, "harvester")) == set(unread)
