"""Roles converge and stay converged, on booted hosts, with their figures."""

import time

from tests.scenarios import changes, mitogen


def test_default_converges_stays_converged_and_holds_what_it_promises(scenario, figure):
    default = scenario("default")
    default.molecule("create")
    began = time.monotonic()
    default.molecule("converge")
    figure("site_first_run_two_hosts_s", round(time.monotonic() - began, 1), bound="<= 180", unit="s")

    again, seconds = default.site("--limit", "d13,localhost")
    figure("second_run_changed", changes(again), bound="== 0", unit="tasks", gate=True)
    figure("site_second_run_s", round(seconds, 1), bound="<= 120", unit="s")
    both, seconds = default.site(**mitogen())  # finds nothing to do on hosts built without it
    figure("second_run_with_mitogen_changed", changes(both), bound="== 0", unit="tasks", gate=True)
    figure("site_second_run_two_hosts_with_mitogen_s", round(seconds, 1), bound="<= 35", unit="s")

    default.molecule("verify")
    for row in default.figures():
        figure(row["name"], row["value"], bound=row["bound"], unit=row["unit"], gate=row["gate"])
