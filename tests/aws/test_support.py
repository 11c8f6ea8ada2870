"""Dates of support, and Object Lock: what a bucket that is locked lets nobody remove, and destroy does."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws
from tests.conftest import ROOT

from runbook.aws.bucket import bucket_exists, ensure_bucket, read_bucket
from runbook.aws.teardown import empty_and_remove
from runbook.doctor import support
from runbook.doctor.finding import Severity

REGION, BUCKET = "ap-south-1", "a-bucket-of-ours"


class Account:
    """Clients of moto in this process."""

    def client(self, service: str, region: str | None = None) -> Any:
        return boto3.client(service, region_name=region or REGION)


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


def make(account: Account, lock_days: int, *, dry: bool = False) -> bool:
    """Settle the bucket; whether anything differed."""
    done = ensure_bucket(
        account, BUCKET, REGION, {"Version": "2012-10-17", "Statement": []}, [], {}, lock_days, dry=dry
    )
    return bool(done.before != done.after)


@pytest.mark.parametrize(
    ("ending", "level"), [(date(2027, 5, 29), Severity.OK), (date(2027, 5, 20), Severity.WARN), (None, Severity.WARN)]
)
def test_support_that_ends_within_half_a_year_or_is_unknown_is_said(ending: date | None, level: Severity) -> None:
    found = support.judge("python3.12", ending, date(2026, 11, 29))

    assert found.level == level
    assert bool(found.fix) is (level != Severity.OK)


def test_what_the_roles_deploy_and_what_hosts_run_has_its_date() -> None:
    tasks = yaml.safe_load((ROOT / "roles/aws_functions/tasks/main.yml").read_text("utf-8"))
    [deployed] = [task["amazon.aws.lambda"] for task in tasks if "amazon.aws.lambda" in task]

    assert deployed["runtime"] in support.RUNTIMES
    assert support.HOSTS_PYTHON in support.SDK_ENDS


def test_a_locked_bucket_keeps_its_versions_until_destroy(account: Account) -> None:
    s3 = account.client("s3")
    assert make(account, 30, dry=True)
    assert make(account, 30)
    assert not make(account, 30), "a second run changes nothing"
    version = s3.put_object(Bucket=BUCKET, Key="lake/x", Body=b"x")["VersionId"]

    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=BUCKET, Key="lake/x", VersionId=version)
    empty_and_remove(s3, BUCKET)
    assert not bucket_exists(s3, BUCKET)


def test_the_lock_can_be_taken_off_again_and_is_off_by_default(account: Account) -> None:
    assert make(account, 0)
    assert read_bucket(account.client("s3"), BUCKET)["lock_days"] == 0
    make(account, 30)
    assert make(account, 0)
    assert not make(account, 0)
