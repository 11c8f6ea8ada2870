"""The roles of the account: when a task is done, asked again, and told as a change, rendered by Ansible."""

from typing import Any

import pytest
from conditions import ASSERT, AWS_FILES, CHECK, LOOK, NAMES, NO_CHECK, Given, holds, name_of, tasks_of

KEYS = ("when", "until", "changed_when", "failed_when")
WORDS = ("check_mode", "ignore_errors", "ignore_unreachable", "any_errors_fatal", "run_once", "delegate_to")
TAGS: dict[str, str] = NAMES["tags"]
FUNCTIONS: dict[str, str] = NAMES["functions"]
CHANGED, SAME = {"changed": True, "failed": False}, {"changed": False, "failed": False}
NO_ROLE = "The role defined for the function cannot be assumed by Lambda."
NO_PROFILE = "Value (x-host) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
OFF = {"aws_host_s3_endpoint": False, "__aws_host_endpoints": {"skipped": True}}
DISK = {"host": "h1", "gib": 20, "type": "gp3", "tags": TAGS | {"Name": "h1", "Theirs": "x"}}

Some = tuple[str, ...]


def failed(name: str, *messages: str | None) -> Given:
    return [{name: {"failed": True, "msg": message}} for message in messages]


def settled(state: dict[str, Any], *functions: str, **more: Any) -> dict[str, Any]:
    """What was said of functions with an address, in the account that was looked at."""
    urls = {FUNCTIONS[name]: "https://x.lambda-url/" for name in functions}
    return {"aws_account_look": LOOK, "__aws_functions_settled": state | {"urls": urls}} | more


def made(state: dict[str, Any], profile: str) -> dict[str, Any]:
    """A host that is there with this profile, and what was said of making it."""
    look = LOOK | {"instances": [{"name": "h1", "profile": profile}, {"name": "h2", "profile": ""}]}
    return {"aws_account_look": look, "__aws_host_name": "h1", "__aws_host_made": state}


def disk(**different: Any) -> dict[str, Any]:
    return {"aws_account_look": LOOK, "__aws_host_volume_gib": "20", "__aws_host_disk": DISK | different}


def run(*states: str) -> dict[str, Any]:
    return {"__aws_host_seen": {"instances": [{"state": {"name": each}} for each in states]}}


def keys(
    state: dict[str, Any], *, elastic: bool, addresses: Some = (), by: str = "ssh", names: Some = ()
) -> dict[str, Any]:
    """Hosts whose keys were looked for, and the addresses that the account has for them."""
    look = LOOK | {"addresses": {name: {"ip": "203.0.113.1", "instance": ""} for name in addresses}}
    given = {"aws_account_look": look, "aws_host_names": [*names], "aws_host_elastic_ip": elastic}
    return given | {"aws_host_connection": by, "__aws_host_known": state}


def topic(there: bool, *arns: str, email: str = "me@example.com") -> dict[str, Any]:
    """A topic that is there or not, and the addresses that were found at it."""
    found = [{"endpoint": "me@example.com", "subscription_arn": arn} for arn in arns]
    look = LOOK | {"subscriptions": found if there else None}
    return {"aws_account_look": look, "aws_watch_email": email} | {
        "__aws_watch_topic_made": {"sns_topic": {"subscriptions": found}} if found else {"skipped": True}
    }


HOSTS: tuple[Given, Given] = [{"aws_host_names": []}], [{"aws_host_names": ["h1"]}]
LEFT_OUT = ("Say what this account cannot have", "when")
IN_POLICIES = {"aws_account_look": {"policies": {"x-host": []}}}
CONDITIONS: dict[tuple[str, str, str], tuple[Given, Given]] = {
    **{
        ("aws_baseline/main.yml", name, "when"): ([{"aws_baseline_enabled": True}], [{}])
        for name in ("Make the trail's bucket", "Keep a trail of all calls", "Close the default security group")
    },
    ("aws_functions/main.yml", "Deploy the functions", "until"): (
        [
            {"__aws_functions_deployed": SAME},
            {"__aws_functions_deployed": {"failed": True}},
            *failed("__aws_functions_deployed", None, "An error occurred (InvalidParameterValueException)"),
        ],
        failed("__aws_functions_deployed", NO_ROLE),
    ),
    ("aws_functions/main.yml", *LEFT_OUT): (
        [{"__aws_functions_settled": {"left_out": ["no concurrency"]}}],
        [{"__aws_functions_settled": {"left_out": []}}],
    ),
    ("aws_functions/main.yml", "Say what the token page needs", "when"): (
        [settled(CHANGED, "token-page"), settled(CHANGED, "worker-door", "token-page")],
        [settled(SAME, "token-page"), settled(CHANGED, "worker-door"), settled(CHANGED)],
    ),
    ("aws_functions/main.yml", "Say where workers report", "when"): (
        [settled(CHANGED, "worker-door", aws_functions_worker_door=True)],
        [
            settled(CHANGED, "worker-door"),
            settled(SAME, "worker-door", aws_functions_worker_door=True),
            settled(CHANGED, "token-page", aws_functions_worker_door=True),
        ],
    ),
    ("aws_host/main.yml", "End here", "when"): HOSTS,
    ("aws_host/reach.yml", "End here", "when"): HOSTS,
    ("aws_host/main.yml", "Make the hosts", "until"): (
        [
            {"__aws_host_made": SAME},
            {"__aws_host_made": {"failed": True}},
            *failed("__aws_host_made", None, "Failed to create new EC2 instance: InsufficientInstanceCapacity"),
        ],
        failed("__aws_host_made", NO_PROFILE, "no such instance profile", "Invalid IAM Instance Profile ARN"),
    ),
    ("aws_host/main.yml", "Make the hosts", "changed_when"): (
        [
            made(CHANGED, NAMES["roles"]["host"]) | NO_CHECK,
            made(CHANGED, NAMES["roles"]["host"]) | CHECK,
            *(made(SAME, profile) | CHECK for profile in ("", "theirs")),
        ],
        [
            made(SAME, NAMES["roles"]["host"]) | CHECK,
            *(made(SAME, profile) | NO_CHECK for profile in ("", NAMES["roles"]["host"])),
        ],
    ),
    ("aws_host/endpoint.yml", "See whether the network has a way", "when"): ([{}], [OFF]),
    **{
        ("aws_host/endpoint.yml", name, "when"): (
            [{"__aws_host_endpoints": {"vpc_endpoints": []}}],
            [{"__aws_host_endpoints": {"vpc_endpoints": [{"vpc_id": "vpc-1"}]}}, OFF],
        )
        for name in ("See the tables of routes", "Make the way to S3")
    },
    ("aws_host/reach.yml", "Grow and tag the disks", "when"): (
        [
            disk(gib=19),
            disk(type="gp2"),
            *(disk(tags=DISK["tags"] | {each: "other"}) for each in ("Name", "Project", "Environment")),
            disk(tags={}),
            disk(tags={key: text for key, text in DISK["tags"].items() if key != "Name"}),
        ],
        [disk(), disk(gib=21), disk(tags=DISK["tags"] | {"Theirs": "y"})],
    ),
    ("aws_host/reach.yml", "Wait until they run", "until"): (
        [run("running"), run("running", "stopped"), {"__aws_host_seen": {"failed": True, "msg": "denied"}}],
        [run("pending"), run("running", "pending")],
    ),
    ("aws_host/reach.yml", "Wait until they run", "when"): ([NO_CHECK], [CHECK]),
    ("aws_host/reach.yml", "Know the hosts by their keys", "when"): ([{}], [{"aws_host_trust_console": False}]),
    ("aws_host/reach.yml", "Know the hosts by their keys", "until"): (
        [{"__aws_host_known": SAME | {"waiting": []}}, {"__aws_host_known": {"failed": True, "msg": "denied"}}],
        [{"__aws_host_known": each | {"waiting": ["h1"]}} for each in (SAME, CHANGED)],
    ),
    ("aws_host/reach.yml", "Know the hosts by their keys", "changed_when"): (
        [
            keys(CHANGED, elastic=True, addresses=("h1",), names=("h1",)) | NO_CHECK,
            keys(CHANGED, elastic=True, by="session-manager", names=("h1",)) | CHECK,
            keys(SAME, elastic=True, addresses=("h1",), names=("h1", "h2")) | CHECK,
            keys(SAME, elastic=False, addresses=("h1",), names=("h1",)) | CHECK,
        ],
        [
            keys(SAME, elastic=True, names=("h1",)) | NO_CHECK,
            keys(SAME, elastic=False, addresses=("h1",), names=("h1",)) | NO_CHECK,
            keys(SAME, elastic=True, by="session-manager", names=("h1",)) | CHECK,
            keys(SAME, elastic=True, addresses=("h1", "h2"), names=("h1", "h2")) | CHECK,
            keys(SAME, elastic=False, names=("h1",)) | CHECK,
        ],
    ),
    ("aws_identity/main.yml", "Give each role its policy", "when"): (
        [
            *(IN_POLICIES | {"__aws_identity_role": {"name": name}} | NO_CHECK for name in ("x-host", "x-etl")),
            IN_POLICIES | {"__aws_identity_role": {"name": "x-host"}} | CHECK,
        ],
        [IN_POLICIES | {"__aws_identity_role": {"name": "x-etl"}} | CHECK],
    ),
    ("aws_watch/main.yml", *LEFT_OUT): (
        [{"__aws_watch_settled": {"left_out": ["no budget"]}}],
        [{"__aws_watch_settled": {"left_out": []}}],
    ),
    ("aws_watch/topic.yml", "Make the topic", "when"): (
        [topic(True) | CHECK, topic(True) | NO_CHECK, topic(False) | NO_CHECK],
        [topic(False) | CHECK],
    ),
    ("aws_watch/topic.yml", "Show that it would be made", "when"): (
        [topic(False) | CHECK],
        [topic(True) | CHECK, topic(True) | NO_CHECK, topic(False) | NO_CHECK],
    ),
    ("aws_watch/topic.yml", "Say what a person has to do", "when"): (
        [topic(True, arn) for arn in ("PendingConfirmation", "pending confirmation")],
        [
            topic(True, "arn:aws:sns:ap-south-1:123456789012:x:1"),
            topic(True, "PendingConfirmation", email="other@example.com"),
            topic(True),
            topic(False),
        ],
    ),
}
"""By file, begin of the name and key: states in which the condition is true, and in which it is not."""
ALWAYS: dict[tuple[str, str], dict[str, Any]] = {
    # Only reads, and the roles after it go by what it read.
    ("aws_account/main.yml", "Look at the account"): {"check_mode": False},
    # Below .cache of the controller, byte for byte the same from the same sources; a check compares them with AWS's.
    ("aws_functions/main.yml", "Build the archives"): {"check_mode": False, "changed_when": False},
    ("aws_host/endpoint.yml", "See whether the network has a way of its own to S3"): {"check_mode": False},
    ("aws_host/endpoint.yml", "See the tables of routes"): {"check_mode": False},
    # Shown in a check alone, in place of the topic that the run would make.
    ("aws_watch/topic.yml", "Show that it would be made"): {"changed_when": True},
}
"""What is the same in each run."""
PATIENCE = {
    ("aws_functions/main.yml", "Deploy the functions"): 30,
    ("aws_host/main.yml", "Make the hosts"): 30,
    ("aws_host/reach.yml", "Wait until they run"): 120,
    # README of the role: up to ten minutes.
    ("aws_host/reach.yml", "Know the hosts by their keys"): 600,
}
"""Seconds for which each task with `until` asks again: a role and a profile are known some 10 s after they are made."""


def test_each_condition_is_in_the_table() -> None:
    found = [
        (file, name_of(task), key)
        for file in AWS_FILES
        for task in tasks_of(file)
        if ASSERT not in task
        for key in KEYS
        if key in task and not isinstance(task[key], bool)
    ]

    assert sorted((file, name_of(found_by(file, name, key)), key) for file, name, key in CONDITIONS) == sorted(found)


def found_by(file: str, name: str, key: str) -> dict[str, Any]:
    [task] = [each for each in tasks_of(file) if name_of(each).startswith(name) and key in each]
    return task


@pytest.mark.parametrize(("file", "name", "key"), CONDITIONS)
def test_a_condition_is_true_where_it_must_be_and_nowhere_else(file: str, name: str, key: str) -> None:
    task, (true, false) = found_by(file, name, key), CONDITIONS[file, name, key]

    assert [given for given in true if not holds(file, task, task[key], given)] == []
    assert [given for given in false if holds(file, task, task[key], given)] == []


def test_what_is_the_same_in_each_run() -> None:
    found = {
        (file, name_of(task)): said
        for file in AWS_FILES
        for task in tasks_of(file)
        if (
            said := {key: task[key] for key in WORDS if key in task}
            | {key: task[key] for key in KEYS if isinstance(task.get(key), bool)}
        )
    }

    assert found == ALWAYS


def test_how_long_a_task_asks_again() -> None:
    found = {
        (file, name_of(task)): task["retries"] * task["delay"]
        for file in AWS_FILES
        for task in tasks_of(file)
        if {"until", "retries", "delay"} & {*task}
    }

    assert found == PATIENCE
    assert {task["delay"] for file in AWS_FILES for task in tasks_of(file) if "delay" in task} == {5}
