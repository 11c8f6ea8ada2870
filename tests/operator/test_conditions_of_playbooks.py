"""Which steps and roles the playbooks leave out: their conditions, rendered by Ansible.

What they refuse is in `test_refusals_of_roles.py`, and here when they ask at all.
"""

from typing import Any

import pytest
from conditions import ALL, Given, holds, inside, tasks_of

REMOTES, NO_REMOTES = [{"rclone_remotes": [1]}, {"rclone_remotes": [1, 2]}], [{"rclone_remotes": []}]
BACKUP, NO_BACKUP = [{"database_backup": {"database": "a"}}], [{"database_backup": {}}]
WANTED, UNWANTED = [{"__application_wanted": True}], [{"__application_wanted": False}]
MANAGED, UNMANAGED = [{"aws_account_managed": True}], [{"aws_account_managed": False}, {}]
ADD, REMOVE = [{"rotate_ssh_key_add": "a"}], [{"rotate_ssh_key_remove": "a"}]
STEPS: dict[tuple[str, str, str], tuple[Given, Given]] = {
    ("cleanup", "Clean up what is safe elsewhere", "Bring the receipt to the host"): (
        [{"harvester_cleanup_receipt": "a"}, {"harvester_cleanup_receipt": "a", "harvester_cleanup_s3": True}],
        [{"harvester_cleanup_s3": True}],
    ),
    ("cleanup", "Clean up what is safe elsewhere", "Look what is in the bucket now"): (
        [{"harvester_cleanup_s3": True}, {"harvester_cleanup_receipt": "a", "harvester_cleanup_s3": True}],
        [{"harvester_cleanup_receipt": "a"}],
    ),
    ("configure", "Set up the hosts", "container_engine"): (WANTED, UNWANTED),
    ("configure", "Set up the hosts", "rclone"): (REMOTES, NO_REMOTES),
    ("configure", "Set up the hosts", "database_backup"): (BACKUP, NO_BACKUP),
    ("configure", "Set up the hosts", "Stop the engine where there is no application"): (UNWANTED, WANTED),
    ("deploy", "Deploy the harvester", "rclone"): (REMOTES, NO_REMOTES),
    ("deploy", "Deploy the harvester", "database_backup"): (BACKUP, NO_BACKUP),
    ("preflight", "Check the controller", "Refuse more hosts than symbols"): (MANAGED, UNMANAGED),
    **{
        ("provision", play, "End here with an inventory that does not have the account managed"): (UNMANAGED, MANAGED)
        for play in ("Provision AWS", "Know the new hosts", "Wait for the hosts")
    },
    ("rotate_ssh_key", "Rotate the login key", "Add the new key"): (ADD, REMOVE),
    ("rotate_ssh_key", "Rotate the login key", "Read the keys"): (REMOVE, ADD),
    ("rotate_ssh_key", "Rotate the login key", "Remove the old key"): (REMOVE, ADD),
    ("rotate_ssh_key", "Rotate the login key", "Refuse to remove the only key"): (REMOVE, ADD),
    ("start", "Start the harvester", "Start what watches workers elsewhere"): (
        [{"overseer_settings": {"workers": []}}],
        [{"overseer_settings": {}}],
    ),
    ("token_undo", "Go back to the token before", "Note which version that is"): (
        [{"harvester_token_undo_folder": "a"}],
        [{}],
    ),
}
"""Of each step and role with a condition, by playbook and play: states in which it is done, and in which it is not."""


def conditional() -> dict[tuple[str, str, str], dict[str, Any]]:
    found = {}
    for file in (file for file in ALL if file.startswith("playbooks/")):
        for play in (each for each in tasks_of(file) if "hosts" in each):
            steps = {each["name"]: each for each in inside([{"block": play.get("tasks", [])}], ()) if "name" in each}
            roles = {each["role"]: each | {"name": play["name"]} for each in play.get("roles", ())}
            for name, step in (roles | steps).items():
                if "when" in step:
                    found[file[10:-4], play["name"], name] = step
    return found


CONDITIONAL = conditional()


def test_every_step_and_role_with_a_condition_is_in_the_table() -> None:
    assert {*STEPS} == {*CONDITIONAL}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}: {step[2]}")
def test_a_step_or_role_is_left_out_where_it_must_be(step: tuple[str, str, str]) -> None:
    file, task, (done, left_out) = f"playbooks/{step[0]}.yml", CONDITIONAL[step], STEPS[step]

    assert [given for given in done if not holds(file, task, task["when"], given)] == []
    assert [given for given in left_out if holds(file, task, task["when"], given)] == []
