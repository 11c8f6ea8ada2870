"""What a deploy that fails goes back to, and what it calls unwell: the role's own expressions, rendered by Ansible."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from harvester_role import WELL, render, tasks, variables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def role() -> dict[str, Any]:
    return variables()


@pytest.mark.parametrize(
    ("target", "before", "fallback"),
    [
        pytest.param("c3-2", {}, "b2-1", id="what ran before"),
        pytest.param("c3-2", {"unproven": ["b2-1", "c3-2"]}, "a1-0", id="what ran never was well"),
        pytest.param("c3-2", {"broken": True}, "a1-0", id="what ran leads nowhere"),
        pytest.param("c3-2", {"unproven": ["a1-0", "b2-1"]}, "", id="neither was well"),
        pytest.param("c3-2", {"broken": True, "previous": ""}, "", id="no other one"),
        pytest.param("c3-2", {"current": "", "previous": ""}, "", id="the first deploy"),
        pytest.param("b2-1", {}, "", id="unchanged, and was well: an older one is no better"),
        pytest.param("b2-1", {"unproven": ["b2-1"]}, "a1-0", id="unchanged, and never was well"),
        pytest.param("a1-0", {}, "b2-1", id="a rollback that fails"),
        pytest.param("a1-0", {"broken": True}, "", id="a rollback from what leads nowhere"),
    ],
)
def test_a_failed_activation_goes_back_to_what_was_well(
    role: dict[str, Any], target: str, before: dict[str, Any], fallback: str
) -> None:
    found = render(role, "{{ __harvester_fallback }}", __harvester_target=target, __harvester_before=WELL | before)

    assert found == fallback


def starts(role: str, unit: str) -> set[str]:
    """The units that this one starts: those that it wants, and of a timer its service."""
    text = (ROOT / "roles" / role / "templates" / f"{unit}.j2").read_text("utf-8")
    wanted = {name for line in re.findall(r"^(?:Wants|Requires)=(.*)$", text, re.M) for name in line.split()}
    return wanted | ({unit.replace(".timer", ".service")} if unit.endswith(".timer") else set())


@pytest.mark.parametrize(
    ("name", "file"), [("harvester", "stop.yml"), ("harvester", "go_back.yml"), ("overseer", "remove.yml")]
)
def test_a_unit_is_stopped_before_those_that_it_starts(role: dict[str, Any], name: str, file: str) -> None:
    """A recorder that starts anew wants its agent: that start takes back the agent's stop, which then has failed."""
    steps = yaml.safe_load((ROOT / "roles" / name / "tasks" / file).read_text("utf-8"))
    steps = [step for each in steps for step in each.get("block", [each])]
    [loop] = [
        step["loop"]
        for step in steps
        if step.get("ansible.builtin.systemd_service", {}).get("state") == "stopped" and "loop" in step
    ]
    own = yaml.safe_load((ROOT / "roles/overseer/vars/main.yml").read_text("utf-8"))
    units = render(role, loop, __overseer_services=own["__overseer_services"])
    order = [unit["name"] if isinstance(unit, dict) else unit for unit in units]

    late = [(unit, started) for place, unit in enumerate(order) for started in starts(name, unit) & {*order[:place]}]
    assert len(order) > 1
    assert late == []


def test_of_two_ways_back_the_nearer_one_is_taken_whatever_they_are_called(role: dict[str, Any]) -> None:
    """Ansible's filters of sets, such as difference and union, keep no order."""
    for number in range(16):
        before = WELL | {"current": f"b{number}-1", "previous": f"a{number}-0"}
        given = {"__harvester_target": "c3-2", "__harvester_before": before}
        assert render(role, "{{ __harvester_fallback }}", **given) == f"b{number}-1"


def test_a_fleet_is_in_the_order_of_its_inventory(role: dict[str, Any]) -> None:
    """By which shares are dealt out: another order would be another configuration."""
    fleet = [f"h{number}" for number in (3, 1, 4, 15, 9, 2, 6, 5)]

    assert render(role, "{{ __harvester_fleet }}", groups={"harvesters": fleet}, inventory_hostname="h9") == fleet
    assert render(role, "{{ __harvester_fleet }}", groups={"harvesters": fleet}, inventory_hostname="h0") == [
        *fleet,
        "h0",
    ]
    assert render(role, "{{ __harvester_fleet }}", groups={}) == ["h1"]


@pytest.mark.parametrize(
    ("status", "override", "is_frozen"),
    [
        ({"window": {"open": True}}, False, True),
        ({"window": {"open": True}}, True, False),
        ({"window": {"open": False}}, False, False),
        ({"window": {}}, False, False),
        ({}, False, False),
    ],
)
def test_nothing_changes_inside_a_session_unless_it_is_forced(
    role: dict[str, Any], status: dict[str, Any], override: bool, is_frozen: bool
) -> None:
    given = {"__harvester_before": WELL | {"status": status}, "harvester_override_blackout": override}
    found = render(role, "{{ __harvester_frozen }}", **given)

    assert ("--force" in found) is is_frozen and bool(found) is is_frozen


def check(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "ok": False, "detail": f"{name} is bad", "fix": "", **more}


def unwell(role: dict[str, Any], checks: list[dict[str, Any]], counted: list[str], **answer: Any) -> str:
    said = {"release": "b2", "config_hash": "1", "status": {}, "checks": checks} | answer
    given = {
        "__harvester_asked": {"stdout": json.dumps(said)},
        "__harvester_link": {"stat": {"lnk_target": "deployments/b2-1"}},
        "__harvester_counted": counted,
    }
    return str(render(role, "{{ __harvester_unwell }}", **given) or "").strip()


DECISIVE = ["running", "config", "journal", "symbols"]


@pytest.mark.parametrize(
    ("checks", "counted", "named"),
    [
        ([], [], []),
        ([check("disk") | {"ok": True}], [], []),
        ([check("disk"), check("running")], [], ["disk", "running"]),
        ([check("disk"), check("journal")], DECISIVE, ["journal"]),
        ([check("token"), check("clock"), check("data"), check("fyers-hsm")], DECISIVE, []),
        ([check("services", of_host=True), check("running", of_host=False)], [], ["running"]),
    ],
)
def test_what_counts_is_what_a_deployment_can_be_blamed_for(
    role: dict[str, Any], checks: list[dict[str, Any]], counted: list[str], named: list[str]
) -> None:
    assert render(role, "{{ __harvester_decisive_checks }}") == DECISIVE
    found = unwell(role, checks, counted)

    assert [each.partition(":")[0].strip() for each in found.split(";") if each.strip()] == named


@pytest.mark.parametrize(
    ("state", "named"),
    [("missing", ["disk"]), ("expired", ["disk"]), ("refused", ["disk"]),
     ("ok", ["token", "data", "fyers-hsm", "disk"]), ("", ["token", "data", "fyers-hsm", "disk"])],
)  # fmt: skip
def test_the_lack_of_a_token_excuses_what_needs_one_and_nothing_else(
    role: dict[str, Any], state: str, named: list[str]
) -> None:
    checks = [check(name) for name in ("token", "data", "fyers-hsm", "disk")]
    found = unwell(role, checks, [], status={"token": {"state": state}, "feeds": {"fyers-hsm": {}}})

    assert [each.partition(":")[0].strip() for each in found.split(";") if each.strip()] == named


@pytest.mark.parametrize("answer", [{"release": "a1"}, {"config_hash": "0"}])
def test_the_answer_of_another_deployment_is_not_that_of_the_one_that_was_activated(
    role: dict[str, Any], answer: dict[str, Any]
) -> None:
    assert unwell(role, [], [], **answer).startswith("it should run b2-1, but ")


def steps(found: list[dict[str, Any]]) -> list[str]:
    """What each task does: its module without the collection."""
    plain = {"name", "register", "become", "when", "loop", "loop_control", "vars", "changed_when", "failed_when"}
    return [next(key.rpartition(".")[2] for key in task if key not in plain) for task in found]


def test_going_back_switches_then_stops_what_was_tried_then_runs_and_proves_the_former_one(
    role: dict[str, Any],
) -> None:
    found = tasks("go_back.yml")

    assert steps(found) == ["harvester_deployment", "systemd_service", "import_tasks", "import_tasks"]
    switch, stop, run, verify = found
    given = {"__harvester_target": "c3-2", "__harvester_before": WELL, "harvester_root_dir": "/opt/h"}
    links = {key: render(role, value, **given) for key, value in switch["harvester_deployment"].items()}
    assert (links["root"], links["current"], links["previous"]) == ("/opt/h", "b2-1", "a1-0")
    assert (stop["ansible.builtin.systemd_service"]["state"], stop["ansible.builtin.systemd_service"]["name"]) == (
        "stopped",
        "{{ item }}",
    )
    assert sorted(render(role, stop["loop"])) == ["harvester-recorder.service", "harvester-token-agent.service"]
    assert (run["ansible.builtin.import_tasks"], verify["ansible.builtin.import_tasks"]) == ("run.yml", "verify.yml")
    assert run["vars"] == {"__harvester_units": "{{ __harvester_services }}", "__harvester_frozen": ""}
    assert render(role, verify["vars"]["__harvester_counted"]) == DECISIVE
    assert not any("when" in task or "ignore_errors" in task for task in found)


def test_an_activation_counts_as_well_only_after_it_was_verified_and_any_failure_goes_back() -> None:
    refuse, activate = tasks("activate.yml")

    assert steps([refuse]) == ["assert"]
    assert steps(activate["block"]) == ["harvester_deployment", "import_tasks", "include_tasks", "harvester_deployment"]
    switch, run, verify, note = activate["block"]
    assert switch["harvester_deployment"]["current"] == "{{ __harvester_target }}"
    assert "proven" not in switch["harvester_deployment"] and "current" not in note["harvester_deployment"]
    assert run["vars"]["__harvester_units"] == "{{ __harvester_services + __harvester_timers }}"
    assert verify["ansible.builtin.include_tasks"] == "verify.yml"
    assert (note["harvester_deployment"]["proven"], note["when"]) == (
        "{{ __harvester_target }}",
        "__harvester_target in __harvester_untried",
    )
    assert steps(activate["rescue"]) == ["command", "include_tasks", "fail"]
    _, back, _ = activate["rescue"]
    assert (back["ansible.builtin.include_tasks"], back["when"]) == ("go_back.yml", "__harvester_fallback | length > 0")


@pytest.mark.parametrize(
    ("changed", "untried", "check_mode", "verified"),
    [
        ({"outdated": ["x"], "unsettled": []}, [], False, True),
        ({"outdated": [], "unsettled": ["x"]}, [], False, True),
        ({"outdated": [], "unsettled": []}, ["c3-2"], False, True),
        ({"outdated": [], "unsettled": []}, ["b2-1"], False, False),
        ({"outdated": ["x"], "unsettled": ["x"]}, ["c3-2"], True, False),
    ],
)
def test_what_changed_or_never_was_well_is_verified(
    role: dict[str, Any], changed: dict[str, Any], untried: list[str], check_mode: bool, verified: bool
) -> None:
    condition = tasks("activate.yml")[1]["block"][2]["when"]
    given = {
        "__harvester_now": changed,
        "__harvester_target": "c3-2",
        "__harvester_before": WELL,
        "__harvester_switched": {"unproven": untried},
        "ansible_check_mode": check_mode,
    }

    assert render(role, "{{ " + condition + " }}", **given) is verified


@pytest.mark.parametrize(
    ("deployment", "check_mode", "pruned"),
    [("c3-2", False, True), ("c3-2", True, False), ("b2-1", False, False), ("b2-1", True, False)],
)
def test_old_deployments_go_after_a_switch_alone(
    role: dict[str, Any], deployment: str, check_mode: bool, pruned: bool
) -> None:
    """And the one that ran before is still the way back: a deploy that changes nothing takes nothing away."""
    [task] = tasks("prune.yml")
    given = {"__harvester_deployment": deployment, "__harvester_before": WELL, "ansible_check_mode": check_mode}

    assert render(role, f"{{{{ {task['when']} }}}}", **given) is pruned
    order = [
        task["ansible.builtin.import_tasks"] for task in tasks("main.yml") if "ansible.builtin.import_tasks" in task
    ]
    assert order.index("activate.yml") < order.index("prune.yml")
