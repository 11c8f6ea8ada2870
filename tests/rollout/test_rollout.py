"""Releases roll out to booted hosts, and back."""


def test_upgrade_waits_for_the_session_to_end_and_can_go_back(scenario):
    upgrade = scenario("upgrade")
    for step in ("create", "converge", "side-effect", "verify"):
        upgrade.molecule(step)


def test_failed_deploy_leaves_the_old_release_running_and_says_why(scenario):
    failed = scenario("failed_deploy")
    for step in ("create", "converge", "side-effect", "verify"):
        failed.molecule(step)
