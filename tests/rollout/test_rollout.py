"""Releases roll out to booted hosts, and back, with mitogen; an untouched host is checked without."""

from tests.scenarios import changes, mitogen


def test_upgrade_waits_for_the_session_to_end_and_can_go_back(scenario):
    upgrade = scenario("upgrade", **mitogen())
    for step in ("create", "converge", "side-effect", "verify"):
        upgrade.molecule(step)


def test_failed_deploy_leaves_the_old_release_running_and_says_why(scenario):
    failed = scenario("failed_deploy", **mitogen())
    for step in ("create", "converge", "side-effect", "verify"):
        failed.molecule(step)


def test_check_mode_passes_on_an_untouched_host(scenario):
    fresh = scenario("check_fresh")
    fresh.molecule("create")
    output, _ = fresh.site("--check", "--diff")
    assert changes(output) > 0, "an untouched host has everything to change"
