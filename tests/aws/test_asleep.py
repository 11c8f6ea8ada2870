"""Hosts that sleep, as they do each morning at 08:00: what needs no host needs none, the rest says how to wake them."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from tests.aws.account import NAMES, ROOT, Cloud, as_account
from tests.contract.test_tasks import TASKS
from tests.operator.support.made_lake import LakeMaker
from tests.recorder.fakes import make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone
from harvester.base.redaction import Secret
from harvester.tokens.claims import read_claims
from lab.aws.server import ACCOUNT, IMAGE, REGION
from runbook.aws import environment, sleepers
from runbook.fleet.inventory import Host, load_hosts
from runbook.fleet.playbook import Target
from runbook.fleet.ssh import SshConnection, UnreachableError
from runbook.fleet.status import HostStatus
from runbook.tokens import token_push
from runbook.tokens.broker_login import Obtained

NAME = NAMES.host(1)
TOKEN = NAMES.parameter("access_token")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account with one host that is stopped, and its bucket."""
    made = Cloud(tmp_path_factory.mktemp("asleep"))
    tags = [{"Key": key, "Value": value} for key, value in {**NAMES.tags, "Name": NAME}.items()]
    ec2 = made.client("ec2")
    specification: Any = [{"ResourceType": "instance", "Tags": tags}]
    ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="t3.micro", TagSpecifications=specification)
    bucket: Any = {"LocationConstraint": REGION}
    made.client("s3").create_bucket(Bucket=NAMES.bucket(ACCOUNT), CreateBucketConfiguration=bucket)
    yield made
    made.close()


@pytest.fixture
def asleep(place: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The inventory of that account, whose host sleeps."""
    as_account(place, monkeypatch)
    place.client("ec2").stop_instances(InstanceIds=[identity(place)])
    return str(place.inventory)


def identity(place: Cloud) -> str:
    [reservation] = place.client("ec2").describe_instances()["Reservations"]
    return str(reservation["Instances"][0]["InstanceId"])


def state(place: Cloud) -> str:
    [reservation] = place.client("ec2").describe_instances()["Reservations"]
    return str(reservation["Instances"][0]["State"]["Name"])


def run(task: str, **options: Any) -> tuple[int, str]:
    """How a task ends: its code, and what it says then."""
    try:
        TASKS[task](MockContext(), **options)
    except Exit as ended:
        return int(ended.code), str(ended.message)
    return 0, ""


def test_status_shows_hosts_asleep_and_is_content_outside_sessions(
    asleep: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleepers.time, "time_ns", lambda: at(2026, 11, 23, 8, 0))

    code, _ = run("status", inventory=asleep, json=True)

    [answer] = json.loads(capsys.readouterr().out)
    assert (code, answer["host"], answer["asleep"], answer["error"]) == (0, NAME, True, None)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=zone()).timestamp()) * NS_PER_SECOND


def test_a_host_that_sleeps_in_its_session_is_unwell() -> None:
    host = Host(NAME, "i-1", variables={"harvester_asleep": True, "harvester_settings": {"symbols": ["NSE:SBIN-EQ"]}})
    answer = HostStatus(NAME, None, asleep=True)

    assert sleepers.judge(answer, host, at(2026, 11, 23, 8, 0)).healthy
    late = sleepers.judge(answer, host, at(2026, 11, 23, 10, 0))
    assert not late.healthy and "./inv wake" in late.error
    assert sleepers.judge(answer, host, at(2026, 11, 22, 10, 0)).healthy, "a Sunday"


def test_a_secret_is_stored_while_hosts_sleep_and_before_there_are_any(
    place: Cloud, asleep: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for text, inventory in (("one", asleep), ("two", str(without_hosts(place, tmp_path)))):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        secret = {"one": "app-secret", "two": "page-key"}[text]
        assert run("secret-put", name=secret, inventory=inventory) == (0, "")
        name = NAMES.parameter(secret.replace("-", "_"))
        found = place.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
        assert (found["Value"], found["Type"]) == (text, "SecureString")


def without_hosts(place: Cloud, folder: Path) -> Path:
    """The same inventory before site.yml has made its hosts."""
    from shutil import copytree

    copied = copytree(place.inventory, folder / "aws")
    file = copied / "aws_ec2.yml"
    file.write_text(file.read_text("utf-8").replace("tag:Project", "tag:Nobody"), encoding="utf-8")
    return copied


def test_a_token_is_stored_for_hosts_that_sleep_and_nobody_waits_for_them(place: Cloud, asleep: str) -> None:
    token = Secret(make_token(4_000_000_000))
    obtained = Obtained(token, read_claims(token))

    pushed = token_push.push(obtained, load_hosts(ROOT, asleep), Target(ROOT, asleep), ask=ask_nobody)

    assert place.client("ssm").get_parameter(Name=TOKEN, WithDecryption=True)["Parameter"]["Value"] == (
        token.get_secret_value()
    )
    assert pushed.notes == (f"{NAME}: asleep, and will take it when they start.",)
    assert run("token-status", inventory=asleep) == (0, "")


def ask_nobody(hosts: Any) -> list[HostStatus]:
    assert not hosts, "a host that sleeps was asked"
    return []


def test_the_bucket_is_pulled_from_while_hosts_sleep(place: Cloud, asleep: str, tmp_path: Path) -> None:
    LakeMaker(tmp_path / "lake").add_day("2026-11-20")
    for file in (found for found in (tmp_path / "lake").rglob("*") if found.is_file()):
        key = f"lake/{file.relative_to(tmp_path / 'lake')}".replace("manifest.json", "manifest-1.json")
        place.client("s3").put_object(Bucket=NAMES.bucket(ACCOUNT), Key=key, Body=file.read_bytes(), IfNoneMatch="*")

    assert run("pull-data", from_="s3", inventory=asleep, output=str(tmp_path / "pulled")) == (0, "")

    assert list((tmp_path / "pulled/lake/manifest").rglob("*.json"))


def test_what_needs_a_host_says_how_to_wake_it_and_what_else_one_can_do(asleep: str, tmp_path: Path) -> None:
    code, said = run("pull-data", inventory=asleep, output=str(tmp_path))
    assert (code, f"{NAME}: asleep" in said, "./inv wake" in said, "--from s3" in said) == (1, True, True, True)
    code, said = run("restart", inventory=asleep)
    assert (code, f"{NAME}: asleep" in said, "./inv wake" in said) == (1, True, True)


def test_wake_says_what_it_costs_starts_them_and_waits_for_their_answer(
    place: Cloud, asleep: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def answer(connection: SshConnection, command: list[str], **_: Any) -> None:
        tried.append(connection.host.address)
        if len(tried) < 2:
            raise UnreachableError("boots")

    monkeypatch.setattr(SshConnection, "run", answer)
    monkeypatch.setattr(sleepers, "ASK_AGAIN_SECONDS", 0.0)
    refused = run("wake", inventory=asleep)
    assert (refused[0], state(place)) == (1, "stopped")

    assert run("wake", inventory=asleep, yes=True) == (0, "")

    said = " ".join(capsys.readouterr().out.split())
    assert "0.0112 an hour" in said and "until the evening of the next trading day" in said
    assert (state(place), len(tried)) == ("running", 2)
    assert run("wake", inventory=asleep, yes=True) == (0, "")
    assert "no host sleeps" in capsys.readouterr().out


def test_the_cost_of_a_wake_goes_by_the_calendar(place: Cloud, asleep: str) -> None:
    here = environment.load(ROOT, asleep)

    friday = sleepers.explain_cost(here, [NAME], datetime(2026, 11, 20, 20, 0, tzinfo=zone()))
    monday = sleepers.explain_cost(here, [NAME, "x"], datetime(2026, 11, 23, 8, 15, tzinfo=zone()))

    assert "Mon 23 Nov 16:15 IST" in friday and "68 h, about 0.76" in friday
    assert "8 h, about 0.18" in monday


def test_missing_credentials_say_that_they_are_missing(
    place: Cloud, asleep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")

    code, said = run("status", inventory=asleep)
    assert code == 2 and "No AWS credentials were found" in said and "parse" not in said
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", asleep, "playbooks/start.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0, "a play without hosts is no success"


def test_through_session_manager_profile_and_region_are_given_and_the_name_is_the_instance(
    place: Cloud, asleep: str
) -> None:
    file = place.inventory / "group_vars" / "all.yml"
    place.configure(connection="session-manager")
    file.write_text(file.read_text("utf-8").replace('aws_account_profile: ""', 'aws_account_profile: "work"'), "utf-8")

    [host] = load_hosts(ROOT, asleep)
    place.configure()

    [command] = [argument for argument in host.ssh_arguments if argument.startswith("ProxyCommand=")]
    assert "--region ap-south-1 --profile work --target %h" in command
    assert host.address == identity(place)
