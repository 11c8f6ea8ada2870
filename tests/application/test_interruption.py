"""What a deploy may interrupt: the conditions of the role's tasks, rendered by Ansible."""

from typing import Any

import pytest
import yaml
from tests.application.conditions import find, holds, render, trusted
from tests.application.project import ROOT

from harvester.commands.application import OUTSIDE

REFUSE, ANSWER = "Preflight | Refuse to interrupt it", "Preflight | Refuse where its hours cannot be told"
WITHIN, OUTSIDE_NOW, SKIPPED = {"rc": 0}, {"rc": OUTSIDE}, {"skipped": True}
UNANSWERED: tuple[dict[str, Any], ...] = ({"rc": 1}, {"rc": 2}, {"rc": 127}, {"rc": -9}, {"msg": "unreachable"})
"""A defect or failure, no configuration, no harvester, killed, no answer of Ansible's."""


def is_let_through(within: dict[str, Any], *, interrupts: bool = True, force: bool = False) -> bool:
    given = {
        "__application_within": within,
        "__application_interrupts": interrupts,
        "harvester_override_blackout": force,
    }
    return all(
        holds(find("application", "preflight.yml", name)["ansible.builtin.assert"]["that"], **given)
        for name in (REFUSE, ANSWER)
    )


def test_a_deploy_outside_the_hours_interrupts_nothing_and_one_within_them_wants_a_yes() -> None:
    assert is_let_through(OUTSIDE_NOW)
    assert not is_let_through(WITHIN)
    assert is_let_through(WITHIN, force=True)
    assert is_let_through(WITHIN, interrupts=False), "what changes nothing may go on"
    assert is_let_through(SKIPPED), "a host without an application has none to interrupt"


@pytest.mark.parametrize("answer", UNANSWERED)
def test_hours_that_cannot_be_told_are_not_taken_for_outside(answer: dict[str, Any]) -> None:
    assert not is_let_through(answer)
    assert is_let_through(answer, force=True)
    assert is_let_through(answer, interrupts=False)


@pytest.mark.parametrize(
    ("new", "variables", "stored", "interrupts"),
    [(False, False, False, False), (True, False, False, True), (False, True, False, True), (False, False, True, True)],
)
def test_a_release_and_its_variables_each_interrupt(new: bool, variables: bool, stored: bool, interrupts: bool) -> None:
    [said] = [
        value
        for name, value in yaml.safe_load((ROOT / "roles/application/vars/main.yml").read_text("utf-8")).items()
        if name == "__application_interrupts"
    ]
    given: dict[str, Any] = {"__application_is_new": new, "__application_variables": {"changed": variables}}
    given["__application_stored"] = {"changed": stored}

    assert holds(said.removeprefix("{{").removesuffix("}}").strip(), **given) is interrupts


def test_a_first_start_is_by_the_hours_and_fails_where_they_cannot_be_told() -> None:
    task = find("application", "activate.yml", "Activate | Ask whether its hours are now")

    assert [holds(task["failed_when"], __application_now=given) for given in (WITHIN, OUTSIDE_NOW)] == [False, False]
    assert all(holds(task["failed_when"], __application_now=given) for given in UNANSWERED if "rc" in given)


REMOVE = find("application", "remove.yml", "Remove | Refuse to end it within its hours")["ansible.builtin.assert"]


@pytest.mark.parametrize(
    ("runs", "within", "force", "ends"),
    [
        ("active", WITHIN, False, False),
        ("activating", WITHIN, False, False),
        ("active", OUTSIDE_NOW, False, True),
        ("inactive", WITHIN, False, True),
        ("failed", WITHIN, False, True),
        ("active", WITHIN, True, True),
        *(("active", answer, False, False) for answer in UNANSWERED),
    ],
)
def test_what_the_inventory_names_no_more_ends_outside_its_hours_or_by_a_yes(
    runs: str, within: dict[str, Any], force: bool, ends: bool
) -> None:
    given = {"__application_within": within, "harvester_override_blackout": force}
    given["__application_active"] = {"stdout_lines": [runs, "active"]}

    assert holds(REMOVE["that"], **given) is ends


@pytest.mark.parametrize(
    ("within", "says"), [(WITHIN, "its hours are now"), ({"rc": 1}, "cannot tell whether its hours are now")]
)
def test_a_refused_end_says_why_and_how_to_keep_it(within: dict[str, Any], says: str) -> None:
    said = render(
        REMOVE["fail_msg"], inventory_hostname="h1", __application_name="market-app", __application_within=within
    )

    assert f"h1 runs market-app, which its inventory names no more, and {says}: nothing of it is touched." in said
    assert "To keep it, name it again" in said


@pytest.mark.parametrize("wanted", [True, False])
def test_each_host_goes_one_of_two_ways(wanted: bool) -> None:
    steps = yaml.safe_load((ROOT / "roles/application/tasks/main.yml").read_text("utf-8"))
    taken = [step["name"] for step in steps if holds(step["when"], __application_wanted=wanted)]

    assert taken == (["Preflight", "Write", "Release", "Activate"] if wanted else ["Remove"])


def test_what_a_host_has_of_it_is_all_that_the_role_writes_and_its_hours_go_last() -> None:
    said = yaml.safe_load((ROOT / "roles/application/vars/main.yml").read_text("utf-8"))
    given = said | {"harvester_config_dir": "/etc/harvester", "harvester_root_dir": "/opt/harvester"}
    traces = render(said["__application_traces"], **trusted(given))

    assert traces == [
        "/etc/systemd/system/market-app.service",
        "/etc/systemd/system/market-app-boot.service",
        "/opt/market-app/current",
        "/opt/market-app/previous",
        "/opt/market-app/.env",
        "/opt/market-app/.env.before",
        "/opt/market-app/libexec/compose",
        "/opt/market-app/libexec/up",
        "/etc/harvester/application.json",
    ]


def test_containers_of_others_keep_the_engine() -> None:
    said = yaml.safe_load((ROOT / "roles/container_engine/vars/main.yml").read_text("utf-8"))[
        "__container_engine_others"
    ]
    found = {"stdout_lines": ["market-app market-app-app-1", " alone", "market-app-2 other-db-1"]}

    assert render(said, __container_engine_found=found) == ["alone", "other-db-1"]
    assert render(said, __container_engine_found={"stdout_lines": found["stdout_lines"][:1]}) == []
    assert render(said, __container_engine_found={"skipped": True}) == []
