"""The module that compares units with their files, before a systemctl that says what a booted host's said."""

import os
import time

import pytest

MODULE = "host_modules/library/harvester_units.py"
SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] && cat "$STATE"
"""
LOST = {"LoadState": "not-found", "UnitFileState": ""}


@pytest.fixture
def compare(run_module, tmp_path, monkeypatch):
    """What the module says of one unit, before a systemctl that says it to be so; the link changed a minute ago."""
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    (tmp_path / "units").mkdir()
    (tmp_path / "current").symlink_to("deployments/a1-0")
    changed = time.time() - 60
    os.utime(tmp_path / "current", (changed, changed), follow_symlinks=False)

    def run(name, *, started_seconds_ago=0.0, disabled=False, **said):
        started = int((time.clock_gettime(time.CLOCK_MONOTONIC) - started_seconds_ago) * 1e6)
        lines = {
            "Id": name, "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "FragmentPath": "",
            "DropInPaths": "", "NeedDaemonReload": "no", "ActiveEnterTimestampMonotonic": str(started), **said,
        }  # fmt: skip
        (tmp_path / "state").write_text("\n".join(f"{key}={value}" for key, value in lines.items()), encoding="utf-8")
        paths = {"current": str(tmp_path / "current"), "unit_folder": str(tmp_path / "units")}
        answer = run_module(MODULE, units=[{"name": name, "disabled": disabled}], **paths)
        assert not answer.get("failed"), answer
        assert not answer["changed"]
        return [key for key in ("reload", "outdated", "rebuilt", "unsettled", "unknown", "foreign") if answer[key]]

    return run


def test_a_service_is_outdated_when_it_started_before_the_switch(compare):
    assert compare("a.service", started_seconds_ago=120) == ["outdated"]
    assert compare("a.service", started_seconds_ago=30) == []


def test_a_service_is_outdated_when_it_started_before_its_own_file_changed(compare, tmp_path):
    unit = tmp_path / "units/a.service"
    unit.touch()

    assert compare("a.service", started_seconds_ago=30, FragmentPath=unit) == ["outdated"]
    assert compare("a.service", started_seconds_ago=30, DropInPaths=unit) == ["outdated", "foreign"]


def test_a_service_that_does_not_come_up_is_started_anew(compare):
    assert compare("a.service", ActiveState="activating") == ["outdated", "unsettled"]
    assert compare("a.service", ActiveState="inactive") == ["unsettled"]


def test_a_timer_takes_a_new_file_without_a_restart(compare):
    assert compare("a.timer", started_seconds_ago=120) == []
    assert compare("a.timer", NeedDaemonReload="yes") == ["reload"]


@pytest.mark.parametrize(
    ("active", "file_state"), [("inactive", "enabled"), ("active", "disabled"), ("failed", "enabled")]
)
def test_a_unit_that_is_wanted_must_be_enabled_and_active(compare, active, file_state):
    assert compare("a.timer", ActiveState=active, UnitFileState=file_state) == ["unsettled"]


@pytest.mark.parametrize(
    ("active", "file_state"), [("active", "enabled"), ("inactive", "enabled"), ("active", "disabled")]
)
def test_a_unit_that_is_to_be_off_must_be_neither(compare, active, file_state):
    assert compare("a.timer", disabled=True, ActiveState=active, UnitFileState=file_state) == ["unsettled"]


def test_a_unit_that_is_to_be_off_need_not_exist(compare):
    gone = {"ActiveState": "inactive", "UnitFileState": "", "LoadState": "not-found"}

    assert compare("a.timer", disabled=True, **gone) == ["unknown"]
    assert compare("a.timer", **gone) == ["unsettled", "unknown"]


def test_a_file_that_systemd_does_not_know_of_is_read(compare, tmp_path):
    """systemd asks for no reload then, and a start fails with "Device or resource busy" for ever (LoadState error)."""
    unit = tmp_path / "units/a.service"
    unit.touch()
    os.utime(unit, (1, 1))

    assert compare("a.service", **LOST) == ["reload", "unsettled"]
    failed = {"LoadState": "error", "ActiveState": "failed", "FragmentPath": unit}
    assert compare("a.service", **failed) == ["reload", "unsettled"]
    assert compare("a.service", LoadState="masked", ActiveState="inactive") == ["reload", "unsettled"]


def test_a_unit_whose_file_is_gone_is_not_read_anew(compare, tmp_path):
    unit = tmp_path / "units/a.service"

    assert compare("a.service", **LOST) == ["unsettled", "unknown"]
    gone = compare("a.service", FragmentPath=unit, NeedDaemonReload="yes", UnitFileState="bad")
    assert gone == ["unsettled", "unknown"], "the service runs on while systemd has what it read"
    unit.symlink_to("/dev/null")
    assert compare("a.service", LoadState="masked", UnitFileState="masked") == ["unsettled", "unknown"]


def test_a_service_that_started_before_its_release_was_built_anew_is_outdated(compare, tmp_path):
    (tmp_path / "deployments/a1-0/release").mkdir(parents=True)
    (tmp_path / "deployments/a1-0/release/.complete").touch()

    assert compare("a.service", started_seconds_ago=30) == ["outdated", "rebuilt"]
    assert compare("a.service", started_seconds_ago=120) == ["outdated"], "the switch is newer, too"
    assert compare("a.service", ActiveState="activating") == ["outdated", "unsettled"]


def test_what_others_changed_of_a_unit_is_named_and_what_counts_for_all_units_is_not(compare, tmp_path):
    unit, folder = tmp_path / "units/a.service", tmp_path / "units/a.service.d"
    unit.touch()
    os.utime(unit, (1, 1))
    (tmp_path / "units/service.d").mkdir()
    common = tmp_path / "units/service.d/10-all.conf"
    common.touch()
    os.utime(common, (1, 1))

    assert compare("a.service", FragmentPath=unit, DropInPaths=common) == []
    folder.mkdir()
    (folder / "override.conf").touch()
    assert compare("a.service", FragmentPath=unit) == ["foreign"], "also before systemd has read it"
