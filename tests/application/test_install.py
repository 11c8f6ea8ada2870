"""What a host refuses before anything is switched; Compose is a stand-in that says what the real one would."""

import json
import os
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.application.conftest import PROGRAMS

from harvester.base.passwords import GUESSED

DOCKER = """#!/bin/sh
echo "$@" >>{log}
case "$*" in
*"config --quiet"*) [ ! -e {folder}/refuses ] || {{ cat {folder}/refuses >&2; exit 15; }} ;;
*"config --format json"*) cat {folder}/config.json ;;
*"image inspect present"*) ;;
*"image inspect"*) exit 1 ;;
*"pull --quiet"*) echo "manifest unknown" >&2; exit 1 ;;
*"image ls"*) echo sha-of-it ;;
esac
"""
"""Forms of the real ones' answers: `docker compose config --format json` of 2.26.1 in the lab."""
SAFE: dict[str, Any] = {"image": "present:1", "restart": "no", "environment": {"POSTGRES_PASSWORD": "a-long-one-2"}}


class Host:
    """A folder of releases, and a docker that answers as it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.releases, self.log = folder, folder / "releases", folder / "log"
        self.releases.mkdir()
        self.log.touch()
        (folder / "bin").mkdir()
        (folder / "bin/docker").write_text(DOCKER.format(log=self.log, folder=folder))
        (folder / "bin/docker").chmod(0o755)
        self.listening("")
        self.env = folder / ".env"
        self.env.write_text("KEY=secret-of-mine\n")
        self.say({"app": SAFE})
        source = folder / "docker-compose.yml"
        source.write_text('services: {app: {image: "a", command: "${KEY}"}}\n')
        with tarfile.open(folder / "a.tar", "w") as tar:
            tar.add(source, "docker-compose.yml")
            for name, text in ((".compose", "docker-compose.yml\n"), (".production.yml", "{}\n")):
                (folder / name).write_text(text)
                tar.add(folder / name, name)

    def listening(self, line: str) -> None:
        """What ss says of whatever port it is asked for."""
        (self.folder / "bin/ss").write_text(f"#!/bin/sh\ncat <<'E'\n{line}\nE\n")
        (self.folder / "bin/ss").chmod(0o755)

    def say(self, services: dict[str, Any], **more: Any) -> None:
        (self.folder / "config.json").write_text(json.dumps({"services": services, **more}))

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        program = [sys.executable, "-I", str(PROGRAMS / "install_application.py"), *words]
        return subprocess.run(program, capture_output=True, text=True, check=False, env=environment)

    def prepare(self) -> "subprocess.CompletedProcess[str]":
        archive = str(self.folder / "a.tar")
        return self.run("prepare", str(self.releases / "r1"), archive, "market-app", str(self.env))

    def refused(self) -> str:
        done = self.prepare()
        assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
        assert list(self.releases.iterdir()) == [], "what is refused leaves nothing"
        assert "secret-of-mine" not in done.stdout + done.stderr
        return done.stderr


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {"volumes": {"x": {"driver_opts": {"type": "none", "o": "bind", "device": "/var/lib/harvester/journal"}}}},
        {"volumes": {"x": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}},
        {"secrets": {"x": {"file": "/etc/harvester/database-password"}}},
        {"configs": {"x": {"file": "/etc/ssh/ssh_host_ed25519_key"}}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_file_of_ours_by_another_name_is_refused(host: Host, more: dict[str, Any]) -> None:
    host.say({"app": SAFE}, **more)

    assert f"{next(iter(more))}: x is /" in host.refused()


def test_volumes_and_secrets_of_its_own_are_not(host: Host) -> None:
    own = {"device": "/srv/data", "o": "bind", "type": "none"}
    secrets = {"x": {"file": "/opt/market-app/secret"}, "y": {"environment": "KEY"}, "z": None}
    host.say({"app": SAFE}, volumes={"data": {"name": "d"}, "b": {"driver_opts": own}}, secrets=secrets)

    assert host.prepare().returncode == 0, host.prepare().stderr


def test_a_good_one_is_complete_and_a_changed_file_of_it_is_named(host: Host) -> None:
    assert host.prepare().returncode == 0
    assert host.run("verify", str(host.releases / "r1")).returncode == 0

    (host.releases / "r1/docker-compose.yml").write_text("services: {}\n")
    damaged = host.run("verify", str(host.releases / "r1"))
    assert (damaged.returncode, "1 of its files are missing, changed or new: docker-compose.yml" in damaged.stdout) == (
        3,
        True,
    )
    assert host.run("verify", str(host.releases / "none")).returncode == 3
    assert host.prepare().returncode == 0
    assert host.run("verify", str(host.releases / "r1")).returncode == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network_mode": "host"}, "service app has network_mode: host"),
        ({"pid": "host"}, "service app has pid: host"),
        ({"privileged": True}, "service app is privileged"),
        ({"cap_add": ["SYS_ADMIN"]}, "service app is privileged (or adds SYS_ADMIN or ALL)"),
        ({"restart": "always"}, "service app comes from an included file, and restarts by itself"),
        ({"ports": [{"published": "80", "target": 80}]}, "service app publishes port 80 beyond the host"),
        ({"ports": [{"published": "80", "host_ip": "192.0.2.1"}]}, "service app publishes port 80 beyond the host"),
        ({"environment": {"POSTGRES_PASSWORD": ""}}, "service app: POSTGRES_PASSWORD is empty"),
        ({"environment": {"POSTGRES_PASSWORD": None}}, "service app: POSTGRES_PASSWORD is empty"),
        ({"environment": {"PGPASSWORD": "postgres"}}, "service app: PGPASSWORD is a default or too short"),
        ({"environment": {"DB_PASS": "short-7"}}, "service app: DB_PASS is a default or too short"),
        (
            {"environment": {"POSTGRES_USER": "longusername", "POSTGRES_PASSWORD": "LongUserName"}},
            "service app: POSTGRES_PASSWORD is a default",
        ),
        ({"environment": {"POSTGRES_HOST_AUTH_METHOD": "trust"}}, "so no password is asked for"),
        ({"image": "absent:1"}, "service app: the image absent:1 cannot be had: manifest unknown."),
    ],
)
def test_what_a_server_must_not_have_is_a_sentence(change: dict[str, Any], says: str, host: Host) -> None:
    host.say({"app": SAFE | change})

    assert says in host.refused()


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ("/", True),
        ("/etc", True),
        ("/etc/harvester", True),
        ("/var/lib/harvester-token", True),
        ("/var/lib", True),
        ("/opt/harvester/current", True),
        ("/var/run/docker.sock", True),
        ("/run", True),
        ("/srv/data", False),
        ("/etc/ssl/certs", False),
        ("/opt/market-app/data", False),
    ],
)
def test_folders_of_ours_and_those_above_them_are_not_mounted(source: str, refused: bool, host: Host) -> None:
    host.say({"app": SAFE | {"volumes": [{"type": "bind", "source": source, "target": "/x"}]}})

    assert (host.prepare().returncode != 0) is refused


def test_loopback_ports_and_named_volumes_are_fine(host: Host) -> None:
    ports = [{"published": "80", "host_ip": "127.0.0.1"}, {"target": 9}]
    host.say({"app": SAFE | {"ports": ports, "volumes": [{"type": "volume", "source": "data"}]}})

    assert host.prepare().returncode == 0


def test_a_variable_that_the_host_lacks_is_named_with_its_line(host: Host) -> None:
    host.env.write_text("KEYS=1\n")

    assert "docker-compose.yml:1: ${KEY} has no value and no default. Add KEY to the variables." in host.refused()
    assert host.log.read_text() == "", "Compose is not even asked"


def test_what_compose_refuses_is_said_in_its_words(host: Host) -> None:
    (host.folder / "refuses").write_text('service "app" refers to undefined network x: invalid compose project\n')

    assert 'Docker Compose refuses the project: service "app" refers to undefined network x' in host.refused()
    assert "pull" not in host.log.read_text() and "build" not in host.log.read_text()


def test_older_releases_go_with_their_images(host: Host) -> None:
    for name in ("r1", "r2", "r3"):
        (host.releases / name).mkdir()

    done = host.run("prune", str(host.releases), "market-app", "r3", "r2")

    assert (done.stdout, sorted(path.name for path in host.releases.iterdir())) == ("r1\n", ["r2", "r3"])
    assert "reference=market-app/*:r1" in host.log.read_text() and "image rm sha-of-it" in host.log.read_text()


LISTENS = 'LISTEN 0 5 127.0.0.1:8000 0.0.0.0:* users:(("{0}",pid=812,fd=3))'
"""The form of `ss --listening --tcp --numeric --processes` of iproute2 6.1."""


def test_a_port_that_another_program_has_is_a_sentence_and_our_own_is_none(host: Host) -> None:
    ports = [{"published": "8000", "host_ip": "127.0.0.1"}]
    host.say({"app": SAFE | {"ports": ports}})
    host.listening(LISTENS.format("python3"))
    assert "service app: port 8000 of the host is taken by python3 (process 812)." in host.refused()
    host.listening("LISTEN 0 5 127.0.0.1:8000 0.0.0.0:*")
    assert "port 8000 of the host is taken by another program." in host.refused()
    host.listening(LISTENS.format("docker-proxy"))
    assert host.prepare().returncode == 0


def test_a_password_is_a_default_here_as_in_the_package() -> None:
    """The program runs by a host's own Python, without the package."""
    assert runpy.run_path(str(PROGRAMS / "install_application.py"))["GUESSED"] == GUESSED
