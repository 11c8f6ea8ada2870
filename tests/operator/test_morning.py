"""The morning function in this process: of which hosts people are told, and of which not."""

import importlib
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

OPENS = datetime.fromisoformat("2026-11-23T09:00:00+05:30")
BEGUN = OPENS - timedelta(minutes=10)
VARIABLES = {"HOSTS": "h1,h2", "TAGS": "Project=p", "TOPIC": "t", "ENVIRONMENT": "e"}
AWAY = "Client.UserInitiatedShutdown"
Call = Callable[[int], dict[str, str]]


class Cloud:
    """EC2 and SNS as far as the function asks them."""

    def __init__(self) -> None:
        self.hosts: dict[str, dict[str, Any]] = {name: self.host("running") for name in ("h1", "h2")}
        self.started: list[str] = []
        self.mails: list[str] = []

    def host(self, state: str, *, minutes: int = -600, why: str = "") -> dict[str, Any]:
        """In this state, started so many minutes after the lead began, and why it stopped."""
        launched = BEGUN + timedelta(minutes=minutes)
        return {"State": {"Name": state}, "LaunchTime": launched, "StateReason": {"Code": why}}

    def client(self, name: str) -> "Cloud":
        return self

    def describe_instances(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        [name] = next(each["Values"] for each in Filters if each["Name"] == "tag:Name")
        return {"Reservations": [{"Instances": [{"InstanceId": name, **self.hosts[name]}]}]}

    def start_instances(self, InstanceIds: list[str]) -> None:
        self.started += InstanceIds

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:
        self.mails.append(f"{Subject}: {Message}")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()
    monkeypatch.setattr("boto3.client", cloud.client)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return cloud


@pytest.fixture
def call(root: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """What it does so many minutes after the lead of ten minutes began."""
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    module: ModuleType = importlib.import_module("morning")
    session = OPENS, OPENS + timedelta(hours=6), OPENS + timedelta(hours=7)
    monkeypatch.setattr(module, "session_at", lambda _: session)
    monkeypatch.setattr(module, "maintenance_at", lambda _: None)  # test_market_functions.py has the weeks
    yield lambda minutes: dict(module.handler({"now": (BEGUN + timedelta(minutes=minutes)).isoformat()}, None))
    for name in ("market", "machines", "morning"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("minutes", "mails"), [(0, 0), (4, 0), (5, 1), (6, 0), (59, 0), (60, 1), (180, 1), (181, 0)])
def test_people_are_told_of_a_host_that_does_not_run_and_not_of_one_that_somebody_stopped(
    call: Call, cloud: Cloud, minutes: int, mails: int
) -> None:
    cloud.hosts = {"h1": cloud.host("pending"), "h2": cloud.host("stopped", minutes=0, why=AWAY)}

    answer = call(minutes)

    assert answer["h1"] == "pending" and answer["h2"].startswith("left alone") and cloud.started == []
    assert [mail.partition(" The session")[0] for mail in cloud.mails] == [
        "e: not every host runs: h1: pending."
    ] * mails


def test_nobody_is_told_where_all_run_or_were_stopped_by_somebody(call: Call, cloud: Cloud) -> None:
    cloud.hosts["h2"] = cloud.host("stopped", minutes=1, why=AWAY)

    assert call(5)["h1"] == "running"
    assert cloud.mails == []


REASONS = {
    "Client.UserInitiatedShutdown": True,
    "Client.UserInitiatedHibernate": True,
    "Client.InstanceInitiatedShutdown": False,  # its own system switched it off, as a failed upgrade may
    "Client.InternalError": False,
    "Client.InvalidSnapshot.NotFound": False,
    "Client.VolumeLimitExceeded": False,
    "Server.InsufficientInstanceCapacity": False,
    "Server.InternalError": False,
    "Server.ScheduledStop": False,
    "": False,
}
"""Codes of StateReason of a stopped instance (Amazon EC2 API reference), and whether each is somebody's own call."""


def test_only_a_host_that_somebody_called_to_stop_is_left_alone(call: Call, cloud: Cloud) -> None:
    found = {}
    for code in REASONS:
        cloud.hosts["h1"] = cloud.host("stopped", minutes=1, why=code)
        found[code] = call(2)["h1"].startswith("left alone")
    assert found == REASONS


def test_a_host_that_stopped_before_or_by_aws_is_started(call: Call, cloud: Cloud) -> None:
    cloud.hosts = {
        "h1": cloud.host("stopped", minutes=-1, why=AWAY),
        "h2": cloud.host("stopped", minutes=1, why="Server.SpotInstanceTermination"),
    }

    assert call(1) == {"h1": "starting", "h2": "starting"}
    assert cloud.started == ["h1", "h2"]
