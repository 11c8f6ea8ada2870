"""What a change on a host sets going: which steps notify, which handlers follow, and in which order they run."""

from typing import Any

import pytest
import yaml
from conditions import ALL, CHECK, NO_CHECK, ROOT, Given, evaluate, expressions, name_of, tasks_of
from tests.operator.test_conditions_of_roles import ON_HOSTS

PROVEN = ("Drop the connection that the old settings let in", "Prove a new login", "Disarm the way back")
FOLLOWS: dict[str, dict[str, tuple[str, ...]]] = {
    "container_engine": {
        "Read the firewall's unit with what Docker adds": ("Read the firewall's unit with what Docker adds",),
        "Restart Docker": ("Restart Docker",),
    },
    "host_baseline": {
        "Restart the journal": ("Restart the journal",),
        "Restart the package timers": ("Reload systemd", "Restart the timers"),
        "Restart chrony": ("Reload systemd", "Restart the clock"),
    },
    "host_hardening": {
        "Apply the kernel settings": ("Apply the kernel settings",),
        "Restart fail2ban": ("Restart fail2ban",),
        "Restart SSH": ("Arm the way back", "Restart the SSH server", *PROVEN),
        "Load the firewall": (
            "Arm the way back",
            "Load the new rules",
            "Load what other roles add",
            "Read the firewall's unit anew",
            *PROVEN,
        ),
    },
}
"""By role and what is notified: the handlers that run, in their order."""
NOTIFIES = {
    ("container_engine/remove.yml", "Close the firewall"): "Load the firewall",
    ("container_engine/settings.yml", "Say how Docker logs, restarts and numbers"): "Restart Docker",
    ("container_engine/settings.yml", "Open the firewall for containers, as far as they may"): "Load the firewall",
    (
        "container_engine/settings.yml",
        "Have the firewall's end leave Docker's tables alone",
    ): "Read the firewall's unit with what Docker adds",
    ("host_baseline/files.yml", "Limit the journal, pin the upgrade window, log the clock"): "{{ item.notify }}",
    ("host_hardening/firewall.yml", "Let in SSH alone, let out what the host needs"): "Load the firewall",
    ("host_hardening/firewall.yml", "Have what other roles add loaded after it at each start"): "Load the firewall",
    ("host_hardening/kernel.yml", "Set what the host may set"): "Apply the kernel settings",
    ("host_hardening/kernel.yml", "Shut out who guesses"): "Restart fail2ban",
    ("host_hardening/ssh.yml", "Accept keys only, with sound algorithms only"): "Restart SSH",
}
"""What each step notifies when it has changed something."""
TAKEN_OVER = {
    "container_engine/settings.yml": "Take them over before a container starts",
    "host_baseline/services.yml": "Take the settings over before anything starts",
    "host_hardening/kernel.yml": "Prove the new SSH and firewall before going on",
}
"""Where handlers run at once, and not at the end of the play."""


def lacks(role: str) -> tuple[Given, Given]:
    missing, there = {f"__{role}_missing": ["a"]}, {f"__{role}_missing": []}
    return [missing | NO_CHECK, there | NO_CHECK, there | CHECK], [missing | CHECK]


MACHINE, CONTAINER = {"__host_baseline_container": False}, {"__host_baseline_container": True}
RUNS: dict[tuple[str, str], tuple[Given, Given]] = {
    ("container_engine", "Restart Docker"): lacks("container_engine"),
    ("host_baseline", "Restart the clock"): (
        [MACHINE | each for each in lacks("host_baseline")[0]],
        [
            *(MACHINE | each for each in lacks("host_baseline")[1]),
            CONTAINER | NO_CHECK | {"__host_baseline_missing": []},
        ],
    ),
    ("host_hardening", "Restart fail2ban"): lacks("host_hardening"),
    ("host_hardening", "Disarm the way back"): ([NO_CHECK], [CHECK]),
}
"""The handlers with a condition: states in which they run, and in which they do not."""


def handlers(role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.load(
        (ROOT / f"roles/{role}/handlers/main.yml").read_text("utf-8"), yaml.CSafeLoader
    )
    return found


def words(handler: dict[str, Any]) -> list[str]:
    """What has it run: the topics that it listens to, else its name."""
    topics = handler.get("listen") or handler["name"]
    return [topics] if isinstance(topics, str) else topics


def test_every_role_of_a_host_with_handlers_is_in_the_table() -> None:
    assert {path.parts[-3] for path in ROOT.glob("roles/*/handlers/main.yml")} == {*FOLLOWS}


@pytest.mark.parametrize("role", FOLLOWS)
def test_what_is_notified_has_its_handlers_run_in_their_order(role: str) -> None:
    found: dict[str, list[str]] = {}
    for handler in handlers(role):
        for topic in words(handler):
            found.setdefault(topic, []).append(handler["name"])

    assert {topic: tuple(names) for topic, names in found.items()} == FOLLOWS[role]


def test_each_change_notifies_what_takes_it_over() -> None:
    of_hosts = [file for file in ALL if file.partition("/")[0] in (*ON_HOSTS, "harvester")]
    found = {(file, name_of(task)): task["notify"] for file in of_hosts for task in tasks_of(file) if "notify" in task}
    known = {topic for each in FOLLOWS.values() for topic in each}
    of_files = {
        each["path"].rpartition("/")[0]: each["notify"]
        for each in expressions("roles/host_baseline/vars/main.yml")["__host_baseline_files"]
    }

    assert found == NOTIFIES
    assert {*NOTIFIES.values()} - {"{{ item.notify }}"} <= known
    assert of_files == {
        "/etc/systemd/journald.conf.d": ["Restart the journal"],
        "/etc/apt/apt.conf.d": [],
        "/etc/systemd/system/apt-daily.timer.d": ["Restart the package timers"],
        "/etc/systemd/system/apt-daily-upgrade.timer.d": ["Restart the package timers"],
        "/etc/chrony/sources.d": ["Restart chrony"],
        "/etc/chrony/conf.d": ["Restart chrony"],
        "/etc/systemd/system/chrony.service.d": ["Restart chrony"],
    }
    flushes = {
        file: name_of(task)
        for file in of_hosts
        for task in tasks_of(file)
        if task.get("ansible.builtin.meta") == "flush_handlers"
    }
    assert flushes == TAKEN_OVER


def test_a_handler_runs_where_it_must() -> None:
    conditions = {(role, each["name"]): each["when"] for role in FOLLOWS for each in handlers(role) if "when" in each}
    assert {*conditions} == {*RUNS}

    for (role, name), (runs, left_out) in RUNS.items():
        condition = f"true if ({conditions[role, name]}) else false"
        assert [given for given in runs if not evaluate(role, condition, given)] == [], name
        assert [given for given in left_out if evaluate(role, condition, given)] == [], name
