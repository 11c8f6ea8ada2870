"""Limits that bite: the role's programs over an engine directly on this machine, where the control groups are."""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.application import project
from tests.application.conditions import render, trusted
from tests.application.test_project import Controller
from tests.scenarios import lab_machine

from lab.base.cache import provide_tree
from lab.base.suites import find_suite
from lab.testing import wait_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
ROLE = project.ROOT / "roles/application"
GROUPS, GROUP = Path("/sys/fs/cgroup"), f"application-limits-{os.getpid()}"
TAKES = "import time; time.sleep(1); x = bytearray({} << 20); print(len(x), flush=True); time.sleep({})"


@dataclass
class Engine:
    """The daemon, and the root that it sees."""

    process: "subprocess.Popen[bytes]"
    root: Path

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        enter = ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "chroot", str(self.root)]
        return subprocess.run([*enter, *words], capture_output=True, text=True, check=False, timeout=120)

    def write(self, path: str, content: bytes) -> None:
        enter = ["nsenter", "--target", str(self.process.pid), "--mount", "chroot", str(self.root)]
        make = ["install", "-D", "--mode=0755", "/dev/stdin", path]
        subprocess.run([*enter, *make], input=content, check=True, timeout=60)

    def killed(self, container: str) -> tuple[bool, int]:
        """Whether memory killed a container, and its exit code."""
        state = json.loads(self.run("docker", "inspect", "--format", "{{json .State}}", container).stdout)
        return state["OOMKilled"], state["ExitCode"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    unified = GROUPS / "cgroup.controllers"
    if not (GROUPS / "memory").is_dir() and not (unified.exists() and "memory" in unified.read_text("utf-8").split()):
        pytest.skip("the control groups of this machine limit no memory")
    folder = tmp_path_factory.mktemp("engine")
    tree = provide_tree(find_suite("trixie"), "containers", print)
    words = [str(Path(__file__).with_name("engine.sh")), str(folder), str(tree), GROUP]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", *words], stdout=log, stderr=log
        )
    made = Engine(process, folder / "root")
    try:
        up = wait_until(lambda: made.run("docker", "version").returncode == 0 or process.poll() is not None, 120)
        assert up and process.poll() is None, (folder / "log").read_text()
        with project.provide_image().open("rb") as file:
            enter = ["nsenter", "--target", str(process.pid), "--mount", "--net", "chroot", str(made.root)]
            importing = [*enter, "docker", "import", "-", "postgres:17"]
            subprocess.run(importing, stdin=file, check=True, capture_output=True, timeout=300)
        yield made
    finally:
        made.run("sh", "-c", "docker rm --force $(docker ps --all --quiet)")
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
        for group in sorted(GROUPS.glob(f"**/{GROUP}/"), reverse=True):
            for each in (*sorted(group.glob("**/"), reverse=True), group):
                with contextlib.suppress(OSError):
                    each.rmdir()


def install(engine: Engine, folder: Path, compose: str) -> None:
    """The release that a deploy would put there, and the programs by which the unit runs it."""
    controller = Controller(folder)
    controller.write(compose)
    built = controller.build(memory="64m", pids=64)
    with tarfile.open(built["archive"]) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                # Its journal is a host's.
                body = content.read().replace(b"driver: journald", b"driver: json-file")
                engine.write(f"/opt/market-app/current/{member.name.removeprefix('./')}", body)
    engine.write("/opt/market-app/.env", b"")
    said = yaml.safe_load((ROLE / "vars/main.yml").read_text("utf-8"))
    given = said | {
        "ansible_managed": "ours",
        "harvester_config_dir": "/etc/harvester",
        "harvester_root_dir": "/opt/harvester",
    }
    for name in ("compose", "up"):
        text = render((ROLE / f"templates/{name}.sh.j2").read_text("utf-8"), **trusted(given))
        engine.write(f"/opt/market-app/libexec/{name}", f"{text}\n".encode())


def project_of(megabytes: int, seconds: int, command: "list[str] | None" = None) -> str:
    services = {
        "app": {"image": "postgres:17", "command": command or ["python3", "-c", TAKES.format(megabytes, seconds)]},
        "beside": {"image": "postgres:17", "command": ["sleep", "120"]},
    }
    return str(yaml.safe_dump({"services": services}))


def test_what_takes_more_than_its_memory_is_killed_and_the_unit_has_a_failure_to_restart(
    engine: Engine, tmp_path: Path
) -> None:
    install(engine, tmp_path, project_of(megabytes=200, seconds=60))

    for turn in range(2):  # the second is what systemd does after ten seconds
        done = engine.run("/opt/market-app/libexec/up")

        assert done.returncode == 137, (turn, done.stdout[-2000:], done.stderr[-2000:])
        assert engine.killed("market-app-app-1") == (True, 137)
        assert not engine.killed("market-app-beside-1")[0], "the neighbour is stopped, and not killed for memory"
        assert engine.run("/opt/market-app/libexec/compose", "down").returncode == 0


def test_what_keeps_to_its_memory_runs_to_its_end(engine: Engine, tmp_path: Path) -> None:
    install(engine, tmp_path, project_of(megabytes=20, seconds=0))

    done = engine.run("/opt/market-app/libexec/up")

    assert done.returncode == 0, done.stderr[-2000:]
    assert engine.killed("market-app-app-1") == (False, 0)
    assert "20971520" in engine.run("docker", "logs", "market-app-app-1").stdout
    engine.run("/opt/market-app/libexec/compose", "down")


def test_processes_beyond_their_limit_are_refused(engine: Engine, tmp_path: Path) -> None:
    install(engine, tmp_path, project_of(0, 0, ["sh", "-c", "for each in $$(seq 80); do sleep 20 & done; echo all"]))

    engine.run("/opt/market-app/libexec/up")

    said = engine.run("docker", "logs", "market-app-app-1")
    assert "Cannot fork" in said.stderr and "all" not in said.stdout, said
    engine.run("/opt/market-app/libexec/compose", "down")
