"""Roles converge, stay converged and can be checked, on booted hosts, with their figures."""

import time
from pathlib import Path

import ansible_mitogen
from tests.scenarios import changes


def mitogen() -> dict[str, str]:
    """Environment that runs a playbook with mitogen; it must find nothing to do on a host built without it."""
    folder = Path(ansible_mitogen.__file__).parent / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(folder)}


def test_default_converges_stays_converged_and_holds_what_it_promises(scenario, figure):
    default = scenario("default")
    default.molecule("create")
    began = time.monotonic()
    default.molecule("converge")
    figure("site_first_run_two_hosts_s", round(time.monotonic() - began, 1), bound="<= 180", unit="s")

    again, seconds = default.site("--limit", "d13,localhost")
    figure("second_run_changed", changes(again), bound="== 0", unit="tasks", gate=True)
    figure("site_second_run_s", round(seconds, 1), bound="<= 15", unit="s")
    both, _ = default.site(**mitogen())
    figure("second_run_with_mitogen_changed", changes(both), bound="== 0", unit="tasks", gate=True)

    default.molecule("verify")
    for row in default.figures():
        figure(row["name"], row["value"], bound=row["bound"], unit=row["unit"], gate=row["gate"])


def test_check_mode_passes_on_an_untouched_host(scenario):
    fresh = scenario("check_fresh")
    fresh.molecule("create")
    output, _ = fresh.site("--check", "--diff")
    assert changes(output) > 0, "an untouched host has everything to change"
