"""The roles of the account: variables that depend on something, and what each option lets whom do, by Ansible."""

import re
from functools import cache
from typing import Any

import pytest
from conditions import LOOK, NAMES, ROOT, evaluate, expressions

from harvester.base.aws_names import USED_LINKS

Cases = list[tuple[dict[str, Any], Any]]
"""Variables, and what is to come of them."""
DEPENDS = re.compile(r"\b(if|or|not|default|\w+attr|difference|union|intersect|select|reject|is)\b|[=!<>]=|[<>] |\{%")
NETWORK = {"proto": "tcp", "from_port": 22, "to_port": 22}
BUCKET = f"arn:aws:s3:::{NAMES['bucket']}"
HOSTS = {"aws_host_names": ["h1", "h2", "h3"], "aws_functions_built": {"known_until": "2027-05-01"}}
SECRET = NAMES["parameters"]["schwab_access_token"]


def look(*functions: str, **different: Any) -> dict[str, Any]:
    return {"aws_account_look": LOOK | {"functions": [*functions]} | different}


EVENING = "__aws_functions_all[2].environment.get('{}')"
NEW_OBJECTS = "__aws_storage_policy.Statement[2].Resource"
VARIABLES: dict[tuple[str, str], Cases] = {
    ("aws_functions", "__aws_functions_delivers"): [
        (HOSTS, []),
        (HOSTS | {"aws_storage_price_feed": ["one/", "two/"]}, ["h1", "h2"]),
        (HOSTS | {"aws_identity_database": {"live": True}}, ["h1"]),
        (HOSTS | {"aws_storage_price_feed": ["", "two/"], "aws_identity_database": {"live": True}}, ["h1", "h2"]),
    ],
    ("aws_functions", EVENING.format("DELIVERS")): [
        (HOSTS | look(), None),
        (HOSTS | look() | {"aws_storage_price_feed": ["one/", "two/"]}, "h1,h2"),
    ],
    ("aws_functions", EVENING.format("BACKUPS")): [
        (HOSTS | look(), None),
        (HOSTS | look() | {"aws_storage_backups": ["one/", "two/"]}, "one/,two/"),
    ],
    ("aws_functions", EVENING.format("STOP")): [
        (HOSTS | look() | {"aws_watch_save_hours": stop}, said) for stop, said in ((True, "true"), (False, "false"))
    ],
    ("aws_functions", "__aws_functions_tokens.get('PAGE_FUNCTION')"): [
        (look("reminder"), None),
        (look("token-page"), NAMES["functions"]["token-page"]),
    ],
    ("aws_functions", "__aws_functions_login"): [
        (look(), ""),
        (look() | {"aws_identity_schwab": "ssm"}, f"ssm:{SECRET}"),
        (look() | {"aws_identity_schwab": "secretsmanager"}, f"secret:{NAMES['schwab_secret']}"),
        (look() | {"harvester_market": "us"}, f"ssm:{SECRET}"),
        (
            look() | {"harvester_market": "us", "aws_identity_schwab": "secretsmanager"},
            f"secret:{NAMES['schwab_secret']}",
        ),
    ],
    ("aws_functions", "__aws_functions_broker"): [
        ({}, {"APP_ID": "", "ACCOUNT": ""}),
        ({"broker_app_id": "A-100", "broker_account": "XX00000"}, {"APP_ID": "A-100", "ACCOUNT": "XX00000"}),
    ],
    ("aws_functions", "__aws_functions_wanted | map(attribute='id') | list"): [
        (HOSTS | look(), []),
        (HOSTS | look("etl", "dead-man"), ["dead-man", "etl"]),
    ],
    ("aws_functions", "__aws_functions_absent"): [
        (HOSTS | look(*(name for name in NAMES["functions"] if name != "etl")), [NAMES["functions"]["etl"]]),
        (HOSTS | look(*NAMES["functions"]), []),
    ],
    ("aws_functions", "__aws_functions_all[5].environment.get('LOGIN')"): [
        (HOSTS | look(), None),
        (HOSTS | look() | {"aws_identity_schwab": "ssm"}, f"ssm:{SECRET}"),
    ],
    ("aws_functions", "['APP_ID', 'MAIL_EACH'] | map('extract', __aws_functions_all[6].environment) | list"): [
        (HOSTS | look(), ["", "false"]),
        (HOSTS | look() | {"broker_app_id": "A-100", "aws_functions_feed_mail_each": True}, ["A-100", "true"]),
    ],
    ("aws_host", "__aws_host_without_profile"): [
        (
            look(instances=[{"name": name, "profile": profile} for name, profile in zip("abc", profiles, strict=True)]),
            ["b", "c"],
        )
        for profiles in ((NAMES["roles"]["host"], "", "theirs"),)
    ],
    ("aws_host", "__aws_host_rules"): [
        ({"aws_host_ssh_sources": ["203.0.113.7/32"]}, [NETWORK | {"cidr_ip": "203.0.113.7/32"}]),
        (
            {"aws_host_ssh_sources": ["2001:db8::/64", "203.0.113.7/32"]},
            [NETWORK | {"cidr_ip": "203.0.113.7/32"}, NETWORK | {"cidr_ipv6": "2001:db8::/64"}],
        ),
        ({"aws_host_ssh_sources": ["203.0.113.7/32"], "aws_host_connection": "session-manager"}, []),
        ({}, []),
    ],
    ("aws_storage", "__aws_storage_feeds"): [
        (look(), []),
        (
            look() | {"aws_storage_price_feed": ["", "two/"]},
            [
                f"{BUCKET}/{each}"
                for each in ("Raw data/Prices/*", "analytics/csv/*", "two/Raw data/Prices/*", "two/analytics/csv/*")
            ],
        ),
        (
            look("etl") | {"aws_functions_feed_prefix": "feed/"},
            [f"{BUCKET}/feed/{each}" for each in ("Raw data/Prices/*", "analytics/csv/*")],
        ),
        (look("ingestion") | {"aws_functions_feed_prefix": "feed/"}, []),
    ],
    ("aws_storage", NEW_OBJECTS): [
        (look(), f"{BUCKET}/lake/*"),
        (
            look() | {"aws_storage_backups": ["db/"]},
            [f"{BUCKET}/{each}" for each in ("lake/*", "db/daily/*", "db/weekly/*")],
        ),
        (
            look() | {"aws_storage_price_feed": ["one/"]},
            [f"{BUCKET}/{each}" for each in ("lake/*", "one/Raw data/Prices/*", "one/analytics/csv/*")],
        ),
    ],
    ("aws_watch", "aws_watch_market"): [({}, "nse"), ({"harvester_market": "us"}, "us")],
    ("aws_watch", "__aws_watch_topic_there"): [
        (look(subscriptions=None), False),
        (look(subscriptions=[]), True),
        (look(subscriptions=[{"protocol": "sqs"}]), True),
    ],
    ("aws_watch", "__aws_watch_subscriptions"): [
        (look(subscriptions=None), []),
        (look(subscriptions=[{"protocol": "sqs"}]), [{"protocol": "sqs"}]),
    ],
    ("aws_watch", "__aws_watch_budget_filters"): [
        (look(), {}),
        (look() | {"aws_watch_budget_by_tag": True}, {"TagKeyValue": [f"user:Project${NAMES['tags']['Project']}"]}),
    ],
    ("aws_watch", "__aws_watch_hosts"): [
        (look(instances=[{"name": "h1", "id": "i-1"}]), {"h1": "i-1"}),
        (look(instances=[{"name": "h1", "id": "i-1"}]) | {"aws_host_ids": {"h1": "i-2"}}, {"h1": "i-2"}),
    ],
    ("aws_watch", "__aws_watch_is_burstable"): [
        ({"aws_host_instance_type": kind}, kind.startswith("t3") or kind.startswith("t4g"))
        for kind in ("t3.micro", "t4g.small", "m7g.large", "trn1.2xlarge", "r7t3.large")
    ],
}
"""By role and expression: what it is in which state."""
PARAMETER = f"arn:aws:ssm:{NAMES['region']}:{LOOK['account']}:parameter"
LIFECYCLE = ("__aws_storage_lifecycle_of_all", "__aws_storage_lifecycle_of_backups")
"""In test_arguments_of_aws_roles.py."""
HOST, SCHEDULER, OPERATOR = (f"__aws_identity_own_roles[{number}]" for number in range(3))
MORNING, EVENING_ROLE = (f"__aws_identity_function_roles[{number}]" for number in (1, 2))
PUBLIC = ("token-page", "worker-door")
"""Whoever calls these, no schedule does."""
FEED, TABLES = {"aws_storage_price_feed": ["one/"]}, {"aws_functions_feed_prefix": "feed/"}
RIGHTS: dict[str, list[tuple[dict[str, Any], set[str]]]] = {
    HOST: [
        (FEED, {"+DeliverAndReadBack", "+RemoveWhatIsSuperseded", "+ListTables"}),
        ({"aws_identity_database": {"live": True}}, {"+ReadTheDsn"}),
        ({"aws_identity_rows_namespace": "Rows"}, {"~Count"}),
        ({"aws_identity_secrets": ["database_password"]}, {"+ReadWhatTheApplicationNeeds"}),
        ({"aws_identity_rclone": True}, {"+ReadTheLoginOfARemote"}),
        (look("worker-door"), {"+TakeReports", "+ListReports"}),
        (look("etl") | TABLES, set()),
        ({"aws_storage_backups": ["db/"]}, {"+BackUpAndReadBack"}),
        ({"aws_identity_session_manager": True}, {"+SessionManager"}),
        *(
            (schwab, {"-ReadTheToken", "+RenewTheToken", "+ReadTheAppsSecret"})
            for schwab in (
                {"aws_identity_schwab": "ssm"},
                {"aws_identity_schwab": "secretsmanager"},
                {"harvester_market": "us"},
            )
        ),
    ],
    SCHEDULER: [(look(name), set() if name in PUBLIC else {"~CallOurFunctions"}) for name in NAMES["functions"]],
    OPERATOR: [
        (look("token-refresh"), {"+SeeAndUndoWhatTheRefreshRemembers", "+KeepTheRefreshToken"}),
        (FEED, {"+ListTables"}),
        (look("etl") | TABLES, {"+ListTables", "+BringADayAgain"}),
        (look("worker-door"), {"~SeeThePageAndTheTopic"}),
        (look("token-page"), set()),
        ({"aws_storage_backups": ["db/"]}, {"+PullBackups", "+ListBackups"}),
        *(({"aws_identity_schwab": schwab}, {"~PushTheToken"}) for schwab in ("ssm", "secretsmanager")),
    ],
    MORNING: [({"aws_identity_disk_key": "arn:1"}, {"+UseTheDisksKey"}), (FEED, set())],
    EVENING_ROLE: [
        (FEED, {"+Read"}),
        ({"aws_identity_database": {"live": True}}, {"+Read"}),
        ({"aws_storage_backups": ["db/"]}, {"~SeeWhatIsUploaded"}),
        ({"aws_identity_disk_key": "arn:1"}, set()),
    ],
}
"""By role: what an option adds to what it may (+), takes from it (-), and changes (~)."""
REMOVES: dict[str, dict[str, list[str]]] = {
    NAMES["roles"]["host"]: {
        "s3:DeleteObject": [f"{BUCKET}/one/analytics/csv/*", f"{BUCKET}/{NAMES['worker_inbox']}*"]
    },
    NAMES["roles"]["evening"]: {"ec2:DeleteSnapshot": [f"arn:aws:ec2:{NAMES['region']}::snapshot/*"]},
    NAMES["roles"]["token-page"]: {"ssm:DeleteParameter": [f"{PARAMETER}{NAMES['parameter_prefix']}/{USED_LINKS}*"]},
    NAMES["roles"]["etl"]: {"s3:DeleteObject": [f"{BUCKET}/feed/analytics/csv/*"]},
}
"""With every option: who may delete what. All but that stays, whoever has a role's credentials."""
ALL_ON: dict[str, Any] = look(*NAMES["functions"]) | FEED | TABLES | {
    "aws_identity_database": {"live": True}, "aws_identity_secrets": ["database_password"], "aws_identity_rclone": True,
    "aws_storage_backups": ["db/"], "aws_identity_session_manager": True, "aws_identity_disk_key": "arn:1",
    "aws_functions_source_dir": str(ROOT / "files/functions"),
}  # fmt: skip


@cache
def depending(role: str) -> set[str]:
    """The variables of a role that depend on something."""
    found: set[str] = set()
    for part in ("defaults", "vars"):
        for name, said in expressions(f"roles/{role}/{part}/main.yml").items():
            if any(DEPENDS.search(each) for each in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", str(said), re.DOTALL)):
                found.add(name)
    return found


@pytest.mark.parametrize("role", ["aws_baseline", "aws_functions", "aws_host", "aws_storage", "aws_watch"])
def test_each_variable_that_depends_on_something_is_in_the_table(role: str) -> None:
    named = {word for of, expression in VARIABLES if of == role for word in re.findall(r"\b\w+", expression)}

    assert depending(role) - named == ({*LIFECYCLE} if role == "aws_storage" else set())


@pytest.mark.parametrize(("role", "expression"), VARIABLES)
def test_a_variable_is_what_the_state_asks(role: str, expression: str) -> None:
    cases = VARIABLES[role, expression]

    assert [evaluate(role, expression, given) for given, _ in cases] == [expected for _, expected in cases]


def statements(role: str, given: dict[str, Any]) -> dict[str, Any]:
    found = evaluate("aws_identity", f"{role}.policy.Statement", given)
    assert len({each["Sid"] for each in found}) == len(found)
    return {each["Sid"]: each for each in found}


@pytest.mark.parametrize("role", RIGHTS)
def test_an_option_lets_whom_it_concerns_do_what_it_needs_and_nobody_else(role: str) -> None:
    before = statements(role, look())

    found = []
    for given, _ in RIGHTS[role]:
        after = statements(role, look() | given)
        changed = {f"~{sid}" for sid in {*before} & {*after} if before[sid] != after[sid]}
        found.append(
            {f"+{sid}" for sid in {*after} - {*before}} | {f"-{sid}" for sid in {*before} - {*after}} | changed
        )

    assert found == [expected for _, expected in RIGHTS[role]]


def test_nobody_may_delete_but_what_is_superseded_taken_used_or_old() -> None:
    found: dict[str, dict[str, list[str]]] = {}
    for role in evaluate("aws_identity", "__aws_identity_roles", ALL_ON):
        for statement in role["policy"]["Statement"]:
            for action in (each for each in listed(statement["Action"]) if "Delete" in each):
                found.setdefault(role["name"], {}).setdefault(action, []).extend(listed(statement["Resource"]))

    assert found == REMOVES


def listed(said: str | list[str]) -> list[str]:
    return [said] if isinstance(said, str) else said
