"""One demonstration with one host for all files of this suite, which run in order of their names."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.tokens.watch import Watch

from harvester.base.aws_names import Names
from lab.demo.progress import Plays
from runbook.fleet.environment import STAND_IN_KEYS
from runbook.fleet.inventory import program
from runbook.fleet.playbook import environment

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="booting a host takes root")
SESSION_SECONDS = 40
NAMES = Names("lab")
SAID: list[str] = []
"""What the commands of this suite have said so far."""


def invoke(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([program("runbook"), *words], cwd=root, capture_output=True, text=True, check=False)
    SAID.extend((done.stdout, done.stderr))
    return done


def run_playbook(root: Path, *words: str) -> tuple[int, str, dict[str, float]]:
    """ansible-playbook as the runbook's commands run it: exit code, output, seconds of each play.

    That is with mitogen where it is installed.
    """
    plays, lines = Plays(), []
    with tempfile.TemporaryDirectory() as folder:
        env = {**environment(Path(folder) / "failures"), "PYTHONUNBUFFERED": "1"}
        command = [program("ansible-playbook"), *words]
        with subprocess.Popen(
            command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                plays.hear(line)
                lines.append(line)
    SAID.extend(lines)
    return process.returncode, "".join(lines), plays.seconds


class Account:
    """The account on the lab's AWS stand-in."""

    def __init__(self, root: Path) -> None:
        inventory = json.loads((root / ".lab" / "inventory.json").read_bytes())
        self.endpoint = inventory["all"]["vars"]["lab_aws_endpoint"]
        self.id = self.client("sts").get_caller_identity()["Account"]

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of any service."""
        keys = {key.lower(): value for key, value in STAND_IN_KEYS.items()}
        return boto3.client(service, region_name=region or NAMES.region, endpoint_url=self.endpoint, **keys)


@pytest.fixture
def account(demo: dict[str, Any], root: Path) -> Account:
    return Account(root)


@pytest.fixture(scope="session")
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """Looks at all processes of this machine while the demonstration runs, of booted hosts at those of its own."""
    watch = Watch(every_seconds=0.1, lab=request.config.rootpath / ".lab")
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture(scope="session")
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, watch: Watch
) -> Iterator[dict[str, Any]]:
    """The summary of a demonstration whose lab is left running for the cases of this suite."""
    root = request.config.rootpath
    target = tmp_path_factory.mktemp("demo") / "summary.json"
    result = invoke(root, "demo", "--seconds", str(SESSION_SECONDS), "--summary", str(target))
    try:
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-4000:]
        yield json.loads(target.read_text("utf-8"))
    finally:
        invoke(root, "lab-down")
