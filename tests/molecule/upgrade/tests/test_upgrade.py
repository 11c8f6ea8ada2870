"""After N, N+1 and a rollback."""

import json
import os
from pathlib import Path


def test_the_host_is_back_at_the_first_release_and_remembers_the_second(host):
    upgraded = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "upgraded").read_text("utf-8").strip()
    current, previous = host.check_output("readlink /opt/harvester/current /opt/harvester/previous").splitlines()
    health = json.loads(host.run("/opt/harvester/current/bin/harvester health --json").stdout)

    assert previous == upgraded
    assert current != upgraded
    assert f"deployments/{health['release']}-{health['config_hash']}" == current


def test_the_configuration_went_back_with_the_release(host):
    upgraded = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "upgraded.json").read_text("utf-8")
    in_force = host.check_output("sudo cat /etc/harvester/config.json")
    kept = host.check_output("sudo cat /opt/harvester/previous/config.json")
    shown = json.loads(host.check_output("/opt/harvester/current/bin/harvester config show"))

    assert json.loads(upgraded)["poll"]["interval_seconds"] == 4.0
    assert json.loads(in_force)["poll"]["interval_seconds"] == shown["poll"]["interval_seconds"] == 2.0
    assert kept == upgraded.strip(), "the way forward again"


def test_the_recorder_runs_with_the_configuration_of_the_host(host):
    health = json.loads(host.run("/opt/harvester/current/bin/harvester health --json").stdout)
    digest = host.check_output("sudo sha256sum /etc/harvester/config.json")

    assert health["config_hash"] == digest[:12]
    assert [check["ok"] for check in health["checks"] if check["name"] == "config"] == [True]


def test_no_half_built_release_is_left(host):
    releases = host.check_output("ls /opt/harvester/releases").split()
    complete = host.check_output("cd /opt/harvester/releases; ls -d */.complete").split()

    assert len(releases) == len(complete) == 2


def test_the_recorder_did_not_restart_for_a_new_calendar(host):
    """Starts: the first deploy, the upgrade, the rollback; neither the two calendars nor what was refused."""
    log = host.check_output("journalctl --no-pager -o cat -u harvester-recorder.service")

    assert log.count("event=recorder_started") == 3
