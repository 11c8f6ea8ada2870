"""What a deploy refuses, with --check as without; run by Ansible itself on a folder here, without a host."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
SETTINGS: dict[str, Any] = {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "ABCDE12345-100"}}
CASES = {
    "good": (SETTINGS, "accepted"),
    "misspelt": (SETTINGS | {"pol": {"interval_seconds": 5.0}}, "pol"),
    "too often": (SETTINGS | {"poll": {"interval_seconds": 0.1}}, "interval_seconds"),
    "text": (SETTINGS | {"poll": {"interval_seconds": "often"}}, "interval_seconds"),
    "no symbols": (SETTINGS | {"symbols": []}, "symbols"),
    "app id": (SETTINGS | {"broker": {"app_id": "wrong"}}, "app_id"),
    "http": (SETTINGS | {"broker": {"app_id": "ABCDE12345-100", "data_url": "http://api-t1.fyers.in"}}, "data_url"),
}


def play(root: Path, name: str, *arguments: str, **extra: Any) -> tuple[int, str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "1000"}
    environment["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    argv = ["ansible-playbook", f"tests/contract/playbooks/{name}.yml", "--inventory", "localhost,"]
    argv += [*arguments, "--extra-vars", json.dumps(extra)]
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> str:
    root, folder = Path(__file__).resolve().parents[2], tmp_path_factory.mktemp("host")
    cases = [{"name": name, "settings": settings} for name, (settings, _) in CASES.items()]
    places = {"harvester_root_dir": str(folder / "opt"), "harvester_config_dir": str(folder / "etc")}
    code, said = play(root, "check", "--check", "--diff", check_cases=cases, **places)
    assert code == 0, said[-3000:]
    assert list(folder.iterdir()) == []
    return said


@pytest.mark.parametrize("name", CASES)
def test_a_check_of_an_untouched_host_refuses_what_the_deploy_would(name: str, refusals: str) -> None:
    [said] = [line for line in refusals.splitlines() if f"CASE {name}:" in line]

    assert CASES[name][1] in said
    if name != "good":
        assert "refused" in said and "localhost has no deployment yet" in said


def deploy(folder: Path, *failing: str) -> None:
    """A deployment whose program says of itself that these checks fail."""
    checks = [{"name": name, "ok": False, "detail": "not good", "fix": "correct it"} for name in failing]
    answer = {"release": "a1", "config_hash": "0", "status": {}, "checks": checks}
    program = folder / "opt/deployments/a1-0/bin/harvester"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\nexit {3 if failing else 0}\n")
    program.chmod(0o755)
    (folder / "opt/current").symlink_to("deployments/a1-0")


@pytest.mark.parametrize("failing", [(), ("calendar",)])
def test_a_deployment_that_is_not_well_fails_its_proof_which_names_what_runs(
    root: Path, tmp_path: Path, failing: tuple[str, ...]
) -> None:
    deploy(tmp_path, *failing)

    code, said = play(root, "verify", harvester_root_dir=str(tmp_path / "opt"), harvester_verify_timeout_seconds=2)

    assert (code != 0) is bool(failing), said
    if failing:
        assert "localhost runs release a1 with configuration 0, and is not well: calendar: not good correct it" in said
