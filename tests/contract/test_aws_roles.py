"""The account's roles: each runs by a tag of its own, and a variable that none of them reads is refused."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from tests.contract.test_roles import ON_AWS, options


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


@pytest.mark.parametrize("role", ON_AWS)
def test_what_a_role_reads_of_others_is_declared_in_its_readme(root: Path, role: str) -> None:
    """Of the other roles, of the inventory beside them, and what the roles hand on to each other."""
    folder = root / "roles" / role
    handed_on = yaml.safe_load((root / "roles/aws_account/vars/main.yml").read_text("utf-8"))["__aws_account_handed_on"]
    known = {*handed_on, "broker_account", "broker_app_id", "broker_redirect_uri", "broker_refresh"}
    known.update(*(options(root, other) for other in ON_AWS))
    files = [path for name in ("tasks", "templates", "vars") for path in (folder / name).rglob("*.*")]
    lists = root / "roles/aws_account/vars/main.yml"  # names what is handed on, and reads nothing of it
    text = "\n".join(path.read_text("utf-8") for path in files if path != lists)
    read = {word for word in re.findall(r"\b[a-z]\w+", text) if word in known and not word.startswith(f"{role}_")}

    [declared] = re.findall(r"^- Reads of others: (.*)\.$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", declared)) == read


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


@pytest.mark.parametrize(
    ("message", "again"),
    [
        ("Value (x-host) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", True),
        ("Value (arn:aws:iam::1:instance-profile/x) for parameter iamInstanceProfile.arn is invalid", True),
        ("Failed to create new EC2 instance: InsufficientInstanceCapacity", False),
    ],
)
def test_a_profile_that_is_not_known_everywhere_yet_is_asked_for_again(root: Path, message: str, again: bool) -> None:
    """In the words of EC2's RunInstances: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html."""
    tasks = yaml.safe_load((root / "roles/aws_host/tasks/main.yml").read_text("utf-8"))
    [make] = [task for task in tasks if "amazon.aws.ec2_instance" in task]
    init_plugin_loader()
    templar = Templar(DataLoader(), {"__aws_host_made": {"failed": True, "msg": message}})

    assert make["retries"] * make["delay"] >= 30, "AWS says some seconds; it was seen to take more"
    assert templar.evaluate_conditional(trust_as_template(make["until"])) is not again
