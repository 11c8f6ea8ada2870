"""What the controller makes of a project, and what it refuses."""

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.application.conftest import PROGRAMS
from tests.application.project import EXAMPLE

COMPOSE = """\
services:
  app:
    image: app:1
    # ${COMMENTED} needs nothing
    environment: {A: "${KEY}", B: "${OTHER:-x}", C: "$$HOME", D: "$PLAIN"}
    ports: ["8000:8000"]
"""
OPTIONS: dict[str, Any] = {"project": "market-app", "memory": "1g", "pids": 512, "cpus": "", "services": {}}


class Controller:
    """A folder of a project, a file of variables, and the program over both."""

    def __init__(self, folder: Path) -> None:
        self.source, self.cache, self.env = folder / "app", folder / "cache", folder / "env"
        self.source.mkdir()
        self.write(COMPOSE)
        self.env.write_text("KEY=secret-of-mine\nexport PLAIN='1'\n")
        self.env.chmod(0o600)

    def write(self, compose: str) -> None:
        (self.source / "docker-compose.yml").write_text(compose)

    def run(self, *where: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        program = [sys.executable, str(PROGRAMS / "build_application.py"), "--cache", str(self.cache)]
        given = json.dumps(OPTIONS | {"env_file": str(self.env)} | options)
        words = where or ("--source", str(self.source))
        return subprocess.run([*program, *words], input=given, capture_output=True, text=True, check=False)

    def build(self, *where: str, **options: Any) -> dict[str, Any]:
        done = self.run(*where, **options)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def refused(self, **options: Any) -> str:
        done = self.run(**options)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert not self.cache.exists(), "what is refused leaves nothing"
        assert "secret-of-mine" not in done.stdout + done.stderr
        return " ".join(done.stderr.split())


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def files_of(archive: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return {entry.name: entry for entry in tar}


def text_of(archive: str, name: str) -> str:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file
        return file.read().decode()


def test_the_example_is_a_project_with_every_variable_in_its_example_file(controller: Controller) -> None:
    variables = EXAMPLE / ".env.example"
    controller.env.write_text(variables.read_text())

    answer = controller.build("--source", str(EXAMPLE))

    assert (answer["moved"], answer["one_shot"], answer["compose"]) == ([], [], "docker-compose.yml")
    assert {"Schema.sql", "app/recorder.py", ".production.yml", ".env.example"} <= set(files_of(answer["archive"]))


def test_a_release_is_named_by_what_it_is_made_of(controller: Controller) -> None:
    (controller.source / "run.sh").write_text("true\n")
    first = controller.build()
    bytes_before = Path(first["archive"]).read_bytes()
    os.utime(controller.source / "run.sh", (1, 1))
    Path(first["archive"]).unlink()
    same = controller.build()
    assert (same["release"], Path(same["archive"]).read_bytes()) == (first["release"], bytes_before)

    (controller.source / "run.sh").chmod(0o755)
    executable = controller.build()["release"]
    (controller.source / "run.sh").write_text("false\n")
    other = controller.build()["release"]
    limited = controller.build(memory="2g")["release"]
    assert len({first["release"], executable, other, limited}) == 4


def test_an_edit_that_keeps_the_size_has_another_time_or_the_builder_would_not_see_it(controller: Controller) -> None:
    times = []
    for text in ("FRESH = 60.0\n", "FRESH = -1.0\n", "FRESH = 60.0\n"):
        (controller.source / "a.py").write_text(text)
        times.append(files_of(controller.build()["archive"])["a.py"].mtime)

    assert times[0] == times[2] != times[1]


def test_secrets_and_what_belongs_to_no_release_stay_here(controller: Controller) -> None:
    for name in (".env", ".env.production", ".git/config", "backups/a.dump", "x/__pycache__/a.pyc", ".env.example"):
        path = controller.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret-of-mine")

    found = files_of(controller.build()["archive"])

    assert set(found) == {"docker-compose.yml", ".env.example", ".production.yml", ".compose"}
    assert {(entry.uid, entry.mode) for entry in found.values()} == {(0, 0o644)}


def test_a_server_adds_limits_the_journal_and_loopback_and_restarts_nothing(controller: Controller) -> None:
    built = controller.build(cpus="0.5", services={"app": {"memory": "64m"}})
    text = text_of(built["archive"], ".production.yml")
    app = yaml.safe_load(text.replace("!override", ""))["services"]["app"]

    assert (app["restart"], app["mem_limit"], app["pids_limit"], app["cpus"]) == ("no", "64m", 512, "0.5")
    assert app["logging"]["driver"] == "journald"
    assert re.search(r"ports: !override \[.?127\.0\.0\.1:8000:8000", text), "Compose would add to a list without it"
    assert built["moved"] == ["app: 8000:8000 is 127.0.0.1:8000:8000"]
    assert (
        "image" not in app
        and "cpus"
        not in yaml.safe_load(text_of(controller.build()["archive"], ".production.yml").replace("!override", ""))[
            "services"
        ]["app"]
    )


@pytest.mark.parametrize(
    ("port", "moved"),
    [
        ("8000:8000", "127.0.0.1:8000:8000"),
        ("0.0.0.0:8000:80", "127.0.0.1:8000:80"),
        ("[::]:8000:80/udp", "127.0.0.1:8000:80/udp"),
        ("127.0.0.1:1:2", "127.0.0.1:1:2"),
        ("127.0.0.1::2", "127.0.0.1::2"),
        (8000, "127.0.0.1::8000"),
        ("${PORT:-8000}:80", "127.0.0.1:${PORT:-8000}:80"),
        ("3000-3005:3000-3005", "127.0.0.1:3000-3005:3000-3005"),
        ({"target": 80, "published": "8080"}, {"target": 80, "published": "8080", "host_ip": "127.0.0.1"}),
        ({"target": 80}, {"target": 80}),
    ],
)
def test_a_published_port_is_on_loopback(port: Any, moved: Any, building: Any) -> None:
    assert building.on_loopback(port) == moved


def test_what_is_built_has_an_image_of_its_release_and_migrations_may_end(controller: Controller) -> None:
    controller.write(
        "services:\n  app:\n    build: .\n    depends_on: {move: {condition: service_completed_successfully}}\n"
        "  move: {image: a}\n"
    )

    built = controller.build()

    added = yaml.safe_load(text_of(built["archive"], ".production.yml"))["services"]
    assert added["app"]["image"] == f"market-app/app:{built['release']}"
    assert text_of(built["archive"], ".one-shot") == "move\n"


@pytest.mark.parametrize(
    ("compose", "says"),
    [
        ("services:\n  app: [\n", r"docker-compose\.yml:3: it cannot be read: .*Correct it there"),
        ("name: x\n", r"docker-compose\.yml: it has no services"),
        (
            "services: {app: {image: a, network_mode: host}}\n",
            r"service app has network_mode: host, .* Take the line out",
        ),
        ("services: {app: {image: a, privileged: true}}\n", r"service app is privileged, which is root on the host"),
    ],
)
def test_a_compose_file_that_cannot_run_is_refused(compose: str, says: str, controller: Controller) -> None:
    controller.write(compose)

    assert re.search(says, controller.refused())


def test_a_variable_without_a_value_is_named_with_its_line(controller: Controller) -> None:
    controller.env.write_text("# KEY=x\nOTHER=1\n")

    said = controller.refused()

    assert f"docker-compose.yml:5: ${{KEY}} is not in {controller.env}, and has no default. Add KEY=" in said
    assert "docker-compose.yml:5: ${PLAIN} is not in" in said
    assert "OTHER}" not in said and "HOME" not in said and "COMMENTED" not in said


def test_variables_that_others_may_read_are_refused(controller: Controller) -> None:
    controller.env.chmod(0o640)

    assert f"chmod 600 {controller.env}" in controller.refused()


def test_places_that_are_not_there_and_limits_of_no_service_are_refused(controller: Controller) -> None:
    assert "application_services names db, which is no service" in controller.refused(services={"db": {}})
    assert "it cannot be read" in controller.refused(env_file="/nowhere/env")
    (controller.source / "docker-compose.yml").unlink()
    assert "has no compose file (compose.yaml, compose.yml" in controller.refused()


def test_too_much_for_a_release_is_named_with_the_largest(building: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(building, "MOST_BYTES", 3 << 20)
    (tmp_path / "model.bin").write_bytes(b"x" * (4 << 20))

    with pytest.raises(building.BuildError, match=r"Move data out of it, the largest first: model\.bin \(4 MiB\)"):
        building.project_files(tmp_path)


def test_a_commit_of_a_repository_is_a_project_and_a_branch_is_none(controller: Controller) -> None:
    git = ["git", "-C", str(controller.source), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    expected = controller.build()["release"]

    found = [controller.build("--repository", str(controller.source), "--commit", commit) for _ in range(2)]
    branch = controller.run("--repository", str(controller.source), "--commit", "master")
    absent = controller.run("--repository", str(controller.source), "--commit", "0" * 40)

    assert {each["release"] for each in found} == {expected}
    assert "is no whole commit id of 40 digits" in branch.stderr
    assert "Correct application_repository or _commit." in absent.stderr and "Traceback" not in absent.stderr
