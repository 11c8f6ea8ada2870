"""What the role harvester refuses, and which steps it leaves out: the conditions of its tasks, rendered by Ansible."""

from typing import Any

import pytest
from ansible.template import trust_as_template
from harvester_role import ROLE, WELL, flatten, render, tasks, variables

ASSERT = "ansible.builtin.assert"
SESSION = {"__harvester_frozen": "the recorder is inside a trading session"}
FREE = {"__harvester_frozen": ""}
WRITTEN = {"results": [{"changed": True, "item": {"name": "a.service"}}, {"changed": False, "item": {"name": "b"}}]}
UNIT = {"__harvester_units": [{"name": "a.service"}]}
OFF = {"__harvester_units": [{"name": "a.service", "disabled": True}]}
NO_CHECK, CHECK = {"ansible_check_mode": False}, {"ansible_check_mode": True}


def before(**different: Any) -> dict[str, Any]:
    return {"__harvester_before": WELL | different}


def now(*outdated: str, rebuilt: tuple[str, ...] = (), unknown: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"__harvester_now": {"outdated": [*outdated], "rebuilt": [*rebuilt], "unknown": [*unknown]}}


def ends(name: str, *codes: int | None) -> list[dict[str, Any]]:
    """A command's results with these exit codes; None: it was left out."""
    return [{f"__harvester_{name}": {"skipped": True} if code is None else {"rc": code}} for code in codes]


REFUSALS: dict[tuple[str, str], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    ("activate.yml", "Refuse to change deployments inside a trading session"): (
        [before() | FREE | {"__harvester_target": "c3-2"}, before() | SESSION | {"__harvester_target": "b2-1"}],
        [before() | SESSION | {"__harvester_target": "c3-2"}],
    ),
    ("compare.yml", "Refuse to run what has no file"): (
        [
            UNIT | NO_CHECK | now(),
            UNIT | NO_CHECK | now(unknown=("b.service",)),
            OFF | NO_CHECK | now(unknown=("a.service",)),
            UNIT | CHECK | now(unknown=("a.service",)),
        ],
        [UNIT | NO_CHECK | now(unknown=("a.service",))],
    ),
    ("config.yml", "Refuse other services inside a trading session"): (
        [
            FREE | {"__harvester_written": WRITTEN, "__harvester_seen": {"skipped": True}},
            SESSION | {"__harvester_written": WRITTEN, "__harvester_seen": {"unknown": ["a.service"]}},
            SESSION | {"__harvester_written": {"results": WRITTEN["results"][1:]}, "__harvester_seen": {"unknown": []}},
        ],
        [SESSION | {"__harvester_written": WRITTEN, "__harvester_seen": {"unknown": ["b"]}}],
    ),
    ("look.yml", "Require a deployment"): ([before()], [before(current="")]),
    ("preflight.yml", "Refuse variables that the role does not know"): (
        [{"__harvester_strangers": []}],
        [{"__harvester_strangers": ["harvester_settigns"]}],
    ),
    ("preflight.yml", "Refuse a fleet that asks more than the broker allows its account"): (
        [{"__harvester_refusal": ""}],
        [{"__harvester_refusal": "too many requests"}],
    ),
    ("preflight.yml", "Refuse a login that the host's role in AWS may not read"): (
        [{"__harvester_login_refusal": ""}],
        [{"__harvester_login_refusal": "h1: aws_identity_schwab is ssm"}],
    ),
    ("preflight.yml", "Refuse to configure what is not deployed"): (
        [before() | {"__harvester_whole": False}, before(current="") | {"__harvester_whole": True}],
        [before(current="") | {"__harvester_whole": False}],
    ),
    ("preflight.yml", "Refuse a configuration that the application refuses"): (
        [
            *(each | {"__harvester_whole": True, "__harvester_judged_there": {"rc": 2}} for each in ends("judged", 0)),
            *(each | {"__harvester_whole": False, "__harvester_judged": {}} for each in ends("judged_there", 0, None)),
        ],
        [
            *(each | {"__harvester_whole": True, "__harvester_judged_there": {}} for each in ends("judged", 1, 2)),
            *(each | {"__harvester_whole": False, "__harvester_judged": {}} for each in ends("judged_there", 1, 2)),
        ],
    ),
    ("restart.yml", "Refuse inside a trading session"): ([FREE], [SESSION]),
    ("rollback.yml", "Require a deployment to go back to"): (
        [before(), before(unproven=["b2-1"])],
        [before(previous=""), before(unproven=["a1-0"]), before(unproven=["b2-1", "a1-0"])],
    ),
    ("rollback.yml", "Refuse what is damaged"): (ends("damage", 0), ends("damage", 1, 2, 3)),
    ("run.yml", "Refuse to restart inside a trading session"): (
        [FREE | now("a"), SESSION | now(), SESSION | now("a", rebuilt=("a",))],
        [SESSION | now("a"), SESSION | now("a", "b", rebuilt=("a",))],
    ),
    ("stop.yml", "Refuse inside a trading session"): ([FREE], [SESSION]),
    # 1 and 124: nobody could be asked, which is no reason to leave a host as it is.
    ("symbols.yml", "Refuse what the broker does not list"): (
        [
            *(
                each | NO_CHECK | {"__harvester_looked_up_here": {"rc": 2}}
                for each in ends("looked_up", 0, 1, 124, None)
            ),
            *(each | CHECK | {"__harvester_looked_up": {"rc": 2}} for each in ends("looked_up_here", 0, 1, 124, None)),
        ],
        [
            *(each | NO_CHECK | {"__harvester_looked_up_here": {}} for each in ends("looked_up", 2)),
            *(each | CHECK | {"__harvester_looked_up": {}} for each in ends("looked_up_here", 2)),
        ],
    ),
    ("verify.yml", "Require a deployment"): (
        [
            NO_CHECK | {"__harvester_link": {"stat": {"exists": True}}},
            CHECK | {"__harvester_link": {"stat": {"exists": False}}},
        ],
        [NO_CHECK | {"__harvester_link": {"stat": {"exists": False}}}],
    ),
    ("verify.yml", "Require that what is deployed runs and is well"): (
        [{"__harvester_unwell": ""}],
        [{"__harvester_unwell": "journal: it cannot be written"}],
    ),
}
"""By file and name of each refusal of the role: states of a host that it lets through, and states that it refuses."""
OTHER = before() | NO_CHECK | {"__harvester_deployment": "c3-2"}
SAME = before() | NO_CHECK | {"__harvester_deployment": "b2-1"}
WHOLE, PART = {"__harvester_whole": True}, {"__harvester_whole": False}
VERIFY = before() | NO_CHECK | {"__harvester_target": "b2-1", "__harvester_untried": []}
UNTRIED = {"__harvester_untried": ["b2-1"]}
DUE = {"__harvester_now": {"outdated": [], "unsettled": ["a.service"]}}
SETTLED = {"__harvester_now": {"outdated": [], "unsettled": []}}
THERE = {
    "__harvester_sysusers": {"changed": False},
    "__harvester_users_missing": [],
    "__harvester_operators_missing": [],
}
STEPS: dict[tuple[str, str], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    ("activate.yml", "Verify"): (
        [VERIFY | DUE, VERIFY | UNTRIED | SETTLED],
        [VERIFY | SETTLED, VERIFY | UNTRIED | DUE | CHECK],
    ),
    ("activate.yml", "Note that it was well"): ([VERIFY | UNTRIED], [VERIFY]),
    ("activate.yml", "Go back to what ran before"): (
        [{"__harvester_fallback": "a1-0"}],
        [{"__harvester_fallback": ""}],
    ),
    ("compare.yml", "Have systemd read what changed on disk"): (
        [{"__harvester_now": {"reload": True}}],
        [{"__harvester_now": {"reload": False}}],
    ),
    ("config.yml", "Point the first deployment, or one that leads nowhere, to its release"): (
        [before(current=""), before(broken=True)],
        [before()],
    ),
    ("config.yml", "See which services have no file"): ([SESSION], [FREE]),
    ("config.yml", "Bring the certificates by which a database is known"): (
        [{"harvester_rows_ca_file": "ca.crt"}],
        [{"harvester_rows_ca_file": ""}],
    ),
    ("config.yml", "Bring the calendar"): ([{"harvester_calendar_file": "c.json"}], [{"harvester_calendar_file": ""}]),
    ("config.yml", "Show what changes in the configuration in force"): ([OTHER], [SAME]),
    ("preflight.yml", "Gather the facts"): ([{"ansible_facts": {}}], [{"ansible_facts": {"python": {}}}]),
    ("preflight.yml", "Have the application judge its configuration"): ([WHOLE], [PART]),
    ("preflight.yml", "Have the release that is there judge the configuration"): (
        [PART | before()],
        [WHOLE | before(), PART | before(broken=True)],
    ),
    ("prune.yml", "Remove old deployments and what they alone needed"): ([OTHER], [SAME, OTHER | CHECK]),
    ("release.yml", "Compare what is there with the list of its files"): (
        [before(releases=["b2", "c3"]) | {"__harvester_release": "c3"}],
        [before(releases=["b2"]) | {"__harvester_release": "c3"}],
    ),
    ("release.yml", "Put the release on the host"): (
        [each | NO_CHECK for each in ends("damage", None, 3)],
        [*(each | NO_CHECK for each in ends("damage", 0)), *(each | CHECK for each in ends("damage", None, 0, 3))],
    ),
    ("run.yml", "Enable and start what is to run"): (
        [now(unknown=("b.timer",)) | {"item": {"name": "a.service"}}],
        [now(unknown=("a.service",)) | {"item": {"name": "a.service"}}],
    ),
    ("schedule.yml", "Run the timers"): ([PART], [WHOLE]),
    ("symbols.yml", "Look them up in the broker's symbol master, on the host"): ([OTHER], [SAME, OTHER | CHECK]),
    ("symbols.yml", "Look them up in the broker's symbol master, from the controller"): (
        [OTHER | CHECK],
        [OTHER, SAME | CHECK],
    ),
    ("users.yml", "Create what is missing"): (
        [
            THERE | {"__harvester_sysusers": {"changed": True}},
            THERE | {"__harvester_users_missing": ["harvester-alert"]},
            THERE | {"__harvester_operators_missing": ["admin"]},
        ],
        [THERE],
    ),
    ("users.yml", "Log in anew where this login gained a group"): (
        [NO_CHECK | {"__harvester_operators_missing": ["admin"]}],
        [NO_CHECK | THERE, CHECK | {"__harvester_operators_missing": ["admin"]}],
    ),
    ("verify.yml", "Ask until all is well"): ([NO_CHECK], [CHECK]),
}
"""By file and begin of the name of each step with a condition: states in which it is done, and in which it is not."""


@pytest.fixture(scope="module")
def role() -> dict[str, Any]:
    return variables()


def find(file: str, name: str) -> dict[str, Any]:
    [task] = [each for each in flatten(tasks(file)) if each["name"].partition(" | ")[2].startswith(name)]
    return task


def holds(role: dict[str, Any], task: dict[str, Any], condition: str, given: dict[str, Any]) -> bool:
    own = {
        name: trust_as_template(value) if isinstance(value, str) else value
        for name, value in task.get("vars", {}).items()
    }
    return bool(render(own | role, "{{ " + condition + " }}", **given))


def test_every_refusal_of_the_role_is_in_the_table() -> None:
    found = {
        (path.name, task["name"].partition(" | ")[2])
        for path in (ROLE / "tasks").glob("*.yml")
        for task in flatten(tasks(path.name))
        if ASSERT in task
    }

    assert found == {*REFUSALS}


@pytest.mark.parametrize(("file", "name"), REFUSALS)
def test_a_refusal_lets_through_what_is_well_and_nothing_else(role: dict[str, Any], file: str, name: str) -> None:
    task, (well, refused) = find(file, name), REFUSALS[file, name]
    condition = task[ASSERT]["that"]

    assert [given for given in well if not holds(role, task, condition, given)] == []
    assert [given for given in refused if holds(role, task, condition, given)] == []


def test_every_step_with_a_condition_is_in_the_table() -> None:
    """What only says something is none."""
    words = {ASSERT, "ansible.builtin.debug", "ansible.builtin.fail"}
    found = {
        (path.name, task["name"].partition(" | ")[2])
        for path in (ROLE / "tasks").glob("*.yml")
        for task in flatten(tasks(path.name))
        if "when" in task and not words & {*task}
    }

    assert {(file, find(file, name)["name"].partition(" | ")[2]) for file, name in STEPS} == found


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_a_step_is_done_where_it_must_be(role: dict[str, Any], file: str, name: str) -> None:
    task, (done, left_out) = find(file, name), STEPS[file, name]

    assert [given for given in done if not holds(role, task, task["when"], given)] == []
    assert [given for given in left_out if holds(role, task, task["when"], given)] == []


def test_a_damaged_release_is_built_anew_and_one_that_cannot_be_looked_at_is_a_failure(role: dict[str, Any]) -> None:
    task = find("release.yml", "Compare what is there with the list of its files")

    assert [holds(role, task, task["failed_when"], given) for given in ends("damage", 0, 1, 2, 3)] == [
        False, True, True, False,
    ]  # fmt: skip
