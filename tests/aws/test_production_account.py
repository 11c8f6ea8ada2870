"""doctor --production in an account: the trail keeps calls, things have tags, and what is not judged says why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from tests.aws.account import NAMES
from tests.conftest import ROOT

from runbook.aws.environment import Environment
from runbook.aws.outcome import as_tag_list
from runbook.aws.session import Account
from runbook.doctor import account as production
from runbook.doctor.aws import attempt, check_topic
from runbook.doctor.finding import Finding

ACCOUNT = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": NAMES.region}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    variables = {"aws_host_names": [NAMES.host(1)], "aws_functions_deployed": [], "broker_account": ""}
    with mock_aws():
        yield Environment(variables, NAMES, Account(NAMES.region))


def look(check: Any, here: Environment) -> Finding:
    [found] = attempt(check, here, ACCOUNT)
    assert bool(found.fix) == (found.level == "fail")
    return found


def make_trail(here: Environment, name: str, *, everywhere: bool = True, on: bool = True) -> None:
    s3, client = here.account.client("s3"), here.account.client("cloudtrail")
    bucket = f"{name}-logs"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": NAMES.region})
    client.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=everywhere)
    if on:
        client.start_logging(Name=name)


def test_calls_are_kept_by_a_trail_of_all_regions_that_is_on_whoever_made_it(here: Environment) -> None:
    none = look(production.check_trail, here)
    assert (none.level, "aws_baseline_enabled: true" in none.fix) == ("fail", True)
    make_trail(here, "one-region", everywhere=False)
    assert look(production.check_trail, here).fix == none.fix
    make_trail(here, "another", on=False)
    off = look(production.check_trail, here)
    assert ("another is switched off" in off.detail, off.fix) == (
        True,
        "aws cloudtrail start-logging --name another",
    )
    here.account.client("cloudtrail").start_logging(Name="another")

    assert (look(production.check_trail, here).level, "another" in look(production.check_trail, here).detail) == (
        "ok",
        True,
    )


def make_role(here: Environment, tags: dict[str, str]) -> str:
    name = NAMES.role("host")
    iam = here.account.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=as_tag_list(tags))
    return name


def make_group(here: Environment, tags: dict[str, str]) -> str:
    here.account.client("logs").create_log_group(logGroupName=NAMES.host_log_group, tags=tags)
    return NAMES.host_log_group


def make_topic(here: Environment, tags: dict[str, str]) -> str:
    here.account.client("sns").create_topic(Name=NAMES.topic, Tags=as_tag_list(tags))
    return NAMES.topic


def make_bucket(here: Environment, tags: dict[str, str]) -> str:
    name = NAMES.bucket(ACCOUNT)
    s3 = here.account.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": NAMES.region})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": as_tag_list(tags)})
    return name


def make_schedules(here: Environment, tags: dict[str, str]) -> str:
    here.account.client("scheduler").create_schedule_group(Name=NAMES.schedule_group, Tags=as_tag_list(tags))
    return NAMES.schedule_group


def make_host(here: Environment, tags: dict[str, str]) -> str:
    ec2 = here.account.client("ec2")
    [image] = ec2.describe_images(Owners=["amazon"])["Images"][:1]
    both = as_tag_list({**tags, "Name": NAMES.host(1)})
    kinds = [{"ResourceType": kind, "Tags": both} for kind in ("instance", "volume")]
    made = ec2.run_instances(ImageId=image["ImageId"], MinCount=1, MaxCount=1, TagSpecifications=kinds)
    return str(made["Instances"][0]["InstanceId"])


MAKERS = (make_role, make_group, make_topic, make_bucket, make_schedules, make_host)


@pytest.mark.parametrize("spoiled", MAKERS)
def test_a_thing_that_lacks_one_of_the_tags_is_named_and_no_other(here: Environment, spoiled: Any) -> None:
    poor = {key: value for key, value in NAMES.tags.items() if key != "Environment"}
    made = {maker: maker(here, poor if maker is spoiled else NAMES.tags) for maker in MAKERS}

    found = look(production.check_tags, here)

    assert (found.level, found.detail) == ("fail", f"{made[spoiled]} lack tags of this environment")


def test_things_that_have_their_tags_are_counted_and_an_empty_account_is_none(here: Environment) -> None:
    assert look(production.check_tags, here).detail == "nothing of this environment is there"
    for maker in MAKERS:
        maker(here, NAMES.tags)

    assert (look(production.check_tags, here).level, look(production.check_tags, here).detail) == (
        "ok",
        f"{len(MAKERS) + 1} things have them",
    )


def test_the_topic_must_have_somebody_who_confirmed(here: Environment) -> None:
    make_topic(here, NAMES.tags)

    assert look(check_topic, here).fix == "Set aws_watch_email, then run site.yml."


def test_a_stand_in_judges_no_policies_and_an_inventory_without_aws_has_nothing_to_check(
    here: Environment, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n", encoding="utf-8")
    stand_in = Environment({**here.variables, "aws_endpoint_url": "http://127.0.0.1:1"}, NAMES, here.account)

    assert look(production.check_roles, stand_in).level == "none"
    assert {(each.name, each.level) for each in production.examine_account(ROOT, str(inventory))} == {
        (name, "none") for name in production.NAMES
    }
