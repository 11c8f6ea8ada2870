"""What the role makes of the application's health: judged by Ansible itself, as after a deploy."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
DATA = {"name": "data", "ok": False, "detail": "no data", "fix": "log in"}
FEED = {"name": "fyers-hsm", "ok": False, "detail": "0 of 1 connections up", "fix": ""}
CLOCK = {"name": "clock", "ok": False, "detail": "3 s off", "fix": None}


def answer(*checks: dict[str, Any], access: str = "good", release: str = "a1") -> dict[str, Any]:
    running = {"name": "running", "ok": True, "detail": "", "fix": ""}
    status = {"token": {"state": access}, "feeds": {"fyers-hsm": {}}}
    return {"release": release, "config_hash": "0", "status": status, "checks": [running, *checks]}


CASES: dict[str, tuple[dict[str, Any] | None, list[str], str]] = {
    "well": (answer(), [], ""),
    "another release": (answer(release="b2"), [], "it should run a1-0, but b2-0 answers; "),
    "no answer": (None, [], "it should run a1-0, but nothing- answers; "),
    "no data with a token": (answer(DATA), [], "data: no data log in; "),
    "no data for lack of a token": (answer(DATA, FEED, access="missing"), [], ""),
    "a feed without data with a token": (answer(FEED), [], "fyers-hsm: 0 of 1 connections up ; "),
    "the clock, where all counts": (answer(CLOCK), [], "clock: 3 s off ; "),
    "the clock, where it is not decisive": (answer(CLOCK), ["running", "config"], ""),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("judged")
    cases = [{"name": name, "health": health, "counted": counted} for name, (health, counted, _) in CASES.items()]
    extra = json.dumps({"judge_folder": str(folder), "judge_cases": cases})
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    argv = ["ansible-playbook", "tests/contract/playbooks/judge.yml", "--inventory", "localhost,", "-e", extra]
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


@pytest.mark.parametrize("name", CASES)
def test_a_deployment_is_blamed_for_what_it_can_help(name: str, judged: dict[str, str]) -> None:
    assert judged[name] == CASES[name][2]
