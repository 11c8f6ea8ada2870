"""The roles of the account: what their tasks go over, and arguments that depend on something, rendered by Ansible."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from conditions import ASSERT, AWS_FILES, CHECK, LOOK, NAMES, NO_CHECK, name_of, tasks_of, value

Cases = list[tuple[dict[str, Any], Any]]
"""Variables, and what is to come of them; None where the argument is left out."""
DEPENDS = re.compile(
    r"\b(if|or|and|not|default|omit|max|min|\w+attr|difference|union|intersect|select|reject)\b|[=!<>]=|[<>] "
)
OF_TASKS = (
    "name", "register", "loop", "loop_control", "when", "until", "changed_when", "check_mode", "conditions",
)  # fmt: skip
ROLES, FUNCTIONS = NAMES["roles"], NAMES["functions"]
OWN = [ROLES[name] for name in ("host", "scheduler", "operator")]
ADDRESSES = {name: {"ip": f"203.0.113.{number}", "instance": ""} for number, name in enumerate(("h1", "h2"), 1)}
MAIL = {"protocol": "email", "endpoint": "me@example.com"}
OLD_MAIL = {"protocol": "email", "endpoint": "old@example.com", "subscription_arn": "arn:1"}
THEIRS = {"protocol": "sqs", "endpoint": "arn:aws:sqs:::theirs", "subscription_arn": "arn:2"}


def look(**different: Any) -> dict[str, Any]:
    return {"aws_account_look": LOOK | different}


def disk(gib: int) -> dict[str, Any]:
    return {"__aws_host_disk": {"gib": gib, "host": "h1"}, "__aws_host_volume_gib": "32", **look()}


def known(by: str, *results: dict[str, str]) -> dict[str, Any]:
    ids = {"h1": "i-1", "h2": "i-2"}
    given = {"aws_host_connection": by, "aws_host_ids": ids, "aws_host_names": [*ids]}
    return given | {"__aws_host_addressed": {"results": [*results]}}


def rule(name: str, prefix: str, **does: Any) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}} | does


UNFINISHED = rule("unfinished-uploads", "", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})
COLD = rule("raw-to-cold", "lake/raw/", Transitions=[{"Days": 30, "StorageClass": "GLACIER_IR"}])


def undo(days: int) -> dict[str, Any]:
    return rule("replaced-and-deleted", "", NoncurrentVersionExpiration={"NoncurrentDays": days})


def topic(email: str, *subscriptions: dict[str, str]) -> dict[str, Any]:
    return look(subscriptions=[*subscriptions]) | {"aws_watch_email": email}


BUILT = {"aws_functions_symbols": ["NSE:A-EQ"], "aws_functions_feed_symbols": ["NSE:B-EQ"]}
ARGUMENTS: dict[tuple[str, str, str], Cases] = {
    ("aws_account/main.yml", "Look at the account", "broker_account"): [
        ({}, ""),
        ({"broker_account": None}, ""),
        ({"broker_account": "XX00000"}, "XX00000"),
    ],
    ("aws_account/main.yml", "Look at the account", "broker_refresh"): [
        ({}, False),
        ({"broker_refresh": ""}, False),
        ({"broker_refresh": True}, True),
    ],
    ("aws_account/main.yml", "Look at the account", "market"): [({}, "nse"), ({"harvester_market": "us"}, "us")],
    ("aws_account/main.yml", "Look at the account", "hosts"): [({}, False), ({"aws_host_names": ["h1"]}, True)],
    ("aws_functions/main.yml", "Build the archives", "stdin"): [
        (BUILT | {"harvester_market": market}, f'{{"market": "{market}", "hosts": ["NSE:A-EQ"], "feed": ["NSE:B-EQ"]}}')
        for market in ("nse", "us")
    ],
    ("aws_functions/main.yml", "Deploy the functions", "memory_size"): [
        ({"__aws_functions_one": {}}, 256),
        ({"__aws_functions_one": {"mebibytes": 1024}}, 1024),
    ],
    ("aws_host/main.yml", "Import the key", "force"): [
        ({"__aws_host_key": "ssh-ed25519 A"} | look(key=key), force)
        for key, force in (("ssh-ed25519 A", False), ("ssh-ed25519 B", True), ("", True))
    ],
    ("aws_host/main.yml", "Make the hosts", "security_groups"): [
        ({"__aws_host_group": {"group_id": "sg-1"}}, ["sg-1"]),
        *(({"__aws_host_group": group}, None) for group in ({}, {"group_id": ""}, {"group_id": None})),
    ],
    ("aws_host/main.yml", "Make the hosts", "iam_instance_profile"): [
        (NO_CHECK | look(), ROLES["host"]),
        (CHECK | look(), None),
    ],
    ("aws_host/main.yml", "Remember the hosts", "__aws_host_made_ids"): [
        ({"__aws_host_made": {"results": [{"instance_ids": ["i-1"]}, {}]}}, ["i-1", ""])
    ],
    # A disk does not shrink: AWS refuses that.
    ("aws_host/reach.yml", "Grow and tag the disks", "volume_size"): [(disk(20), 32), (disk(32), 32), (disk(40), 40)],
    ("aws_host/reach.yml", "Give each host an address of its own", "public_ip"): [
        (look(addresses=ADDRESSES) | {"__aws_host_name": "h2"}, "203.0.113.2"),
        (look(addresses=ADDRESSES) | {"__aws_host_name": "h3"}, None),
    ],
    ("aws_host/reach.yml", "Give back addresses that hosts shall not have", "device_id"): [
        ({"__aws_host_address": {"value": {"instance": "i-1"}}}, "i-1"),
        ({"__aws_host_address": {"value": {"instance": ""}}}, None),
    ],
    ("aws_host/reach.yml", "Know the hosts by their keys", "addresses"): [
        (known("session-manager", {"public_ip": "203.0.113.1"}), {"h1": "i-1", "h2": "i-2"}),
        (
            known("ssh", {"public_ip": "203.0.113.1"}, {"public_ip": "203.0.113.2"}),
            {"h1": "203.0.113.1", "h2": "203.0.113.2"},
        ),
        (known("ssh", {"public_ip": "203.0.113.1"}, {}), {"h1": "203.0.113.1", "h2": ""}),
        (known("ssh"), {}),
    ],
    ("aws_storage/main.yml", "Make the bucket", "lifecycle"): [
        (look(), [UNFINISHED, undo(30), COLD]),
        (look() | {"aws_storage_cold_after_days": 0, "aws_storage_undo_days": 7}, [UNFINISHED, undo(7)]),
        (
            look() | {"aws_storage_cold_after_days": 1, "aws_storage_expire_days": 1},
            [
                UNFINISHED,
                undo(30),
                COLD | {"Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}]},
                rule("lake", "lake/", Expiration={"Days": 1}),
            ],
        ),
        (
            look() | {"aws_storage_backups": ["one/", "two/"], "aws_storage_backup_days": 90},
            [
                UNFINISHED,
                undo(30),
                COLD,
                rule("backups-1", "one/", Expiration={"Days": 90}),
                rule("backups-2", "two/", Expiration={"Days": 90}),
            ],
        ),
    ],
    ("aws_watch/main.yml", "Settle what watches", "budget.dollars"): [
        ({"aws_watch_email": ""}, 0),
        ({"aws_watch_email": "me@example.com"}, 20),
        ({"aws_watch_email": "me@example.com", "aws_watch_budget_dollars": 0}, 0),
    ],
    ("aws_watch/topic.yml", "Make the topic", "subscriptions"): [
        (topic("", OLD_MAIL, THEIRS), [THEIRS]),
        (topic("me@example.com", OLD_MAIL, THEIRS), [MAIL, THEIRS]),
        (look(subscriptions=None) | {"aws_watch_email": "me@example.com"}, [MAIL]),
    ],
    ("aws_watch/topic.yml", "Show that it would be made", "msg"): [
        (topic(email), f"{NAMES['topic']} is not there: the run makes it and subscribes {whom}")
        for email, whom in (("me@example.com", "me@example.com"), ("", "nobody"))
    ],
    ("aws_watch/topic.yml", "Say what a person has to do", "__aws_watch_found"): [
        ({"__aws_watch_topic_made": {"sns_topic": {"subscriptions": [MAIL]}}}, [MAIL]),
        ({"__aws_watch_topic_made": {"sns_topic": {}}}, []),
        ({"__aws_watch_topic_made": {"skipped": True}}, []),
    ],
}
"""By file, task and argument (or a variable of the task): what it is in which state."""
IN_ROLES = {ROLES[name]: ["exactly-this"] for name in ("host", "morning", "etl")}


ADDED = ["added", "exactly-this-too"]
WHOLE, BY_NAME = "list", "map(attribute='name')"
LOOPS: dict[tuple[str, str], tuple[str, Cases]] = {
    ("aws_functions/main.yml", "Deploy the functions"): (
        "map(attribute='id')",
        [
            (look() | {"aws_functions_built": {}}, []),
            *(
                (look(functions=[*ids]) | {"aws_functions_built": {"known_until": ""}}, [*ids])
                for ids in (("morning", "etl"), (*FUNCTIONS,))
            ),
        ],
    ),
    ("aws_host/main.yml", "Make the hosts"): (WHOLE, [({"aws_host_names": ["h1", "h2"]}, ["h1", "h2"])]),
    ("aws_host/reach.yml", "Grow and tag the disks"): (WHOLE, [(look(disks=[{"host": "h1"}]), [{"host": "h1"}])]),
    ("aws_host/reach.yml", "Give each host an address of its own"): (
        WHOLE,
        [({"aws_host_names": ["h1"], "aws_host_elastic_ip": has}, ["h1"] * has) for has in (True, False)],
    ),
    ("aws_host/reach.yml", "Give back addresses that hosts shall not have"): (
        "map(attribute='key')",
        [
            (look(addresses=ADDRESSES) | {"aws_host_elastic_ip": True}, []),
            (look(addresses=ADDRESSES) | {"aws_host_elastic_ip": False}, ["h1", "h2"]),
        ],
    ),
    **{
        ("aws_identity/main.yml", name): (
            BY_NAME,
            [(look(), OWN), (look(functions=["morning", "etl"]), [*OWN, ROLES["morning"], ROLES["etl"]])],
        )
        for name in ("Make the roles", "Give each role its policy")
    },
    ("aws_identity/main.yml", "Take off inline policies that somebody added"): (
        "map('last')",
        [
            (look(policies=IN_ROLES), []),
            (look(policies=IN_ROLES | {ROLES["etl"]: ["added", "exactly-this", "exactly-this-too"], "x": []}), ADDED),
        ],
    ),
    ("aws_identity/main.yml", "Remove the roles of functions that this environment does not have"): (
        WHOLE,
        [
            (look(policies=IN_ROLES, functions=["morning", "etl"]), []),
            (look(policies=IN_ROLES, functions=["morning"]), [ROLES["etl"]]),
            (look(policies={}, functions=[]), []),
        ],
    ),
}
"""By file and task: what is told of each item, as a filter, and over which a loop goes in which state."""


def depending() -> Iterator[tuple[str, str, str]]:
    for file in AWS_FILES:
        for task in (each for each in tasks_of(file) if ASSERT not in each):
            for place, text in strings({key: said for key, said in task.items() if key not in OF_TASKS}):
                if any(DEPENDS.search(each) for each in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL)):
                    yield file, name_of(task), place


def strings(said: Any, *place: str) -> Iterator[tuple[str, str]]:
    """Every text, by its place below the module or `vars`."""
    if isinstance(said, str):
        yield ".".join(place[1:]), said
    parts = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for key, each in parts:
        yield from strings(each, *place, str(key))


def test_each_argument_that_depends_on_something_is_in_the_table() -> None:
    assert sorted(ARGUMENTS) == sorted(depending())


@pytest.mark.parametrize(("file", "name", "place"), ARGUMENTS)
def test_an_argument_is_what_the_state_asks(file: str, name: str, place: str) -> None:
    [task] = [each for each in tasks_of(file) if name_of(each) == name]
    text = dict(strings({key: said for key, said in task.items() if key not in OF_TASKS}))[place]

    found = [value(file, task, text, given) for given, _ in ARGUMENTS[file, name, place]]

    assert found == [expected for _, expected in ARGUMENTS[file, name, place]]


def test_each_loop_is_in_the_table() -> None:
    found = {(file, name_of(task)) for file in AWS_FILES for task in tasks_of(file) if "loop" in task}

    assert {*LOOPS} == found


@pytest.mark.parametrize(("file", "name"), LOOPS)
def test_a_loop_goes_over_what_it_must(file: str, name: str) -> None:
    [task] = [each for each in tasks_of(file) if name_of(each) == name]
    told, cases = LOOPS[file, name]
    items = task["loop"].strip().removeprefix("{{").removesuffix("}}")

    found = [value(file, task, f"{{{{ ({items}) | {told} | list }}}}", given) for given, _ in cases]

    assert found == [expected for _, expected in cases]
