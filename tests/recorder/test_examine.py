"""harvester health on a host: with a broken configuration, without a recorder, by whoever may see less than all."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import make_config, write_sessions
from tests.recorder.host_facts import make_facts, recorded_units, write_installed

from harvester.base.clock import SystemClock
from harvester.base.market import to_local
from harvester.cli import run
from harvester.health import gather
from harvester.health.facts import Disk, Facts, Reach, read_facts, write_facts, write_reach
from harvester.health.installed import find_installed
from harvester.health.systemd import SystemdError


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the role wrote down, a deployment that works, and programs that answer as on a host."""
    (tmp_path / "data/lake").mkdir(parents=True)
    (tmp_path / "data/journal").mkdir()
    release = tmp_path / "opt/releases/r1"
    record = release / "lib/python3.11/site-packages/harvester-1.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("harvester/cli.py,sha256=x,1\nharvester/old.pyc,,\n")
    (record.parent.parent / "harvester").mkdir()
    (record.parent.parent / "harvester/cli.py").touch()
    (release / "bin").mkdir()
    (release / "bin/harvester").write_text("#!/bin/sh\necho r1\n")
    (release / "bin/harvester").chmod(0o755)
    deployment = tmp_path / "opt/deployments/r1-abc"
    deployment.mkdir(parents=True)
    (deployment / "release").symlink_to(release)
    (deployment / "bin").symlink_to("release/bin")
    (tmp_path / "opt/current").symlink_to("deployments/r1-abc")
    day = to_local(SystemClock().wall_ns()).date()
    always = {"continuous": [["00:00:00", "24:00:00"]]}  # tomorrow, too: midnight may come in the middle of a test
    write_sessions(tmp_path / "calendar.json", {day: always, day + timedelta(days=1): always})
    settings = make_config(tmp_path, calendar={"file": str(tmp_path / "calendar.json")})
    (tmp_path / "config.json").write_text(json.dumps(settings))
    write_reach(tmp_path / "reach.json", Reach(SystemClock().wall_ns(), 1))
    monkeypatch.setenv("HARVESTER_INSTALLED", str(write_installed(tmp_path, status_file=settings["status_file"])))
    monkeypatch.setattr(gather, "look_at_units", lambda _: recorded_units())
    monkeypatch.setattr(gather, "look_at_clock", lambda: gather.read_tracking(["0"] * 4 + ["0.0", "Normal"]))
    monkeypatch.setattr(gather, "look_at_firewall", lambda: "")
    return tmp_path


def health(host: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = run(["health", "--json", "--config", str(host / "config.json")])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == (0 if answer["healthy"] else 3)
    return answer


def failing(answer: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in answer["checks"] if not check["ok"]}


def test_who_asks_hears_since_when_people_can_be_told(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_reach(host / "reach.json", Reach(SystemClock().wall_ns(), 2, taken_ns=7))
    assert health(host, capsys)["channels"] == {"count": 2, "taken_ns": 7}
    (host / "reach.json").unlink()

    assert health(host, capsys)["channels"] is None


def look(host: Path) -> Facts:
    assert run(["watch"]) == 0
    facts = read_facts(host / "facts.json")
    assert facts
    return facts


def test_the_watch_sees_a_deployment_that_is_whole(host: Path) -> None:
    facts = look(host)

    assert (facts.release, facts.configuration, facts.unseen) == ("", "", {})
    assert (facts.days, facts.recorded, facts.handed_over) == ([], [], False)
    assert [disk.path for disk in facts.disks or ()] == ["/", f"{host}/data"]


def test_with_a_recorder_that_is_down_the_session_is_open_and_not_recorded(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look(host)
    capsys.readouterr()
    answer = health(host, capsys)

    assert answer["session"] == {"open": True, "recorded": False}
    assert "not running" in failing(answer)["running"]
    assert [check["of_host"] for check in answer["checks"]].count(True) > 10


def test_a_configuration_that_the_services_may_not_read_is_a_finding_for_root_too(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "config.json").chmod(0o600)
    look(host)
    capsys.readouterr()
    answer = health(host, capsys)

    assert "the services may not read it (mode 0600" in failing(answer)["configuration"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another group")
@pytest.mark.parametrize(
    ("mode", "group", "may"), [(0o640, 0, True), (0o640, 12345, False), (0o604, 12345, True), (0o600, 0, False)]
)
def test_the_services_read_a_configuration_of_their_group_or_of_everybody(
    host: Path, mode: int, group: int, may: bool
) -> None:
    os.chown(host, -1, 0)
    os.chown(host / "config.json", -1, group)
    (host / "config.json").chmod(mode)

    assert (look(host).configuration == "") is may


def test_what_is_free_is_what_a_service_may_use(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is reserved for root."""
    numbers = {"f_bavail": 3, "f_bfree": 30, "f_blocks": 300, "f_frsize": 4096, "f_bsize": 1 << 20}
    inodes = {"f_files": 900, "f_ffree": 90, "f_favail": 9}
    monkeypatch.setattr(gather.os, "statvfs", lambda path: type("Found", (), numbers | inodes)())

    assert gather.look_at_disk(host) == Disk(str(host), 12_288, 900, 9)


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_configuration_that_is_broken_is_a_finding_beside_all_others(
    host: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    config = host / "config.json"
    config.unlink() if content is None else config.write_text(content)
    look(host)
    capsys.readouterr()
    answer = health(host, capsys)

    assert "config.json" in failing(answer)["configuration"]
    assert {"running", "configuration"} <= set(failing(answer)) and answer["session"] == {}
    assert "services" in {check["name"] for check in answer["checks"]}


def spoil_link(host: Path) -> None:
    (host / "opt/current").unlink()
    (host / "opt/current").symlink_to("deployments/gone")


def spoil_program(host: Path) -> None:
    (host / "opt/releases/r1/bin/harvester").write_text("#!/nonexistent/python3\n")


def spoil_package(host: Path) -> None:
    next(host.glob("opt/releases/r1/lib/*/*/harvester/cli.py")).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda host: (host / "opt/current").unlink(), "current is not there"),
        (spoil_link, "leads to deployments/gone, which is not there"),
        (spoil_program, "does not run"),
        (spoil_package, "1 files of"),
    ],
)
def test_a_deployment_that_is_not_whole_is_named(host: Path, spoil: Any, said: str) -> None:
    spoil(host)

    assert said in str(look(host).release)


def test_what_only_root_sees_comes_from_the_watch(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise PermissionError(1, "Operation not permitted", "nft")

    kept = make_facts(at_ns=SystemClock().wall_ns(), firewall="our rules are not loaded")
    write_facts(host / "facts.json", kept)
    monkeypatch.setattr(gather, "look_at_firewall", refuse)

    assert failing(health(host, capsys))["firewall"] == "our rules are not loaded"
    (host / "facts.json").unlink()
    found = failing(health(host, capsys))
    assert found["firewall"] == "cannot be looked at: nft: Operation not permitted"
    assert "nothing looks at this host" in found["watch"]


def test_a_systemd_that_does_not_answer_is_no_green(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise SystemdError("systemctl: Failed to connect to bus")

    monkeypatch.setattr(gather, "look_at_units", refuse)

    assert "Failed to connect to bus" in failing(health(host, capsys))["services"]


def test_inodes_at_the_end_are_red(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "look_at_disk", lambda path: Disk(str(path), 1 << 40, 1000, 0))

    assert "0 of 1000 inodes" in failing(health(host, capsys))["inodes"]


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("ssh-ed25519 AAAA alpha-harvester {made}", 100),
        ("ssh-ed25519 AAAA somebody", 3),
        ("ssh-ed25519 AAAA alpha-harvester soon", 3),
        ("# a comment\n\nssh-ed25519 AAAA alpha-harvester {made}\nssh-rsa AAAA other", 100),
    ],
)
def test_the_age_of_a_login_key_is_in_its_comment_else_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, days: int
) -> None:
    now_ns = SystemClock().wall_ns()
    made = datetime.fromtimestamp(now_ns // 10**9, UTC).date() - timedelta(days=100)
    file = tmp_path / ".ssh/authorized_keys"
    file.parent.mkdir()
    file.write_text(line.format(made=made))
    os.utime(file, ns=(now_ns, now_ns - 3 * 86_400 * 10**9))
    monkeypatch.setattr(gather.pwd, "getpwnam", lambda _: type("User", (), {"pw_dir": str(tmp_path)})())

    found = gather.date_of_key("ubuntu")

    assert found and days <= (now_ns - found) / 86_400e9 < days + 1.3


def test_a_user_who_does_not_exist_has_no_key() -> None:
    assert gather.date_of_key("no-such-user-here") is None


def test_a_release_that_is_none_of_a_hosts_has_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_installed() is None
