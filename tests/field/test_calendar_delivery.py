"""`./inv calendar-update` against the real thing: a booted host and an account on moto, both built by site.yml."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from tests.scenarios import lab_machine

from harvester.base.aws_names import Names
from harvester.base.validation import validate
from harvester.config.rules import IndexList
from lab import labs
from lab.calendar import market_today
from lab.labs import HostWish
from lab.testing import RunningLab
from runbook.fleet import indices

__all__ = ["lab_machine"]
BIN = Path(sys.executable).parent
NAMES = Names("lab", "alpha-harvester", "ap-south-1", "")
Operate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def operate(root: Path, tmp_path: Path) -> Iterator[Operate]:
    """Run a command of the checkout as an operator does, with a lab of this test's own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {"LAB_STATE": str(tmp_path / "lab"), "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_TIMEOUT": "60"}

    def run(*command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == code, f"{command}:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        return done

    yield run
    labs.bring_down(tmp_path / "lab")
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("words", [["--dry-run"], ["--yes", "--source", "/dev/null"]])
def test_before_there_is_a_lab_the_command_says_how_to_make_one(operate: Operate, words: list[str]) -> None:
    refused = operate("invoke", "calendar-update", *words, code=2)

    assert "There is no lab at" in refused.stderr
    assert "./inv lab-up" in refused.stderr


def known_days(lab: RunningLab, root: Path) -> set[str]:
    """The trading days that the functions in the account know, of which the archive was built here."""
    archive = root / ".cache/functions/dead-man.zip"
    [endpoint] = {json.loads((lab.state / "inventory.json").read_bytes())["all"]["vars"]["lab_aws_endpoint"]}
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": NAMES.region}
    client = boto3.client("lambda", endpoint_url=endpoint, **keys)
    deployed = client.get_function_configuration(FunctionName=NAMES.function("dead-man"))["CodeSha256"]
    assert deployed == base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()
    with zipfile.ZipFile(archive) as file:
        return set(json.loads(file.read("sessions.json"))["sessions"])


@pytest.mark.long
@pytest.mark.usefixtures("lab_machine")
def test_a_new_holiday_reaches_a_booted_host_and_the_account_and_a_second_run_changes_nothing(
    operate: Operate, tmp_path: Path, root: Path
) -> None:
    said: list[str] = []
    started = labs.bring_up(tmp_path / "lab", [HostWish("h1")], said.append, aws_account=True)
    lab = RunningLab(tmp_path / "lab", {entry.host.name: entry for entry in started}, said)
    operate("ansible-playbook", "site.yml")
    day = next(day for number in range(20, 30) if (day := market_today() + timedelta(days=number)).weekday() < 5)
    before = known_days(lab, root)
    assert day.isoformat() in before

    new = json.loads((lab.state / "calendar.json").read_bytes())
    new["special_sessions"] = [each for each in new["special_sessions"] if each["date"] != day.isoformat()]
    for part in (new, *new["segments"].values()):
        part["holidays"] = [{"date": day.isoformat(), "name": "Foundation Day", "reference": "a circular"}]
    (tmp_path / "new.json").write_text(json.dumps(new), encoding="utf-8")
    shown = operate("invoke", "calendar-update", "--source", str(tmp_path / "new.json"), "--yes")

    assert "Foundation Day" in shown.stdout
    on_host = json.loads(lab.ssh("h1", "sudo cat /etc/harvester/calendar.json").stdout)
    assert on_host == json.loads((lab.state / "calendar.json").read_bytes()) == new
    sessions = lab.ssh("h1", f"sudo /opt/harvester/current/bin/harvester sessions --date {day}", check=False)
    assert "no session" in sessions.stdout
    after = known_days(lab, root)
    assert before - after == {day.isoformat()}
    wait = 'systemctl is-active harvester-recorder && sudo harvester health | grep -i "calendar"'
    assert lab.succeeds("h1", wait)

    again = operate("invoke", "calendar-update", "--source", str(tmp_path / "new.json"), "--yes")
    assert "Foundation Day" not in again.stdout
    assert known_days(lab, root) == after

    members = {"INE062A01020": "SBIN-EQ"}
    made = {"index": "NIFTY FEW", "date": day.isoformat(), "source": "this test", "members": members}
    indices.write(tmp_path / "lists.json", [], validate(IndexList, made))
    override = {"harvester_index_lists_file": str(tmp_path / "lists.json"), "harvester_override_blackout": True}
    operate("ansible-playbook", "site.yml", "--tags", "harvester_config", "-e", json.dumps(override))
    assert json.loads(lab.ssh("h1", "sudo cat /etc/harvester/config.json").stdout)["index_lists"] == [made]
