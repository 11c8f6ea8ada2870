"""One Molecule scenario on lab hosts of its own, for the suites that run scenarios."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import machine
from lab.errors import LabError
from runbook.fleet.playbook import mitogen_strategies

BIN = Path(sys.executable).parent
RECAP = re.compile(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def lab_machine() -> None:
    try:
        machine.require_lab_machine()
    except LabError as error:
        pytest.skip(str(error))


class Scenario:
    """One scenario with a folder of its own, which holds its lab and a copy of the source."""

    def __init__(self, root: Path, name: str, folder: Path, **environment: str) -> None:
        self.root, self.name, self.folder = root, name, folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ANSIBLE_TIMEOUT": "60",  # a host that shares a busy machine answers late
            "LAB_STATE": str(folder / "lab"),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
            "MOLECULE_GLOB": "tests/molecule/*/molecule.yml",
            "SCENARIO_FIGURES": str(folder / "figures.jsonl"),
            **environment,
        }

    def molecule(self, *arguments: str) -> str:
        return self.run(["molecule", *arguments, "--scenario-name", self.name])

    def site(self, *arguments: str, **environment: str) -> tuple[str, float]:
        """Output and wall time of site.yml with this scenario's hosts and source."""
        source = f"harvester_source_dir={self.folder / 'source'}"
        began = time.monotonic()
        output = self.run(["ansible-playbook", "site.yml", "--extra-vars", source, *arguments], **environment)
        return output, time.monotonic() - began

    def refused(self, *arguments: str, **environment: str) -> str:
        """Output of a deploy.yml that fails."""
        source = f"harvester_source_dir={self.folder / 'source'}"
        command = ["ansible-playbook", "playbooks/deploy.yml", "--extra-vars", source, *arguments]
        return self.run(command, fails=True, **environment)

    def run(self, command: list[str], *, fails: bool = False, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        assert (done.returncode != 0) is fails, (
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-30000:]}"
        )
        return done.stdout

    def figures(self) -> list[dict[str, object]]:
        file = self.folder / "figures.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


@pytest.fixture
def scenario(root: Path, tmp_path: Path) -> Iterator[Callable[[str], Scenario]]:
    made: list[Scenario] = []

    def make(name: str, **environment: str) -> Scenario:
        made.append(Scenario(root, name, tmp_path, **environment))
        return made[-1]

    yield make
    for one in made:
        one.molecule("destroy")
        shutil.rmtree(one.folder, ignore_errors=True)


def mitogen() -> dict[str, str]:
    """Environment that runs playbooks with mitogen, as the runbook's commands do where it is installed."""
    strategies = mitogen_strategies()
    assert strategies, "mitogen is locked in requirements/controller.txt"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": strategies}


def changes(output: str) -> int:
    """Changed tasks over all hosts, from the recap."""
    rows = RECAP.findall(output)
    assert rows, f"no recap in:\n{output[-2000:]}"
    return sum(int(changed) for _, changed, _, _ in rows)
