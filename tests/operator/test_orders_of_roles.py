"""What in roles and playbooks must come before what: where a run is cut off, or fails, the order is what protects."""

from typing import Any

import pytest
import yaml
from conditions import ROOT, inside, name_of

ORDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "roles/host_hardening/handlers/main.yml": {
        "the way back stands until a new login has worked": (
            "Arm the way back",
            "Restart the SSH server",
            "Load the new rules",
            "Load what other roles add",
            "Drop the connection",
            "Prove a new login",
            "Disarm the way back",
        )
    },
    "roles/application/tasks/activate.yml": {
        "nothing of the one before goes until this one is well": (
            "Point to it",
            "Have systemd read the units",
            "See whether it runs",
            "Apply the schema",
            "Restart what runs",
            "Ask whether its hours are now",
            "Start it within its hours",
            "Note the one before",
            "Remove the variables of before",
        ),
        "what ran runs again with all that it had": (
            "Go back to the release before",
            "Take back its variables",
            "Restart what ran",
            "Say what became of it",
        ),
        "images go last": ("Start it within its hours", "Remove older releases"),
    },
    "roles/application/tasks/write.yml": {
        "variables are kept before others come": (
            "See whether it has variables",
            "Keep the variables of before",
            "Bring the variables",
        ),
    },
    "roles/application/tasks/take_back.yml": {
        "the copy goes when it is back": ("Put back the variables of before", "Remove their copy")
    },
    "roles/application/tasks/rollback.yml": {
        "both are known before either link moves": (
            "Read where both links lead",
            "Refuse where there is no way back",
            "Exchange the two",
            "Restart what runs",
        )
    },
    "roles/application/tasks/schema.yml": {
        "the database is there while the schema is applied, and goes whatever became of it": (
            "Start the database",
            "Apply it once",
            "Stop the database",
            "Refuse one that cannot be applied",
        )
    },
    "roles/application/tasks/remove.yml": {
        "nothing is stopped that may not be, and nothing starts it again": (
            "Ask whether it runs",
            "Ask whether its hours are now",
            "Refuse to end it",
            "Stop them",
            "Stop the application",
            "Take away the containers",
            "Have no boot look",
            "Remove units",
            "Have systemd forget",
        )
    },
    "roles/container_engine/tasks/remove.yml": {
        "a run that was cut off looks for the firewall": (
            "List the containers of others",
            "Stop Docker",
            "Close the firewall",
        )
    },
    "roles/overseer/tasks/remove.yml": {
        "a run that was cut off looks for the settings": (
            "Expect nothing of it",
            "Stop its units",
            "Remove its units",
            "Have systemd forget",
            "Remove its settings",
        )
    },
    "roles/jobs/tasks/run.yml": {
        "a timer is stopped while it is known, and a job is due once its timer waits": (
            "Look for units",
            "Stop the timers",
            "Remove their units",
            "Compare the units",
            "Have systemd read",
            "Enable and start",
            "Note since when",
        )
    },
    "roles/host_baseline/tasks/swap.yml": {
        "nobody reads what is swapped out": (
            "Reserve the file",
            "Close the file",
            "Write its header",
            "Use it",
        )
    },
    "roles/harvester/tasks/config.yml": {
        "what is refused leaves the configuration as it is, and what the release refuses never gets its name": (
            "Make the folders",
            "See which services have no file",
            "Write the services",
            "Refuse other services",
            "Bring the calendar",
            "Write the configuration",
            "Point to the configuration",
        )
    },
    "roles/harvester/tasks/main.yml": {
        "nothing is activated that was not brought, configured and looked up; nothing old goes before": (
            "Preflight",
            "Way",
            "Users",
            "Release",
            "Config",
            "Schedule",
            "Symbols",
            "Activate",
            "Prune",
        )
    },
    "roles/harvester/tasks/run.yml": {
        "systemd has read all before anything is restarted, and a session is respected": (
            "Compare",
            "Refuse to restart",
            "Restart the services",
            "Enable and start",
        )
    },
    "roles/harvester/tasks/compare.yml": {
        "a service without a file keeps its unit": ("Compare the units", "Refuse to run", "Have systemd read")
    },
    "roles/harvester/tasks/restart.yml": {"a session is respected": ("Look", "Refuse inside", "Restart", "Verify")},
    "roles/harvester/tasks/stop.yml": {"a session is respected": ("Look", "Refuse inside", "Stop the services")},
    "roles/harvester/tasks/release.yml": {
        "a release is built where it will lie, of all that it needs": (
            "Compare what is there",
            "Install the packages",
            "Make its folders",
            "Copy the wheels",
            "Copy our wheel",
            "Build the virtual environment",
        )
    },
    "playbooks/rotate_ssh_key.yml": {
        "a key goes when another one is there": (
            "Add the new key",
            "Read the keys",
            "Refuse to remove",
            "Remove the old key",
            "Drop the connection",
            "Prove a new login",
        )
    },
    "playbooks/token_push.yml": {
        "nothing is brought that others could read": (
            "Look at the file",
            "Require a private file",
            "Bring the token",
            "Replace the token",
            "Have the token agent look",
        )
    },
    "playbooks/cleanup.yml": {
        "the program decides by receipts that are there": (
            "Require a receipt",
            "Remove journal segments",
            "Bring the receipt",
            "Look what is in the bucket",
            "Clean up",
        )
    },
    "playbooks/notify_test.yml": {
        "ports are open before anything is sent": ("Have the unit make", "Write down", "Open them", "Send a test")
    },
    "playbooks/site.yml": {
        "a host is made, set up, then proven": (
            "Check the controller",
            "Make the hosts",
            "Set up the hosts",
            "Prove that",
        )
    },
}
"""By file and reason: steps that follow each other, others may stand between."""
ROLES = {
    "playbooks/configure.yml": (
        "host_baseline",
        "host_hardening",
        "container_engine",
        "harvester",
        "application",
        "rclone",
        "jobs",
        "database_backup",
        "overseer",
    ),
    "playbooks/deploy.yml": ("harvester", "application", "rclone", "jobs", "database_backup", "overseer"),
}
"""Each takes variables, users or files of those before it; the host is protected before anything of ours is on it."""


def names(file: str) -> list[str]:
    """The steps of a file, those of a block and then those of its rescue."""
    found: list[dict[str, Any]] = yaml.load((ROOT / file).read_text("utf-8"), yaml.CSafeLoader)
    return [name_of(task) or str(task.get("name", "")) for task in inside(found, ())]


@pytest.mark.parametrize(("file", "why"), [(file, why) for file, each in ORDERS.items() for why in each])
def test_steps_come_in_their_order(file: str, why: str) -> None:
    found, at = names(file), -1
    for begin in ORDERS[file][why]:
        following = [place for place, name in enumerate(found) if place > at and name.startswith(begin)]
        assert following, f"{begin} is not after what must precede it: {why}"
        at = following[0]


@pytest.mark.parametrize("file", ROLES)
def test_roles_come_in_their_order(file: str) -> None:
    plays = yaml.load((ROOT / file).read_text("utf-8"), yaml.CSafeLoader)

    assert [each["role"] for play in plays for each in play.get("roles", ())] == [*ROLES[file]]
