"""Advice that led in a circle once: each is followed as it is printed, and ends well."""

import base64
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.commands.remedies.uploads import twins
from tests.operator.support.made_lake import LakeMaker

from harvester.alerts.host import open_channels
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import Secret
from harvester.config.alerting import AlertSettings
from harvester.tokens.claims import check_token
from runbook.fleet import logs
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from runbook.pull import cleanup
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport
from runbook.report import query
from runbook.report.verification import verify_store
from runbook.tokens import adoption, credentials
from runbook.tokens.broker_login import Obtained
from runbook.tokens.token_push import push

REGION = "ap-south-1"
PREFIX = "/alpha-harvester/lab"
IN_SSM = {"source": "ssm", "parameter": f"{PREFIX}/fyers/access-token", "region": REGION}
CHANNEL = "json://127.0.0.1:9/secret-part"


def host(name: str = "h1", **settings: Any) -> Host:
    return Host(name, "192.0.2.1", variables={"harvester_settings": settings})


def lacking(settings: AlertSettings) -> str:
    """What a host says that has no channels."""
    with pytest.raises(ConfigError, match="no alert channel is configured") as caught:
        open_channels(settings)
    return str(caught.value)


def test_channels_that_a_host_reads_from_a_file_are_put_into_that_file(tmp_path: Path) -> None:
    settings = AlertSettings(channels=f"file:{tmp_path}/channels")
    said = lacking(settings)
    (tmp_path / "mine").write_text(f"{CHANNEL}\n")

    assert "secret-put" not in said, "it stores where this host does not look"
    command = re.search(r"sudo (install .*? )FILE (\S+\w)", said)
    assert command
    us = (
        command[1].replace("-o harvester-alert", f"-o {os.getuid()}").replace("-g harvester-alert", f"-g {os.getgid()}")
    )
    subprocess.run([*shlex.split(us), str(tmp_path / "mine"), command[2]], check=True)

    assert len(open_channels(settings)) == 1
    assert (tmp_path / "channels").stat().st_mode & 0o777 == 0o600


def test_channels_that_a_host_reads_from_ssm_are_stored_by_the_command_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "ssm:/elsewhere/channels"
    settings = AlertSettings(channels=place, region=REGION)
    with mock_aws():
        words = re.search(r"\./inv secret-put --name (\S+\w)", lacking(settings))
        assert words
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{CHANNEL}\n"))
        said = credentials.put([host(token=IN_SSM, alerts={"channels": place})], words[1])

        assert said == "SSM parameter /elsewhere/channels is ssm:1 now."
        assert len(open_channels(settings)) == 1


def test_channels_stored_where_the_host_does_not_look_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions in AWS read them; the host reads its file."""
    with mock_aws():
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{CHANNEL}\n"))
        said = credentials.put([host(token=IN_SSM)], "channels")
    with pytest.raises(ConfigError) as caught:
        credentials.put([host()], "channels")

    for text in (said, str(caught.value)):
        assert "h1 reads its channels from /var/lib/harvester-alert/channels" in text
        assert (
            "sudo install -o harvester-alert -g harvester-alert -m 600 FILE /var/lib/harvester-alert/channels" in text
        )


@pytest.mark.parametrize("count", [1, 2])
def test_a_time_that_journalctl_does_not_read_is_told_as_that(
    count: int,
    ssh: Path,
    control: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hosts = [Host(f"h{n}", f"192.0.2.{n}", control_directory=control) for n in range(1, count + 1)]
    with pytest.raises(HarvesterError) as caught:
        logs.show(hosts, logs.command(None, 5, "foo", follow=False), follow=False)

    assert "Failed to parse timestamp: foo" in str(caught.value)
    assert "sudo" not in str(caught.value)
    for moment in re.findall(r"«(.*?)»", str(caught.value)):
        logs.show(hosts, logs.command("nothing", 5, moment, follow=False), follow=False)
    assert "«today»" in str(caught.value)


def test_a_user_who_may_not_use_sudo_is_told_as_that(ssh: Path, control: Path) -> None:
    ssh.with_name("sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    with pytest.raises(HarvesterError, match=r"sudo: a password is required\. .*NOPASSWD"):
        logs.show([Host("h1", "192.0.2.1", control_directory=control)], ["sudo", "-n", "journalctl"], follow=False)


def damage_manifest(store: LocalStore) -> Path:
    path = next(store.lake.glob("manifest/*/*/manifest.json"))
    path.write_text("{")
    return path


def heal(place: LakeMaker, store: LocalStore) -> None:
    [result] = pull([lambda: LocalTransport("lab1", place.root)], store, Selection(raw=True))
    assert not result.problems


def test_a_damaged_manifest_of_the_pulled_lake_is_downloaded_again(make_lake: Any, store: LocalStore) -> None:
    place = make_lake(days=1)
    heal(place, store)
    damage_manifest(store)
    [day] = verify_store(store, Selection()).days
    with pytest.raises(HarvesterError) as asked:
        query.ask("select 1", store.lake)

    for said, words in ((day.problems[0], "cannot be trusted"), (str(asked.value), "cannot be read")):
        assert words in said
        assert "harvester close" not in said, "nothing is closed on a laptop"
        assert "./inv pull-data" in said
    heal(place, store)
    assert verify_store(store, Selection()).ok
    query.ask("select 1", store.lake)


def token(account: str = "XX00000", seconds: int = 3_600) -> str:
    parts = [{"alg": "HS256"}, {"sub": "access_token", "exp": int(time.time() + seconds), "fy_id": account}]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2lnbmF0dXJl"])


class Reports:
    """What hosts report of their token, one answer after another; the last stays."""

    def __init__(self, *answers: tuple[str, str]) -> None:
        self.answers = list(answers)

    def __call__(self, hosts: Sequence[Host]) -> list[HostStatus]:
        version, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        expires_ns = check_token(Secret(text), time.time_ns()).expires_at_ns
        status = {"token": {"state": "ok", "version": version, "expires_at_ns": expires_ns}}
        return [HostStatus(each.name, {"token_version": version, "status": status}) for each in hosts]


@pytest.mark.parametrize("stale", ["ssm:5", "ssm:1"])
def test_a_parameter_that_was_deleted_and_stored_again_is_waited_for(
    stale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its versions begin again at 1; the host still has one of before."""
    monkeypatch.setattr(adoption, "ASK_AGAIN_SECONDS", 0.0)
    old, new = token(seconds=1_800), token()
    obtained = Obtained(Secret(new), check_token(Secret(new), time.time_ns()))
    ask = Reports((stale, old), (stale, old), ("ssm:1", new))
    with mock_aws():
        client = boto3.client("ssm", region_name=REGION)
        for _ in range(5):
            client.put_parameter(Name=IN_SSM["parameter"], Value=old, Type="SecureString", Overwrite=True)
        client.delete_parameter(Name=IN_SSM["parameter"])
        pushed = push(obtained, [host(token=IN_SSM)], Target(tmp_path), ask=ask)

    assert pushed.notes == ()
    assert len(ask.answers) == 1, "the host was asked until it had the new one"


def test_a_day_of_two_hosts_with_one_name_is_uploaded_under_the_names_that_they_get(tmp_path: Path) -> None:
    with twins(tmp_path) as (first, second):
        assert first.run("upload").code == 0
        code, said = second.run("upload")
        assert code == 1
        assert said.count("the same host_id") == 1, "the advice is said once a day, not for each file"

        second.rename(said)
        for command in re.findall(r"run harvester (close --date \S+) and harvester (upload)\.", said)[0]:
            ending = second.run(*command.split())
            assert ending.code == 0, ending.said

    assert "1 of 1 days are complete" in ending.said


def test_a_clean_up_of_copies_that_changed_is_planned_anew(
    make_lake: Any, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_lake(days=3)
    played: list[Any] = []
    monkeypatch.setattr(cleanup, "run", lambda *given, **_: played.append(given))
    heal(place, store)
    plan = cleanup.make_plan(lambda: LocalTransport("lab1", place.root), store)
    path = store.lake / plan.removals[0].file.path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HarvesterError, match=r"changed since the plan was made.* run `\./inv verify-data`"):
        cleanup.apply(plan, store, Target(Path()))
    assert [day for day in verify_store(store, Selection()).days if day.problems], "verify-data names the day"
    heal(place, store)

    cleanup.apply(cleanup.make_plan(lambda: LocalTransport("lab1", place.root), store), store, Target(Path()))
    assert len(played) == 1
