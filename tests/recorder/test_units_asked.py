"""What systemctl is asked of units, and what of its answer is believed."""

import subprocess
from pathlib import Path

import pytest
from tests.recorder.host_facts import make_facts, make_view

from harvester.health.deployment import judge_inodes
from harvester.health.facts import Disk, Unit
from harvester.health.systemd import SystemdError, look_at_units

ACTIVE = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nStatusText=3 = three"
GONE = "Id=b.timer\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nNeedDaemonReload=yes"


class Systemctl:
    """Stands in for the program: prints `said`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.said, self.asked = "", list[list[str]]()

    def __call__(self, command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        self.asked.append(command)
        return subprocess.CompletedProcess(command, 0, self.said, "")


@pytest.fixture
def systemctl(monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    made = Systemctl()
    monkeypatch.setattr(subprocess, "run", made)
    return made


def test_each_unit_has_its_own_answer_and_a_template_its_file_alone(systemctl: Systemctl, tmp_path: Path) -> None:
    systemctl.said = f"{ACTIVE}\n\n{GONE}\n"
    for name in ("a.service", "c@.service"):
        (tmp_path / name).touch()

    found = look_at_units(["a.service", "b.timer", "c@.service", "a.service"], tmp_path)

    assert found["a.service"] == Unit(
        True, load="loaded", active="active", sub="running", result="success", says="3 = three"
    )
    assert found["b.timer"] == Unit(False, load="not-found", active="inactive", sub="dead", outdated=True)
    assert found["c@.service"] == Unit(True, load="loaded")
    [asked] = systemctl.asked
    assert asked[:2] == ["systemctl", "show"] and asked[-2:] == ["a.service", "b.timer"]


def test_an_answer_of_fewer_units_is_believed_of_none(systemctl: Systemctl, tmp_path: Path) -> None:
    systemctl.said = f"{ACTIVE}\n"

    with pytest.raises(SystemdError, match="answered of 1 units, not of 2"):
        look_at_units(["a.service", "b.timer"], tmp_path)


def test_a_disk_without_inodes_is_as_grave_as_a_full_one() -> None:
    fault = judge_inodes(make_view(make_facts(disks=[Disk("/", 8 << 30, 1000, 0)])))
    assert fault and fault.gravity == "critical"
