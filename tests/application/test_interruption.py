"""What a deploy may interrupt: the conditions of the role's tasks, rendered by Ansible."""

from typing import Any

import pytest
import yaml
from tests.application.conditions import find, holds
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
