"""Which steps the roles of a host leave out: the conditions of their tasks, rendered by Ansible.

Of the role harvester `test_role_refusals.py` has the same.
"""

from typing import Any

import pytest
from conditions import (
    ALL,
    ASSERT,
    BARE,
    CHECK,
    DEPLOYED,
    HERE,
    NO_CHECK,
    PLACED,
    Given,
    code,
    find,
    holds,
    name_of,
    state,
    tasks_of,
)

ON_HOSTS = (
    "application",
    "container_engine",
    "database_backup",
    "host_baseline",
    "host_hardening",
    "jobs",
    "overseer",
    "rclone",
)
WORDS = {ASSERT, "ansible.builtin.debug", "ansible.builtin.fail", "ansible.builtin.import_tasks"}
RUNS, ENDED = {"__application_active": {"stdout": "active"}}, {"__application_active": {"stdout": "inactive"}}
FIRST, SECOND = {"__application_before": ""}, {"__application_before": "a1"}
NEW, SAME = {"__application_is_new": True}, {"__application_is_new": False}
HAS, HAS_NONE = ({"__application_env_there": {"stat": {"exists": each}}} for each in (True, False))
STEADY = {f"__application_{name}": {"changed": False} for name in ("switched", "env_brought", "env_read")}
OPENED, CLOSED = ({"__container_engine_opened": {"stat": {"exists": each}}} for each in (True, False))
DELIVERS, KEEPS = {"__database_backup_delivers": True}, {"__database_backup_delivers": False}


def backup(*unsettled: str, unknown: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"__database_backup_now": {"reload": False, "unsettled": [*unsettled], "unknown": [*unknown]}}


def packages(role: str, **more: Any) -> tuple[Given, Given]:
    """A step that is done where a package is lacking."""
    return [{f"__{role}_missing": ["a"], **more}], [{f"__{role}_missing": []}]


def services(role: str) -> tuple[Given, Given]:
    """One that a check can look at only where the packages are there."""
    missing, there = {f"__{role}_missing": ["a"]}, {f"__{role}_missing": []}
    return [missing | NO_CHECK, there | NO_CHECK, there | CHECK], [missing | CHECK]


COMPOSE, CURRENT = "/opt/market-app/libexec/compose", "/opt/market-app/current"
WAITS = {"__container_engine_opened": {"stat": {"exists": True}}, "__container_engine_active": {"stdout": "active"}}
STEPS: dict[tuple[str, str], tuple[Given, Given]] = {
    ("application/activate.yml", "Switch to the release"): ([NO_CHECK], [CHECK]),
    ("application/activate.yml", "Restart what runs, with the new release"): (
        [
            RUNS | STEADY | {f"__application_{each}": {"changed": True}}
            for each in ("switched", "env_brought", "env_read")
        ],
        [RUNS | STEADY, ENDED | STEADY | {"__application_switched": {"changed": True}}],
    ),
    ("application/activate.yml", "Start it within its hours"): (
        code("__application_now", 0),
        code("__application_now", 4),
    ),
    ("application/activate.yml", "Note the one before"): ([SECOND | NEW], [SECOND | SAME, FIRST | NEW]),
    ("application/activate.yml", "Go back to the release before"): ([SECOND], [FIRST]),
    ("application/activate.yml", "Stop the first release"): ([FIRST], [SECOND]),
    ("application/activate.yml", "Have none in force"): ([FIRST], [SECOND]),
    ("application/activate.yml", "Restart what ran"): (
        [SECOND | RUNS],
        [SECOND | ENDED, FIRST | RUNS, SECOND | {"__application_active": {}}],
    ),
    ("application/activate.yml", "Remove older releases"): ([NEW | NO_CHECK], [NEW | CHECK, SAME | NO_CHECK]),
    ("application/preflight.yml", "Compare its variables"): ([DEPLOYED | HERE], [BARE | HERE, DEPLOYED | PLACED]),
    ("application/preflight.yml", "Compare them with those of their store"): (
        [DEPLOYED | PLACED],
        [BARE | PLACED, DEPLOYED | HERE],
    ),
    ("application/preflight.yml", "Ask whether its hours are now"): ([DEPLOYED], [BARE]),
    ("application/release.yml", "Put the release on the host"): (
        [each | NO_CHECK for each in code("__application_damage", 3)],
        [
            *(each | NO_CHECK for each in code("__application_damage", 0)),
            *(each | CHECK for each in code("__application_damage", 3)),
        ],
    ),
    ("application/remove.yml", "Stop it and take it away"): (
        [{"__application_left": [COMPOSE]}],
        [{"__application_left": []}],
    ),
    ("application/remove.yml", "Stop the application"): (
        [state(each, "active") for each in ("active", "activating", "failed")],
        [state("inactive", "active")],
    ),
    ("application/remove.yml", "Take away the containers"): (
        [state("inactive", "active") | {"__application_left": [COMPOSE, CURRENT]}],
        [
            state("inactive", "inactive") | {"__application_left": [COMPOSE, CURRENT]},
            *(state("inactive", "active") | {"__application_left": [each]} for each in (COMPOSE, CURRENT)),
        ],
    ),
    ("application/remove.yml", "Have no boot look"): (
        [{"__application_left": ["/etc/systemd/system/market-app-boot.service"]}],
        [{"__application_left": ["/etc/systemd/system/market-app.service"]}],
    ),
    ("application/rollback.yml", "Restart what runs"): ([RUNS], [ENDED]),
    ("application/schema.yml", "Start the database"): ([ENDED], [RUNS]),
    ("application/schema.yml", "Stop the database"): ([ENDED], [RUNS]),
    ("application/take_back.yml", "Put back the variables of before"): (
        [{"__application_env_kept": {"changed": each}} for each in (True, False)],
        [{"__application_env_kept": {"skipped": True}}],
    ),
    ("application/write.yml", "Keep the variables of before"): (
        [HAS | NO_CHECK | {"__application_variables": {"changed": True}}],
        [
            HAS | NO_CHECK | {"__application_variables": {"changed": False}},
            HAS | NO_CHECK | {"__application_variables": {"skipped": True}},
            HAS | CHECK | {"__application_variables": {"changed": True}},
            HAS_NONE | NO_CHECK | {"__application_variables": {"changed": True}},
        ],
    ),
    ("application/write.yml", "Bring the variables"): ([HERE], [PLACED]),
    ("application/write.yml", "Have the host read the variables"): ([PLACED], [HERE]),
    ("container_engine/packages.yml", "Install what is missing"): packages("container_engine"),
    ("container_engine/preflight.yml", "Gather the facts"): (
        [{"ansible_facts": {}}],
        [{"ansible_facts": {"distribution": "Ubuntu"}}],
    ),
    ("container_engine/preflight.yml", "List the packages"): (
        [{"ansible_facts": {}}],
        [{"ansible_facts": {"packages": {}}}],
    ),
    ("container_engine/remove.yml", "Ask whether Docker runs"): ([OPENED], [CLOSED]),
    ("container_engine/remove.yml", "List the containers of others"): (
        [WAITS],
        [WAITS | {"__container_engine_active": {"stdout": "inactive"}}, CLOSED],
    ),
    **{
        ("container_engine/remove.yml", name): (
            [OPENED | {"__container_engine_others": []}],
            [OPENED | {"__container_engine_others": ["theirs"]}, CLOSED | {"__container_engine_others": []}],
        )
        for name in ("Stop Docker", "Close the firewall")
    },
    ("container_engine/services.yml", "Run Docker"): services("container_engine"),
    ("database_backup/check.yml", "See whether the host can ask"): (
        [{"database_backup_password_place": "ssm:/a"}],
        [{"database_backup_password_place": ""}],
    ),
    ("database_backup/check.yml", "Have the host judge the password"): (
        [{"__database_backup_link": {"stat": {"exists": True}}}],
        [{"__database_backup_link": {"stat": {"exists": False}}}, {"__database_backup_link": {"skipped": True}}],
    ),
    ("database_backup/run.yml", "See whether there is a delivery"): ([KEEPS], [DELIVERS]),
    ("database_backup/run.yml", "Stop the delivery"): (
        [{"__database_backup_timer": {"stat": {"exists": True}}}],
        [{"__database_backup_timer": {"stat": {"exists": False}}}, {"__database_backup_timer": {"skipped": True}}],
    ),
    ("database_backup/run.yml", "Remove the units"): ([KEEPS], [DELIVERS]),
    ("database_backup/run.yml", "Compare the units"): ([DELIVERS], [KEEPS]),
    ("database_backup/run.yml", "Have systemd read"): (
        [
            {"__database_backup_now": {"reload": True}, "__database_backup_removed": {"skipped": True}},
            {"__database_backup_now": {"skipped": True}, "__database_backup_removed": {"changed": True}},
        ],
        [{"__database_backup_now": {"reload": False}, "__database_backup_removed": {"changed": False}}],
    ),
    ("database_backup/run.yml", "Enable and start the timer"): (
        [DELIVERS | backup("a.timer")],
        [KEEPS | backup("a.timer"), DELIVERS | backup(), DELIVERS | backup("a.timer", unknown=("a.timer",))],
    ),
    ("database_backup/write.yml", "Bring the password"): (
        [{"database_backup_password_file": "a"}],
        [{"database_backup_password_file": ""}],
    ),
    ("database_backup/write.yml", "Have the host read the password"): (
        [{"database_backup_password_place": "ssm:/a"}],
        [{"database_backup_password_place": ""}],
    ),
    ("database_backup/write.yml", "Write the units"): ([DELIVERS], [KEEPS]),
    ("host_baseline/clock.yml", "Show the zone"): (
        [{"__host_baseline_zone": {"stdout": "Asia/Kolkata\n"}}],
        [{"__host_baseline_zone": {"stdout": each}} for each in ("UTC\n", "Etc/UTC\n")],
    ),
    ("host_baseline/packages.yml", "Install what is missing"): packages("host_baseline"),
    ("host_baseline/preflight.yml", "Gather the facts"): (
        [{"ansible_facts": {"date_time": {}}}, {"ansible_facts": {"virtualization_tech_guest": []}}],
        [{"ansible_facts": {"date_time": {}, "virtualization_tech_guest": []}}],
    ),
    ("host_baseline/preflight.yml", "Wait for the first boot"): (
        [{"__host_baseline_cloud_init": {"stat": {"exists": True}}}],
        [{"__host_baseline_cloud_init": {"stat": {"exists": False}}}],
    ),
    ("host_baseline/preflight.yml", "List the packages"): (
        [{"ansible_facts": {}}],
        [{"ansible_facts": {"packages": {}}}],
    ),
    ("host_baseline/services.yml", "Run cron"): services("host_baseline"),
    ("host_baseline/snaps.yml", "Ask when it refreshes"): (
        [{"__host_baseline_snapd": {"stat": {"exists": True}}}],
        [{"__host_baseline_snapd": {"stat": {"exists": False}}}],
    ),
    ("host_baseline/snaps.yml", "Let it refresh"): (
        [
            {"__host_baseline_snapd": {"stat": {"exists": True}}, "__host_baseline_snap_timer": {"stdout": each}}
            | {"__host_baseline_snap_refresh": "sun,1"}
            for each in ("", "fri,1\n")
        ],
        [
            {"__host_baseline_snapd": {"stat": {"exists": True}}, "__host_baseline_snap_timer": {"stdout": "sun,1\n"}}
            | {"__host_baseline_snap_refresh": "sun,1"},
            {"__host_baseline_snapd": {"stat": {"exists": False}}, "__host_baseline_snap_timer": {"skipped": True}},
        ],
    ),
    ("host_baseline/swap.yml", "See whether there is any"): (
        [{"__host_baseline_container": False}],
        [
            {"__host_baseline_container": True},
            {"__host_baseline_container": False, "host_baseline_swap_enabled": False},
        ],
    ),
    ("host_baseline/swap.yml", "Add a file"): (
        [{"__host_baseline_swap": {"stdout": ""}}],
        [{"__host_baseline_swap": {"stdout": "/dev/sda2"}}, {"__host_baseline_swap": {"skipped": True}}],
    ),
    ("host_baseline/swap.yml", "Close the file"): ([NO_CHECK], [CHECK]),
    ("host_baseline/swap.yml", "Use it"): ([NO_CHECK], [CHECK]),
    ("host_hardening/packages.yml", "Install what is missing"): packages("host_hardening"),
    ("host_hardening/preflight.yml", "Gather the facts"): (
        [{"ansible_facts": {"env": {}}}, {"ansible_facts": {"virtualization_tech_guest": []}}],
        [{"ansible_facts": {"env": {}, "virtualization_tech_guest": []}}],
    ),
    ("host_hardening/preflight.yml", "List the packages"): (
        [{"ansible_facts": {}}],
        [{"ansible_facts": {"packages": {}}}],
    ),
    ("host_hardening/services.yml", "Keep the firewall"): services("host_hardening"),
    ("jobs/run.yml", "Have systemd read"): (
        [
            {"__jobs_now": {"reload": True}, "__jobs_removed": {"changed": False}},
            {"__jobs_now": {"reload": False}, "__jobs_removed": {"changed": True}},
        ],
        [{"__jobs_now": {"reload": False}, "__jobs_removed": {"changed": False}}],
    ),
    ("jobs/run.yml", "Enable and start the timers"): (
        [{"item": {"name": "a.timer"}, "__jobs_now": {"unknown": ["b.timer"]}}],
        [{"item": {"name": "a.timer"}, "__jobs_now": {"unknown": ["a.timer"]}}],
    ),
    ("jobs/write.yml", "Create the user"): (
        [
            {"__jobs_sysusers": {"changed": True}, "ansible_facts": {"getent_passwd": {"harvester-jobs": []}}},
            {"__jobs_sysusers": {"changed": False}, "ansible_facts": {"getent_passwd": {}}},
        ],
        [{"__jobs_sysusers": {"changed": False}, "ansible_facts": {"getent_passwd": {"harvester-jobs": []}}}],
    ),
    ("overseer/check.yml", "Have the application judge the tokens"): (
        [{"overseer_door_tokens_file": "a"}],
        [{"overseer_door_tokens_file": ""}],
    ),
    ("overseer/remove.yml", "Stop it and take it away"): (
        [{"__overseer_left": ["/etc/harvester/overseer.json"]}],
        [{"__overseer_left": []}],
    ),
    ("overseer/remove.yml", "Stop its units"): (
        [{"item": {"name": "a.timer"}, "__overseer_left": ["/etc/systemd/system/a.timer"]}],
        [{"item": {"name": "a.timer"}, "__overseer_left": ["/etc/harvester/overseer.json"]}],
    ),
    ("overseer/run.yml", "Have systemd read"): (
        [{"__overseer_now": {"reload": True}}],
        [{"__overseer_now": {"reload": False}}],
    ),
    ("overseer/run.yml", "Enable and start what is to run"): (
        [{"item": {"name": "a.timer"}, "__overseer_now": {"unknown": []}}],
        [{"item": {"name": "a.timer"}, "__overseer_now": {"unknown": ["a.timer"]}}],
    ),
    ("overseer/write.yml", "Bring the tokens"): (
        [{"overseer_door_tokens_file": "a"}],
        [{"overseer_door_tokens_file": ""}],
    ),
    ("rclone/program.yml", "Put it on the host"): (
        [NO_CHECK | {"__rclone_installed": {"stat": {"exists": False}}}],
        [
            CHECK | {"__rclone_installed": {"stat": {"exists": False}}},
            NO_CHECK | {"__rclone_installed": {"stat": {"exists": True}}},
        ],
    ),
    ("rclone/program.yml", "Remove it"): ([NO_CHECK], [CHECK]),
}
"""The same of each step with a condition, of a host's roles: states in which it is done, and in which it is not."""


def test_every_step_with_a_condition_is_in_the_table() -> None:
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if file.partition("/")[0] in ON_HOSTS and "when" in task and not WORDS & {*task}
    }

    assert {(file, name_of(find(file, name))) for file, name in STEPS} == found


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_a_step_is_done_where_it_must_be(file: str, name: str) -> None:
    task, (done, left_out) = find(file, name), STEPS[file, name]

    assert [given for given in done if not holds(file, task, task["when"], given)] == []
    assert [given for given in left_out if holds(file, task, task["when"], given)] == []
