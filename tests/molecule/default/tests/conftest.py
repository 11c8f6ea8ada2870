"""What the checks of a converged host share: figures for the suite's report, and the way to a host from outside."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Note = Callable[..., None]


@pytest.fixture
def note(host) -> Note:
    """Hand a figure to the suite's report, under the name of the host; the report judges gates."""

    def write(name: str, value: float, *, bound: str, unit: str, gate: bool = True) -> None:
        row = {"name": f"{host.backend.hostname}.{name}", "value": value, "bound": bound, "unit": unit, "gate": gate}
        if target := os.environ.get("SCENARIO_FIGURES"):
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    return write


@pytest.fixture
def address(host) -> str:
    inventory = json.loads((Path(os.environ["LAB_STATE"]) / "inventory.json").read_text("utf-8"))
    return inventory["all"]["children"]["harvesters"]["hosts"][host.backend.hostname]["ansible_host"]


@pytest.fixture
def login(host) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Run a command over a new SSH connection, as an operator would."""

    def run(command: str) -> "subprocess.CompletedProcess[str]":
        config = Path(os.environ["LAB_STATE"]) / "ssh_config"
        argv = [
            "ssh",
            "-F",
            str(config),
            "-o",
            "ControlPath=none",
            "-o",
            "BatchMode=yes",
            host.backend.hostname,
            command,
        ]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def forgiven(host):
    """Strangers' attempts come from this machine: without an amnesty the host would shut out what comes next."""
    yield
    host.check_output(
        "fail2ban-client unban --all; systemctl reset-failed ssh.service; systemctl try-restart ssh.service"
    )
