"""The account's roles: each runs by a tag of its own, and a variable that none of them reads is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.contract.test_roles import ON_AWS


def imports(root: Path) -> list[dict[str, Any]]:
    """The imports of roles in the play of the account."""
    plays = yaml.safe_load((root / "playbooks/provision.yml").read_text("utf-8"))
    tasks: list[dict[str, Any]] = plays[0]["tasks"]
    return [task for block in tasks for task in block.get("block", ())]


def test_each_role_has_its_tag_and_the_look_at_the_account_all_of_them(root: Path) -> None:
    tags: dict[str, set[str]] = {}
    for task in imports(root):
        tags.setdefault(task["ansible.builtin.import_role"]["name"], set()).update(task["tags"])

    assert tags.pop("aws_account") == set(ON_AWS)
    assert tags == {role: {role} for role in ON_AWS if role != "aws_account"}


def test_a_misspelt_variable_is_refused_before_anything_is_asked(root: Path) -> None:
    given = {"aws_account_managed": True, "aws_account_region": "ap-south-1", "aws_watch_emial": "ops@example.com"}
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "localhost,", "playbooks/provision.yml", "--extra-vars", json.dumps(given)]

    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stdout + done.stderr
    assert "aws_watch_emial: no role reads that, so it changes nothing. Is it misspelt?" in " ".join(
        done.stdout.split()
    )
    assert "Look at the account" not in done.stdout
