"""The module that switches and removes deployments."""

import os
import time

import pytest

MODULE = "harvester/library/harvester_deployment.py"
SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] && cat "$STATE"
"""


@pytest.fixture
def host(tmp_path):
    """A host's folders with three complete releases, one that is half built, and their configurations."""
    for name in ("a1", "b2", "c3"):
        (tmp_path / "opt/releases" / name / "bin").mkdir(parents=True)
        (tmp_path / "opt/releases" / name / ".complete").touch()
    (tmp_path / "opt/releases/half").mkdir()
    (tmp_path / "etc").mkdir()
    for name in ("0", "1", "2"):
        (tmp_path / f"etc/config-{name}.json").write_text(name)
    return tmp_path


@pytest.fixture
def deployment(run_module, host):
    def run(**arguments):
        return run_module(MODULE, root=str(host / "opt"), generations=str(host / "etc"), **arguments)

    return run


def test_a_bare_host_has_nothing(run_module, tmp_path):
    answer = run_module(MODULE, root=str(tmp_path / "opt"), generations=str(tmp_path / "etc"))

    assert not answer["changed"]
    assert (answer["current"], answer["previous"], answer["releases"]) == ("", "", [])


def test_a_half_built_release_does_not_count(deployment):
    assert sorted(deployment()["releases"]) == ["a1", "b2", "c3"]


def test_a_switch_changes_code_and_configuration_together(deployment, host):
    deployment(current="a1-0")
    answer = deployment(current="b2-1")

    current = host / "opt/current"
    assert answer["changed"]
    assert (answer["current"], answer["previous"]) == ("b2-1", "a1-0")
    assert (current / "bin").resolve() == host / "opt/releases/b2/bin"
    assert (current / "config.json").read_text() == "1"


def test_a_switch_to_what_is_current_changes_nothing(deployment):
    deployment(current="a1-0")

    assert not deployment(current="a1-0")["changed"]


def test_the_way_back_restores_both_links(deployment):
    deployment(current="a1-0")
    deployment(current="b2-1")
    deployment(current="c3-2")

    answer = deployment(current="b2-1", previous="a1-0")

    assert (answer["current"], answer["previous"]) == ("b2-1", "a1-0")


@pytest.mark.parametrize("changed", ["release", "configuration", "both"])
def test_the_way_back_restores_release_and_configuration(deployment, host, changed):
    first, second = {"release": ("a1-0", "b2-0"), "configuration": ("a1-0", "a1-1"), "both": ("a1-0", "b2-1")}[changed]
    for name in (first, second, first):
        deployment(current=name)
        release, _, configuration = name.partition("-")

        assert (host / "opt/current/config.json").read_text() == configuration
        assert (host / "opt/current/bin").resolve() == host / "opt/releases" / release / "bin"
    assert str((host / "opt/previous").readlink()) == f"deployments/{second}"


def test_the_way_back_to_a_first_deployment_leaves_no_previous_one(deployment):
    deployment(current="a1-0")
    deployment(current="b2-1")

    assert deployment(current="a1-0", previous="")["previous"] == ""


def test_check_mode_switches_nothing(deployment, host):
    answer = deployment(current="a1-0", check=True)

    assert answer["changed"]
    assert not (host / "opt/current").exists()


def test_removal_keeps_what_is_linked_and_what_it_needs(deployment, host):
    for name in ("a1-0", "b2-0", "b2-1", "c3-1"):
        deployment(current=name)

    answer = deployment(keep=0)

    assert answer["changed"]
    assert sorted(path.name for path in (host / "opt/deployments").iterdir()) == ["b2-1", "c3-1"]
    assert sorted(path.name for path in (host / "opt/releases").iterdir()) == ["b2", "c3"]
    assert [path.name for path in (host / "etc").iterdir()] == ["config-1.json"]
    assert (host / "opt/current/config.json").read_text() == "1"


def test_removal_spares_a_release_that_waits_for_the_end_of_a_session(deployment, host):
    deployment(current="a1-0")

    deployment(keep=0, spare="c3")

    assert sorted(path.name for path in (host / "opt/releases").iterdir()) == ["a1", "c3"]


def test_the_state_of_a_recorder_that_stopped_long_ago_is_no_state(deployment, host):
    status = host / "status.json"
    status.write_text('{"window": {"open": true}}')

    assert deployment(status_file=str(status))["status"] == {"window": {"open": True}}
    os.utime(status, (1, 1))
    assert deployment(status_file=str(status))["status"] == {}
    status.write_text("{")
    assert deployment(status_file=str(status))["status"] == {}


@pytest.fixture
def compare(run_module, host, monkeypatch):
    """What the module says of one unit, before a systemctl that says it to be so; the link changed a minute ago."""
    program = host / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("STATE", str(host / "state"))
    (host / "opt/current").symlink_to("deployments/a1-0")
    changed = time.time() - 60
    os.utime(host / "opt/current", (changed, changed), follow_symlinks=False)

    def run(name, *, started_seconds_ago=0.0, disabled=False, **said):
        started = int((time.clock_gettime(time.CLOCK_MONOTONIC) - started_seconds_ago) * 1e6)
        lines = {
            "Id": name, "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "FragmentPath": "",
            "DropInPaths": "", "NeedDaemonReload": "no", "ActiveEnterTimestampMonotonic": str(started), **said,
        }  # fmt: skip
        (host / "state").write_text("\n".join(f"{key}={value}" for key, value in lines.items()), encoding="utf-8")
        units = [{"name": name, "disabled": disabled}]
        answer = run_module(MODULE, root=str(host / "opt"), generations=str(host / "etc"), units=units)
        assert not answer.get("failed"), answer
        assert not answer["changed"]
        return [key for key in ("reload", "outdated", "unsettled", "unknown") if answer[key]]

    return run


def test_a_service_is_outdated_when_it_started_before_the_switch(compare):
    assert compare("a.service", started_seconds_ago=120) == ["outdated"]
    assert compare("a.service", started_seconds_ago=30) == []


def test_a_service_is_outdated_when_it_started_before_its_own_file_changed(compare, host):
    unit = host / "a.service"
    unit.touch()

    assert compare("a.service", started_seconds_ago=30, FragmentPath=unit) == ["outdated"]
    assert compare("a.service", started_seconds_ago=30, DropInPaths=unit) == ["outdated"]


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
