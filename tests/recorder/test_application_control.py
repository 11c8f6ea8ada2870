"""Starting, stopping and checking an application's unit, with a systemctl that does what a test says."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY

from harvester.application import control
from harvester.application.model import Application
from harvester.base.errors import HarvesterError
from harvester.base.market import moment_ns
from harvester.base.validation import Refused, validate
from harvester.health import facts
from harvester.health.systemd import SystemdError

UNIT = "market-app.service"
LOOK = "./inv logs --application shows what it said."
MARKET = moment_ns(DAY, 9 * 3600), moment_ns(DAY, 15 * 3600)


def application(**changes: Any) -> Application:
    return validate(Application, {"unit": UNIT, "start": "08:55", "stop": "15:35"} | changes)


class Systemctl:
    """A program of that name, first in PATH; what it was asked is in `asked`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        self.does("exit 0")

    def does(self, script: str) -> None:
        program = self.folder / "systemctl"
        program.unlink(missing_ok=True)
        program.write_text(f'#!/bin/sh\necho "$*" >>{self.folder}/asked\n{script}\n')
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    return Systemctl(tmp_path, monkeypatch)


def test_start_and_stop_are_those_of_its_unit(systemctl: Systemctl) -> None:
    control.start(application())
    control.stop(application())

    assert systemctl.asked == [f"start {UNIT}", f"stop {UNIT}"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo said; echo 'Job failed.' >&2; echo 'See journalctl.' >&2; exit 1", "Job failed. See journalctl."),
        ("exit 5", "it ended with 5"),
    ],
)
def test_a_refusal_is_told_in_systemds_own_words(systemctl: Systemctl, script: str, says: str) -> None:
    systemctl.does(script)

    with pytest.raises(HarvesterError) as error:
        control.start(application())
    assert str(error.value) == f"systemctl start {UNIT}: {says} {LOOK}"


def test_one_that_does_not_end_is_given_up_before_the_limit_of_its_job(
    systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def run(command: list[str], *, timeout: float, **_: Any) -> None:
        asked.append(timeout)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(HarvesterError) as error:
        control.stop(application())
    assert str(error.value) == f"systemctl stop {UNIT} did not end within 280 s. {LOOK}"
    assert asked == [280], "the job has five minutes"


def test_without_systemd_it_is_said_that_this_is_no_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        HarvesterError, match=r"^systemctl does not start \(No such file or directory\): is this a host\?$"
    ):
        control.start(application())


def test_what_failed_is_forgotten_before_it_is_started_again(
    systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts nothing that failed too often (StartLimitBurst) until that is reset."""
    monkeypatch.setattr(control, "look_at_units", lambda _: {UNIT: facts.Unit(True, active="failed")})

    with pytest.raises(
        HarvesterError, match=f"^{UNIT}: its unit has failed. It was restarted, and is well since. {LOOK}$"
    ):
        control.check(application())
    assert systemctl.asked == [f"reset-failed {UNIT}", f"restart {UNIT}"]
    systemctl.does("[ $1 = reset-failed ]")
    with pytest.raises(HarvesterError, match=f"systemctl restart {UNIT}: it ended with 1"):
        control.check(application())


def test_one_that_says_nowhere_whether_it_is_well_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "look_at_units", lambda _: {UNIT: facts.Unit(True, active="active")})
    monkeypatch.setattr("urllib.request.OpenerDirector.open", pytest.fail)

    assert control.check(application(), pause=pytest.fail) == f"{UNIT} is active"


def test_a_state_that_cannot_be_told_changes_nothing(systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_: list[str]) -> dict[str, facts.Unit]:
        raise SystemdError("systemctl ended with 1")

    monkeypatch.setattr(control, "look_at_units", look)
    with pytest.raises(HarvesterError, match=r"systemctl ended with 1. Its state cannot be told without systemd"):
        control.check(application())
    assert not (systemctl.folder / "asked").exists()


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        ("open-5m", "close+5m", (MARKET[0] - 300 * 10**9, MARKET[1] + 300 * 10**9)),
        ("open+3h", "close-3h", None), ("open+4h", "close-3h", None), ("15:00", "close", None), ("14:59", "close", 60),
    ],
)  # fmt: skip
def test_hours_that_would_end_when_they_begin_are_none(start: str, stop: str, hours: Any) -> None:
    found = application(start=start, stop=stop).span(DAY, MARKET)
    assert (found[1] - found[0] == hours * 10**9 if found else False) if isinstance(hours, int) else found == hours


@pytest.mark.parametrize(
    ("name", "when"),
    [("start", "Mon 08:55"), ("stop", "15:30,15:35"), ("start", "every 15min"), ("stop", "*-*-01 06:00")],
)
def test_an_edge_that_is_none_is_named(name: str, when: str) -> None:
    with pytest.raises(
        Refused, match=rf"{name} must be one time of each trading day, .*, not '{when.replace('*', '.')}'"
    ):
        application(**{name: when})
