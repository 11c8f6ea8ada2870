"""The module that switches and removes deployments."""

import os

import pytest

MODULE = "harvester/library/harvester_deployment.py"


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
    deployment(current="a1-0", proven="a1-0")
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
        deployment(current=name, proven=name)
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
        deployment(current=name, proven=name)

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


@pytest.mark.parametrize("damage", ["gone", "a file", "a link", "without its links", "with a wrong link"])
def test_a_deployment_that_leads_nowhere_is_repaired_by_its_own_deploy(deployment, host, damage):
    (host / "opt/releases/a1/bin/harvester").write_text("#!/bin/sh\n")
    (host / "opt/releases/a1/bin/harvester").chmod(0o755)
    deployment(current="a1-0")
    folder = host / "opt/deployments/a1-0"
    link = (host / "opt/current").lstat().st_mtime_ns
    for path in folder.iterdir():
        path.unlink()
    if damage == "with a wrong link":
        (folder / "bin").symlink_to("/nowhere")
    elif damage != "without its links":
        folder.rmdir()
    if damage == "a file":
        folder.write_text("")
    elif damage == "a link":
        folder.symlink_to("/nowhere")

    assert deployment()["broken"]
    answer = deployment(current="a1-0")

    assert answer["changed"] and not answer["broken"]
    assert (answer["current"], answer["previous"]) == ("a1-0", "")
    assert (host / "opt/current/config.json").read_text() == "0"
    assert (host / "opt/current").lstat().st_mtime_ns == link, "what runs did not change"
    assert not deployment(current="a1-0")["changed"]


def test_the_way_back_never_leads_to_a_deployment_that_never_was_well(deployment):
    deployment(current="a1-0")
    assert deployment()["unproven"] == ["a1-0"]
    assert deployment(proven="a1-0")["unproven"] == []
    assert not deployment(proven="a1-0")["changed"]

    deployment(current="b2-1")
    answer = deployment(current="c3-2")

    assert (answer["current"], answer["previous"]) == ("c3-2", "a1-0"), "b2-1 never was well"
    assert sorted(answer["unproven"]) == ["b2-1", "c3-2"]
    answer = deployment(current="a1-0")
    assert (answer["current"], answer["previous"]) == ("a1-0", ""), "nor was c3-2"
    deployment(current="b2-1", proven="b2-1")
    assert deployment(current="c3-2")["previous"] == "b2-1"


def test_a_deployment_of_an_older_role_counts_as_well(deployment, host):
    deployment(current="a1-0")
    (host / "opt/deployments/a1-0/.trial").unlink()

    assert deployment(current="b2-1")["previous"] == "a1-0"


def test_what_runs_that_died_left_behind_hinders_no_switch(deployment, host):
    deployment(current="a1-0")
    for name in (".current.new", ".current.1", "deployments/.b2-1"):
        (host / "opt" / name / "inside").mkdir(parents=True)

    assert deployment(current="b2-1")["current"] == "b2-1"


def test_a_link_that_cannot_be_replaced_is_told(deployment, host):
    (host / "opt/current/inside").mkdir(parents=True)

    answer = deployment(current="a1-0")

    assert answer["failed"]
    assert str(host / "opt/current") in answer["msg"]
