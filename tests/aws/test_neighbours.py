"""Environments beside each other: what belongs to one whose name begins with another's, and what destroy proves."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.aws.test_functions import make_function

from harvester.base.aws_names import Names
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import functions
from runbook.aws.alarms import ensure_alarms, read_alarms
from runbook.aws.functions import ensure_settings
from runbook.aws.leftovers import left_with_tags
from runbook.aws.session import Account
from runbook.aws.teardown import plan

OURS, NEXT = Names("production"), Names("production-2")
ALARM = {
    "Namespace": "N", "MetricName": "M", "Dimensions": [], "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0, "Period": 60, "EvaluationPeriods": 1, "AlarmActions": [],
}  # fmt: skip


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("runbook.aws.baseline.analyzers", lambda _: {})  # moto lacks them, which the lab's server has
    with mock_aws():
        yield Account(REGION)


def settle(here: Account, names: Names, *whats: str) -> Any:
    return ensure_alarms(here, f"{names.stem}-", {names.alarm(what): ALARM for what in whats}, names.tags)


def test_alarms_of_an_environment_whose_name_begins_with_ours_stay(here: Account) -> None:
    settle(here, NEXT, "disk-x")
    settle(here, OURS, "disk-x", "memory-x")

    assert settle(here, OURS, "disk-x").changed
    assert not settle(here, OURS, "disk-x").changed

    cloudwatch = boto3.client("cloudwatch")
    left = {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert left == {OURS.alarm("disk-x"), NEXT.alarm("disk-x")}
    assert set(read_alarms(cloudwatch, f"{OURS.stem}-", OURS.tags)) == {OURS.alarm("disk-x")}


def test_destroy_takes_the_secrets_of_its_own_environment_and_those_that_are_named_alone(here: Account) -> None:
    """Of both stores; the filter of Secrets Manager takes a name as the beginning of any."""
    named = ("schwab-login", "schwab-login-2")
    for name in (*named, *(f"{names.parameter_prefix}/app-secret" for names in (OURS, NEXT))):
        boto3.client("secretsmanager").create_secret(Name=name, SecretString="x")
    for names in (OURS, NEXT):
        boto3.client("ssm").put_parameter(Name=f"{names.parameter_prefix}/app-secret", Value="x", Type="SecureString")

    doomed = [(one.kind, one.name) for one in plan(here, OURS, ACCOUNT, secrets=named[:1])]
    own = f"{OURS.parameter_prefix}/app-secret"
    assert sorted(each for each in doomed if each[0] in ("secret", "parameter")) == [
        ("parameter", own), ("secret", own), ("secret", named[0])
    ]  # fmt: skip


def test_destroy_takes_the_log_groups_and_alarms_of_its_own_environment_alone(here: Account) -> None:
    for names in (OURS, NEXT):
        settle(here, names, "disk-x")
        for group in (names.function_log_group("evening"), names.host_log_group):
            boto3.client("logs").create_log_group(logGroupName=group)

    doomed = {(one.kind, one.name) for one in plan(here, OURS, ACCOUNT)}

    groups = {("log group", OURS.function_log_group("evening")), ("log group", OURS.host_log_group)}
    assert {("alarm", OURS.alarm("disk-x"))} | groups == doomed


def test_a_permission_that_somebody_added_to_a_function_is_taken_off(here: Account) -> None:
    name = "a-page"
    make_function(name)
    wanted = [{"name": name, "log_group": f"/aws/lambda/{name}", "public_url": True}]
    ensure_settings(here, wanted, OURS.tags, log_days=30)
    client = boto3.client("lambda")
    foreign = {"Action": "lambda:InvokeFunction", "Principal": "999999999999"}
    client.add_permission(FunctionName=name, StatementId="of-somebody", **foreign)

    assert ensure_settings(here, wanted, OURS.tags, log_days=30, dry=True).changed
    assert ensure_settings(here, wanted, OURS.tags, log_days=30).changed

    assert "of-somebody" not in client.get_policy(FunctionName=name)["Policy"]
    assert not ensure_settings(here, wanted, OURS.tags, log_days=30).changed


class SpreadingRights:
    """A function's client whose role may publish only after some tries."""

    class Refused(Exception):
        pass

    exceptions = SimpleNamespace(InvalidParameterValueException=Refused)

    def __init__(self, refusals: int) -> None:
        self.refusals, self.tries = refusals, 0

    def put_function_event_invoke_config(self, **_: Any) -> None:
        self.tries += 1
        if self.tries <= self.refusals:
            raise self.Refused("does not have permissions to call Publish on resource arn:aws:sns:x")


def test_a_destination_is_asked_for_again_while_the_rights_of_a_new_role_spread() -> None:
    soon, never, slept = SpreadingRights(3), SpreadingRights(99), list[float]()

    functions._send_failures(soon, "f", "arn:topic", slept.append)
    with pytest.raises(SpreadingRights.Refused):
        functions._send_failures(never, "f", "arn:topic", slept.append)

    assert (soon.tries, never.tries, set(slept)) == (4, functions.ROLE_TRIES, {functions.ROLE_SECONDS})


def test_what_the_list_by_tags_still_names_is_asked_after(here: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, sns = boto3.client("logs"), boto3.client("sns")
    there = sns.create_topic(Name=OURS.topic)["TopicArn"]
    place = f"{REGION}:{ACCOUNT}"
    listed = [
        there,
        f"arn:aws:sns:{place}:gone",
        f"arn:aws:lambda:{place}:function:gone",
        f"arn:aws:logs:{place}:log-group:/aws/lambda/gone",
        f"arn:aws:cloudwatch:{place}:alarm:gone",
        f"arn:aws:ec2:{place}:volume/vol-0123456789abcdef0",
        f"arn:aws:ec2:{place}:security-group/sg-0123456789abcdef0",
        "arn:aws:s3:::gone-bucket",
        f"arn:aws:unheard-of:{place}:thing",
    ]
    monkeypatch.setattr("runbook.aws.leftovers._listed", lambda *_: listed)
    slept: list[float] = []

    assert left_with_tags(here, OURS, seconds=10, sleep=slept.append) == sorted([there, listed[-1]])
    assert sum(slept) == 10
    sns.delete_topic(TopicArn=there)
    listed.pop()
    assert left_with_tags(here, OURS, seconds=10, sleep=slept.append) == []
    assert sum(slept) == 10
    assert logs.describe_log_groups()["logGroups"] == []
