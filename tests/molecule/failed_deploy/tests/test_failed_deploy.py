"""After a deploy that failed."""

import json
import os
from pathlib import Path


def test_the_old_release_runs_as_if_nothing_had_been(host):
    before = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "before").read_text("utf-8").strip()
    health = json.loads(host.run("/opt/harvester/current/bin/harvester health --json").stdout)

    assert host.check_output("readlink /opt/harvester/current") == before
    assert f"deployments/{health['release']}-{health['config_hash']}" == before
    assert (
        host.check_output("systemctl is-active harvester-recorder.service harvester-token-agent.service")
        == "active\nactive"
    )


def test_the_old_configuration_is_in_force(host):
    before = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "before.json").read_text("utf-8")
    health = json.loads(host.run("/opt/harvester/current/bin/harvester health --json").stdout)

    assert json.loads(before)["poll"]["interval_seconds"] == 2.0
    assert host.check_output("sudo cat /etc/harvester/config.json") == before.strip()
    assert health["config_hash"] == host.check_output("sudo sha256sum /etc/harvester/config.json")[:12]


def test_there_is_no_previous_release_to_fall_back_to_by_mistake(host):
    assert not host.file("/opt/harvester/previous").exists


def test_the_failure_is_in_the_journal(host):
    log = host.check_output("journalctl --no-pager -o cat -u harvester-recorder.service")

    assert "start operation timed out" in log
