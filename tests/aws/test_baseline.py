"""aws_baseline: off it touches nothing; on it settles what counts in the account; destroy takes what is ours."""

import json
from typing import Any

import pytest
from tests.aws.account import NAMES, Cloud, as_account

from lab.aws.server import ACCOUNT
from runbook.aws.baseline import analyzers, read_public_access
from runbook.aws.bucket import BLOCKED
from runbook.aws.leftovers import left_with_tags
from runbook.aws.teardown import plan

ON = ("--tags", "aws_baseline", "--extra-vars", json.dumps({"aws_baseline_enabled": True}))
OFF = ("--tags", "aws_baseline")


def rules_of_the_default_group(cloud: Cloud) -> list[Any]:
    groups = cloud.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])
    return [rule for one in groups["SecurityGroups"] for rule in (*one["IpPermissions"], *one["IpPermissionsEgress"])]


def test_the_switch_settles_the_account_once_and_destroy_takes_what_is_ours(
    other: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = other.run(*OFF)
    assert (off.failed, off.changed, other.client("cloudtrail").list_trails()["Trails"]) == ({}, [], [])
    check, first, second = other.run("--check", *ON), other.run(*ON), other.run(*ON)
    here = as_account(other, monkeypatch)

    assert (check.failed, first.failed, second.failed) == ({}, {}, {})
    assert check.changed == first.changed
    assert len(first.changed) == 3
    assert second.changed == []
    [trail] = other.client("cloudtrail").describe_trails()["trailList"]
    assert (trail["IsMultiRegionTrail"], trail["LogFileValidationEnabled"]) == (True, True)
    assert other.client("cloudtrail").get_trail_status(Name=NAMES.trail)["IsLogging"]
    assert read_public_access(here.client("s3control"), ACCOUNT) == BLOCKED
    assert other.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert analyzers(here) == {NAMES.trail: NAMES.tags}
    assert rules_of_the_default_group(other) == []

    doomed = [one for one in plan(here, NAMES, ACCOUNT) if one.kind in ("trail", "analyzer", "bucket of the trail")]
    assert len(doomed) == 3
    for one in doomed:
        one.remove()
    assert [arn for arn in left_with_tags(here, NAMES, seconds=0) if "trail" in arn or "analyzer" in arn] == []
    assert read_public_access(here.client("s3control"), ACCOUNT) == BLOCKED, "the account's settings stay"
