"""Roles converge and stay converged, on booted hosts, with their figures."""

import json
import shlex
import time

from tests.scenarios import changes, mitogen

UNLISTED = {"harvester_settings": {"symbols": ["NSE:NOSUCH-EQ"], "broker": {"app_id": "LABLAB0000-100"}}}
# A timer may have run its unit into the damage, where report-failure could not run either: that report stays failed;
# the unit itself must be able to run again.
RESTORED = """set -e
rm -rf /etc/systemd/system/harvester-metrics.service.d
systemctl daemon-reload
systemctl reset-failed 'harvester-failure@*'
for unit in $(systemctl list-units --failed --plain --no-legend 'harvester-*' | cut -d ' ' -f 1); do
  systemctl start "$unit"
done
systemctl is-active harvester-recorder.service harvester-token-agent.service harvester-close.timer
runuser -u harvester-recorder -g harvester -- test -w /var/lib/harvester/journal
! find /var/lib/harvester/journal -not -user harvester-recorder | grep .
/opt/harvester/current/release/bin/python3 -c 'import numpy'
"""


def test_default_converges_stays_converged_and_holds_what_it_promises(root, scenario, figure):
    default = scenario("default")
    default.molecule("create")
    began = time.monotonic()
    default.molecule("converge")
    figure("site_first_run_two_hosts_s", round(time.monotonic() - began, 1), bound="<= 180", unit="s")

    again, seconds = default.site("--limit", "d13,localhost")
    figure("second_run_changed", changes(again), bound="== 0", unit="tasks", gate=True)
    figure("site_second_run_s", round(seconds, 1), bound="<= 120", unit="s")

    output = default.refused("--limit", "d13,localhost", "--extra-vars", json.dumps(UNLISTED), **mitogen())
    assert "NSE:NOSUCH-EQ is not in the broker's symbol master" in output
    assert "d13 goes on with release" in output

    damage = (root / "tests/molecule/shared/damage.sh").read_text("utf-8")
    default.run(["lab", "exec", "d13", "--", f"sudo sh -c {shlex.quote(damage)}"])
    began = time.monotonic()
    output, _ = default.site("--limit", "d13,localhost", **mitogen())
    figure("site_after_damage_s", round(time.monotonic() - began, 1), bound="<= 90", unit="s")
    assert "harvester-metrics.service.d/override.conf" in output, "what is not ours is named, and stays"
    default.run(["lab", "exec", "d13", "--", f"sudo sh -c {shlex.quote(RESTORED)}"])

    both, seconds = default.site(**mitogen())  # finds nothing to do on hosts built without it
    figure("second_run_with_mitogen_changed", changes(both), bound="== 0", unit="tasks", gate=True)
    figure("site_second_run_two_hosts_with_mitogen_s", round(seconds, 1), bound="<= 35", unit="s")

    default.molecule("verify")
    for row in default.figures():
        figure(row["name"], row["value"], bound=row["bound"], unit=row["unit"], gate=row["gate"])
