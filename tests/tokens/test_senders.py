"""A fleet: one sender asks for the login, and each host tells of its own recorder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.field.alerting import good
from tests.tokens.test_reminders import at

from harvester.base.clock import SystemClock
from harvester.capture.status import write_status
from harvester.cli import run
from harvester.config.senders import CAUSES, causes_of

FLEET = ["mumbai-2", "mumbai-1", "mumbai-10"]
EIGHT = at("2026-11-23T08:00:00")


@pytest.mark.parametrize("fleet", [["mumbai-1"], FLEET], ids=["one", "three"])
@pytest.mark.parametrize("reminder", [False, True], ids=["hosts", "function"])
@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_one_sender_and_what_is_a_hosts_own_has_that_host(
    fleet: list[str], reminder: bool, cause: str
) -> None:
    senders = [host for host in fleet if cause in causes_of(host, fleet, reminder=reminder, source="ssm")]

    if cause == "recorder_down":
        assert senders == fleet
    elif reminder and cause in ("no_token", "token_too_short"):
        assert senders == [], "the function sees that in the store"
    else:
        assert senders == ["mumbai-1"]


@pytest.mark.parametrize("source", ["file", "secretsmanager"])
def test_a_token_that_the_function_cannot_see_is_asked_for_by_its_host(source: str) -> None:
    assert causes_of("mumbai-2", FLEET, reminder=True, source=source) == CAUSES
    assert causes_of("mumbai-2", FLEET, reminder=False, source=source) == ("recorder_down",)


def test_a_host_outside_the_fleet_asks_for_itself() -> None:
    assert causes_of("a", [], reminder=False, source="file") == CAUSES


@pytest.fixture
def look(tmp_path: Path, far_end: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Each host of the fleet looks, as its timer has it do; the messages that arrived."""
    address, heard = far_end

    def configure(host: str, *, reminder: bool) -> Path:
        folder = tmp_path / host
        for name in ("inbox", "log"):
            (folder / name).mkdir(exist_ok=True, parents=True)
        (folder / "channels").write_text(address)
        content = {
            "host_id": host,
            "symbols": ["NSE:SBIN-EQ"],
            "broker": {"app_id": "ABCDE12345-100"},
            "alerts": {
                "channels": f"file:{folder}/channels",
                "memory": str(folder / "memory"),
                "inbox": str(folder / "inbox"),
                "log_dir": str(folder / "log"),
                "ports": str(folder / "ports"),
                "causes": causes_of(host, FLEET, reminder=reminder, source="ssm"),
            },
            "status_file": str(folder / "status.json"),
        }
        (folder / "config.json").write_text(json.dumps(content))
        return folder

    def look(now_ns: int, tokens: dict[str, dict[str, Any]], *, reminder: bool = False) -> list[str]:
        monkeypatch.setattr(SystemClock, "wall_ns", lambda _: now_ns)
        for host in FLEET:
            folder = configure(host, reminder=reminder)
            (folder / "status.json").unlink(missing_ok=True)
            if host in tokens:
                write_status(folder / "status.json", json.dumps(good(now_ns, token=tokens[host])).encode())
            for command in ("remind", "send-alerts"):
                assert run([command, "--config", str(folder / "config.json")]) == 0
        said = [f"{message['title']}: {message['message']}" for message in heard]
        heard.clear()
        return said

    return look


MISSING = {"state": "missing", "expires_at_ns": None}
GOOD = {"state": "ok", "expires_at_ns": at("2026-11-24T06:30:00")}


def test_a_person_is_asked_once_at_each_step_and_told_once_that_all_is_well(look: Callable[..., list[str]]) -> None:
    [first] = look(EIGHT, dict.fromkeys(FLEET, MISSING))
    [second] = look(at("2026-11-23T08:30:00"), dict.fromkeys(FLEET, MISSING))
    [last] = look(at("2026-11-23T08:35:00"), dict.fromkeys(FLEET, GOOD))

    assert first.startswith("mumbai-1: Log in for today's session: ")
    assert second.startswith("mumbai-1: Still no login for today: ")
    assert last.startswith("mumbai-1: The token is in place: ")


def test_where_the_function_asks_no_host_does(look: Callable[..., list[str]]) -> None:
    assert look(EIGHT, dict.fromkeys(FLEET, MISSING), reminder=True) == []


@pytest.mark.parametrize("reminder", [False, True], ids=["hosts", "function"])
def test_a_host_that_alone_lacks_the_token_tells_when_data_is_lost(
    look: Callable[..., list[str]], reminder: bool
) -> None:
    tokens = {"mumbai-1": GOOD, "mumbai-10": GOOD, "mumbai-2": MISSING}

    assert look(at("2026-11-23T08:50:00"), tokens, reminder=reminder) == []
    [said] = look(at("2026-11-23T09:05:00"), tokens, reminder=reminder)

    assert said.startswith("mumbai-2: Nothing is recorded: no valid token: ")
    assert "on mumbai-2 the recorder has been handed no access token" in said


@pytest.mark.parametrize("reminder", [False, True], ids=["hosts", "function"])
def test_a_refused_token_is_told_once_whoever_asks(look: Callable[..., list[str]], reminder: bool) -> None:
    refused = {**GOOD, "state": "refused", "version": "ssm:7"}

    [said] = look(EIGHT, dict.fromkeys(FLEET, refused), reminder=reminder)

    assert "the broker refuses the access token (ssm:7)" in said


@pytest.mark.parametrize("reminder", [False, True], ids=["hosts", "function"])
def test_a_recorder_that_is_down_is_told_by_its_host_and_named(look: Callable[..., list[str]], reminder: bool) -> None:
    [said] = look(EIGHT, {"mumbai-1": GOOD, "mumbai-10": GOOD}, reminder=reminder)

    assert said.startswith("mumbai-2: The recorder does not run: ") and "the recorder of mumbai-2 does not run" in said
