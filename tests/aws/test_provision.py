"""The account from empty to full and back: the same order of tests is the life of one account."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from invoke.context import MockContext
from tests.aws.account import DEPLOYED, NAMES, ROOT, Cloud, as_account
from tests.aws.drifts import DRIFTS, open_bucket, unsubscribe, weaken_metadata

from harvester.base.errors import HarvesterError
from lab.aws.console import host_key
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import athena, destroy, environment
from runbook.aws.account import find_instances
from runbook.aws.leftovers import left_with_tags
from runbook.aws.teardown import plan
from runbook.doctor.aws import examine_aws
from runbook.pull.store import LocalStore
from runbook.tasks import aws as tasks

KEPT: dict[str, Any] = {}
SHOWN_BY = {
    "aws_identity : Give each role its policy": "aws_identity : Make the roles",
    "aws_watch : Topic | Make the topic": "aws_watch : Topic | Show that it would be made",
}
"""Tasks whose modules cannot check what belongs to a thing that is not there yet, by the task that shows that thing."""


def outputs(cloud: Cloud, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    as_account(cloud, patch)
    tasks.outputs(MockContext(), inventory=str(cloud.inventory), json=True)
    return json.loads(capsys.readouterr().out)


def test_outputs_of_an_empty_account_have_every_key(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"bucket": None, "lake": None, "topic": None, "token_page": None, "worker_door": None, "price_feed": None}
    none = {"functions": {}, "parameters": {}, "hosts": [], "tables": []}
    where = {"environment": NAMES.stem, "account": ACCOUNT, "region": REGION, "database": NAMES.database}

    assert outputs(cloud, monkeypatch, capsys) == where | nothing | none


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
    assert set(check.changed) == {SHOWN_BY.get(task, task) for task in first.changed}
    assert len(first.changed) >= 12
    asked = first.results["aws_host : Reach | Know the hosts by their keys"]
    [host] = find_instances(cloud.client("ec2"), NAMES)
    assert asked["attempts"] == 2, "the console is late once"
    assert (cloud.folder / "known_hosts").read_text("utf-8") == f"{host['address']} {host_key(host['id'])}\n"


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


def test_outputs_name_what_the_account_has(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [host] = find_instances(cloud.client("ec2"), NAMES)
    bucket = NAMES.bucket(ACCOUNT)

    found = outputs(cloud, monkeypatch, capsys)

    assert (found["bucket"], found["lake"]) == (bucket, f"s3://{bucket}/lake/")
    assert found["hosts"] == [{key: host[key] for key in ("name", "id", "state", "type", "address")}]
    assert found["topic"] in {one["TopicArn"] for one in cloud.client("sns").list_topics()["Topics"]}
    arns = {one["FunctionName"]: one["FunctionArn"] for one in cloud.client("lambda").list_functions()["Functions"]}
    assert {NAMES.function(name): arn for name, arn in found["functions"].items()} == arns != {}
    tasks.outputs(MockContext(), inventory=str(cloud.inventory))
    said = capsys.readouterr().out
    assert all(word in said for word in (bucket, host["name"], host["id"]))


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


def test_everything_that_takes_tags_has_ours() -> None:
    state = KEPT["state"]
    found = {
        "alarms": state["alarm_tags"],
        "addresses": state["addresses"],
        "bucket": [state["bucket"]["tags"]],
        "disks": [host["disk_tags"] for host in state["hosts"]],
        "endpoints": [tags for _, _, _, tags in state["endpoints"]],
        "keys": list(state["keys"].values()),
        "logs": [group["tags"] for group in state["logs"]],
        "profile": [state["profile_tags"]],
        "roles": [role["tags"] for role in state["roles"].values()],
        "schedules": [state["group_tags"]],
        "topic": [state["topic_tags"]],
    }

    assert all(found.values())
    assert [what for what, each in found.items() if any(not NAMES.tags.items() <= tags.items() for tags in each)] == []


def _refuse(url: str, **_: object) -> httpx.Response:
    """No test asks the world for an address that the emulator made up."""
    raise httpx.ConnectError("no such name")


def test_the_doctor_finds_right_what_the_emulator_can_show_and_wrong_what_hands_changed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_account(cloud, monkeypatch)
    monkeypatch.setattr(httpx, "get", _refuse)
    shown = {"account", "place", NAMES.host(1), "console", "bucket", "alerts", "schedules", "support"}

    def good() -> set[str]:
        found = list(examine_aws(ROOT, str(cloud.inventory)))
        assert all(one.fix for one in found if one.level != "ok")
        return {one.name for one in found} - {one.name for one in found if one.level != "ok"}

    assert good() == shown
    weaken_metadata(cloud)
    open_bucket(cloud)
    unsubscribe(cloud)
    assert good() == shown - {NAMES.host(1), "bucket", "alerts"}


def test_what_hands_changed_is_shown_by_the_check_and_repaired_by_the_run(
    cloud: Cloud, figure: Callable[..., None]
) -> None:
    before = KEPT["state"]
    for drift, _ in DRIFTS:
        drift(cloud)
    spoiled = cloud.state()

    check = cloud.run("--check", "--diff")
    assert cloud.state() == spoiled
    repaired = cloud.run()

    missed = [drift.__name__ for drift, task in DRIFTS if task not in check.changed or task not in repaired.changed]
    figure("drifts_made", len(DRIFTS), bound=">= 10", unit="changes by hand")
    figure("drifts_missed", len(missed), bound="== 0", unit="changes by hand", gate=True)
    assert sorted(check.changed) == sorted(repaired.changed)
    assert set(repaired.changed) == {task for _, task in DRIFTS}
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


def test_what_the_inventory_asks_for_anew_is_changed_in_place(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [before] = find_instances(cloud.client("ec2"), NAMES)
    different = {"aws_functions_deployed": ["dead-man", "worker-door"], "aws_functions_worker_door": True}
    different |= {"aws_host_elastic_ip": False, "aws_host_system_gib": 40}

    asked = ("--extra-vars", json.dumps(different))
    check, run = cloud.run("--check", *asked), cloud.run(*asked)

    assert (check.failed, run.failed) == ({}, {})
    assert check.changed == run.changed
    [after] = find_instances(cloud.client("ec2"), NAMES)
    assert after["id"] == before["id"]
    ec2, iam, logs = cloud.client("ec2"), cloud.client("iam"), cloud.client("logs")
    assert [volume["Size"] for volume in ec2.describe_volumes()["Volumes"]] == [44]
    assert ec2.describe_addresses()["Addresses"] == []
    functions = [one["FunctionName"] for one in cloud.client("lambda").list_functions()["Functions"]]
    assert sorted(functions) == [NAMES.function(name) for name in ("dead-man", "worker-door")]
    ours = {role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(NAMES.stem)}
    assert ours == {NAMES.role(name) for name in ("host", "dead-man", "worker-door", "scheduler", "operator")}
    assert len(logs.describe_log_groups()["logGroups"]) == len(DEPLOYED) + 2
    assert outputs(cloud, monkeypatch, capsys)["worker_door"].startswith("https://")


def test_destroy_refuses_what_would_lose_data_then_removes_everything_and_proves_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, figure: Callable[..., None]
) -> None:
    as_account(cloud, monkeypatch)
    here = environment.load(ROOT, str(cloud.inventory))
    said: list[str] = []
    cloud.client("ssm").put_parameter(Name=NAMES.parameter("access_token"), Value="x.y.z", Type="SecureString")
    cloud.client("secretsmanager").create_secret(Name=NAMES.parameter("pin"), SecretString="0000")
    put = {"Bucket": NAMES.bucket(ACCOUNT), "Key": "lake/depth/x", "Body": b"1"}
    cloud.client("s3").put_object(**put, IfNoneMatch="*")

    with environment.reaching(here) as account:
        for change in athena.plan(here, account):
            change.apply()
        doomed = plan(here.account, here.names, account)
        # The emulator boots no host, so nobody can say what it has: that is a risk, and named.
        with pytest.raises(HarvesterError, match=rf"{NAMES.host(1)}: .*--lose-data"):
            destroy.refuse(destroy.risks(here, account, ROOT, str(cloud.inventory), LocalStore(tmp_path)))
        with pytest.raises(HarvesterError, match="Not everything is gone"):
            destroy.check_gone(here, account)
        destroy.remove(doomed, said.append)
        destroy.check_gone(here, account)

    left = left_with_tags(here.account, NAMES)
    figure("tagged_resources_left", len(left), bound="== 0", unit="resources", gate=True)
    assert (left, plan(cloud, NAMES, ACCOUNT)) == ([], [])
    assert len(said) == len(doomed)


def test_an_account_without_the_environment_has_nothing_to_destroy_and_the_doctor_says_what_is_missing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_account(cloud, monkeypatch)
    monkeypatch.setattr(httpx, "get", _refuse)

    found = {one.name: one for one in examine_aws(ROOT, str(cloud.inventory))}

    missing = {NAMES.host(1), "bucket", "topic", "schedules", "functions", "token page"}
    assert {name for name, one in found.items() if one.level == "fail"} >= missing
    assert found["place"].level == "ok"
