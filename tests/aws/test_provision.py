"""The account from empty to full and back: the same order of tests is the life of one account."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.aws.account import NAMES, ROOT, Cloud, as_account
from tests.aws.drifts import DRIFTS

from harvester.ops.aws.session import Account
from harvester.ops.aws.teardown import left_with_tags, plan
from lab.aws.server import ACCOUNT

KEPT: dict[str, Any] = {}


def test_the_check_of_an_empty_account_says_what_the_first_run_then_does(
    cloud: Cloud, interrupted: object, figure: Callable[..., None]
) -> None:
    check = cloud.run("--check", "--diff")
    untouched = plan(cloud, NAMES, ACCOUNT)
    first = cloud.run()

    KEPT["state"] = cloud.state()
    figure("first_run_seconds", first.seconds, bound="<= 120", unit="s (with another account beside it)")
    assert (check.failed, first.failed) == ({}, {})
    assert untouched == []
    assert check.changed == first.changed
    assert len(first.changed) >= 12


def test_the_second_run_changes_nothing(cloud: Cloud, figure: Callable[..., None]) -> None:
    second = cloud.run()

    figure("second_run_seconds", second.seconds, bound="<= 120", unit="s (with another account beside it)")
    figure("second_run_changed", len(second.changed), bound="== 0", unit="tasks", gate=True)
    assert second.failed == {}
    assert cloud.state() == KEPT["state"]


@pytest.mark.long
def test_a_check_of_what_is_right_shows_nothing(cloud: Cloud) -> None:
    assert cloud.run("--check", "--diff").changed == []


def test_the_inventory_finds_the_host_by_its_tags(cloud: Cloud) -> None:
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "--inventory", str(cloud.inventory), "--graph"]

    done = subprocess.run(command, cwd=ROOT, env=cloud.environment, capture_output=True, text=True, check=True)

    assert f"|--{NAMES.host(1)}" in done.stdout.split("@harvesters:")[1]


def test_the_host_is_made_as_it_must_be(cloud: Cloud) -> None:
    [host] = KEPT["state"]["hosts"]

    assert host["disk"] == {"Size": 16, "VolumeType": "gp3", "Encrypted": True}
    assert (host["MetadataOptions"]["HttpTokens"], host["MetadataOptions"]["HttpPutResponseHopLimit"]) == (
        "required",
        1,
    )
    assert host["protected"] is True
    assert host["IamInstanceProfile"].endswith(f"/{NAMES.role('host')}")
    assert {tuple(tag) for tag in host["tags"]} == {*NAMES.tags.items(), ("Name", NAMES.host(1))}
    [(ingress, _)] = KEPT["state"]["group"]
    assert [(rule["FromPort"], rule["IpRanges"][0]["CidrIp"]) for rule in ingress] == [(22, "203.0.113.7/32")]


def test_what_hands_changed_is_shown_by_the_check_and_mended_by_the_run(
    cloud: Cloud, figure: Callable[..., None]
) -> None:
    before = KEPT["state"]
    for drift, _ in DRIFTS:
        drift(cloud)
    spoiled = cloud.state()

    check = cloud.run("--check", "--diff")
    assert cloud.state() == spoiled
    mended = cloud.run()

    missed = [drift.__name__ for drift, task in DRIFTS if task not in check.changed or task not in mended.changed]
    figure("drifts_made", len(DRIFTS), bound=">= 10", unit="changes by hand")
    figure("drifts_missed", len(missed), bound="== 0", unit="changes by hand", gate=True)
    assert sorted(check.changed) == sorted(mended.changed)
    assert set(mended.changed) == {task for _, task in DRIFTS}
    assert cloud.state() == before


def differences(found: Any, wanted: Any, place: str = "") -> list[str]:
    """Where two accounts differ, one line each."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted(found.keys() | wanted.keys(), key=str)
        return [line for key in keys for line in differences(found.get(key), wanted.get(key), f"{place}/{key}")]
    return [] if found == wanted else [f"{place}: {found!r}, not {wanted!r}"]


def test_runs_that_were_killed_are_finished_by_the_next_one(
    interrupted: Callable[[], list[Any]], figure: Callable[..., None]
) -> None:
    built = interrupted()

    flaws = [(run.failed, differences(state, KEPT["state"])) for _, run, state in built]
    wrong = [flaw for flaw in flaws if any(flaw)]
    figure("interrupted_runs", sum(struck for struck, _, _ in built), bound=">= 1", unit="kills", gate=True)
    figure("interrupted_runs_ending_differently", len(wrong), bound="== 0", unit="accounts")
    assert wrong == []


def test_destroy_removes_everything_and_proves_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, figure: Callable[..., None]
) -> None:
    account: Account = as_account(cloud, monkeypatch)
    cloud.client("ssm").put_parameter(Name=NAMES.parameter("access_token"), Value="x.y.z", Type="SecureString")
    cloud.client("secretsmanager").create_secret(Name=NAMES.parameter("pin"), SecretString="0000")
    put = {"Bucket": NAMES.bucket(ACCOUNT), "Key": "lake/depth/x", "Body": b"1"}
    cloud.client("s3").put_object(**put, IfNoneMatch="*")

    for one in plan(account, NAMES, ACCOUNT):
        one.remove()

    left = left_with_tags(account, NAMES)
    figure("tagged_resources_left", len(left), bound="== 0", unit="resources", gate=True)
    assert (left, plan(account, NAMES, ACCOUNT)) == ([], [])
