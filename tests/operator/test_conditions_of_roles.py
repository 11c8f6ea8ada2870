"""What the other roles and the playbooks refuse, leave out, hide and ask in a check: conditions, rendered by Ansible.

Of the role harvester `test_role_refusals.py` has the same.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from harvester_role import variables

ROOT = Path(__file__).resolve().parents[2]
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
LOADER = DataLoader()
ASSERT = "ansible.builtin.assert"
WORDS = {ASSERT, "ansible.builtin.debug", "ansible.builtin.fail", "ansible.builtin.import_tasks"}
UNKNOWN = "variables that the role does not know"
"""That refusal is tests/contract/test_roles.py's."""
Given = list[dict[str, Any]]
CHECK, NO_CHECK = {"ansible_check_mode": True}, {"ansible_check_mode": False}
HOURS = {"harvester_override_blackout": False}
RUNS, ENDED = {"__application_active": {"stdout": "active"}}, {"__application_active": {"stdout": "inactive"}}
FIRST, SECOND = {"__application_before": ""}, {"__application_before": "a1"}
NEW, SAME = {"__application_is_new": True}, {"__application_is_new": False}
DEPLOYED, BARE = ({"__application_link": {"stat": {"exists": each}}} for each in (True, False))
HAS, HAS_NONE = ({"__application_env_there": {"stat": {"exists": each}}} for each in (True, False))
PLACED, HERE = {"application_env_place": "ssm:/a"}, {"application_env_place": ""}
STEADY = {f"__application_{name}": {"changed": False} for name in ("switched", "env_brought", "env_read")}
OPENED, CLOSED = ({"__container_engine_opened": {"stat": {"exists": each}}} for each in (True, False))
DELIVERS, KEEPS = {"__database_backup_delivers": True}, {"__database_backup_delivers": False}


def code(name: str, *codes: int) -> Given:
    return [{name: {"rc": each, "stderr": ""}} for each in codes]


def state(*units: str) -> dict[str, Any]:
    return {"__application_active": {"stdout_lines": [*units]}}


def backup(*unsettled: str, unknown: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"__database_backup_now": {"reload": False, "unsettled": [*unsettled], "unknown": [*unknown]}}


def packages(role: str, **more: Any) -> tuple[Given, Given]:
    """A step that is done where a package is lacking."""
    return [{f"__{role}_missing": ["a"], **more}], [{f"__{role}_missing": []}]


def services(role: str) -> tuple[Given, Given]:
    """One that a check can look at only where the packages are there."""
    missing, there = {f"__{role}_missing": ["a"]}, {f"__{role}_missing": []}
    return [missing | NO_CHECK, there | NO_CHECK, there | CHECK], [missing | CHECK]


INTERRUPTS = {"__application_interrupts": True} | HOURS
AWS = {"__aws_host_look": {"functions": [], "instances": [], "disks": []}, "aws_host_names": ["h1"]}
OWN = AWS | {"aws_host_connection": "ssh", "aws_host_ssh_sources": ["203.0.113.7/32"]}
PUSHED = {"exists": True, "mode": "0600"}
FILE_STORE = {"harvester_settings": {}}
BOX = {"rclone_remotes": {"drive": {"type": "drive"}}}
REFUSALS: dict[tuple[str, str], tuple[Given, Given]] = {
    ("playbooks/application.yml", "Require something to do"): (
        [{"application_do": each} for each in ("start", "stop", "restart", "status", "rollback")],
        [{"application_do": "activate"}, {}],
    ),
    ("playbooks/cleanup.yml", "Require a receipt"): (
        [{"harvester_cleanup_receipt": "/r.json"}, {"harvester_cleanup_s3": True}],
        [{}, {"harvester_cleanup_s3": False}],
    ),
    ("playbooks/close.yml", "Require a date"): (
        [{}, {"harvester_close_date": "2026-11-20"}],
        [{"harvester_close_date": each} for each in ("today", "2026-11-2", "x2026-11-20", "2026-11-20.service")],
    ),
    ("playbooks/close.yml", "Show what it said"): (
        [{"__close_run": {"changed": True}}],
        [{"__close_run": {"failed": True}}],
    ),
    ("playbooks/preflight.yml", "Require a tested Ansible"): (
        [{"ansible_version": {"full": each}} for each in ("2.19.0", "2.22.9")],
        [{"ansible_version": {"full": each}} for each in ("2.18.9", "2.23.0")],
    ),
    ("playbooks/preflight.yml", "Require at least one host"): (
        [{"groups": {"harvesters": ["h1"]}}, {"groups": {}, "aws_account_managed": True}],
        [{"groups": {}}, {"groups": {"harvesters": []}, "aws_account_managed": False}],
    ),
    ("playbooks/preflight.yml", "Refuse more hosts than symbols"): (
        [{"aws_host_names": ["a"], "aws_host_symbols": ["S"]}],
        [{"aws_host_names": ["a", "b"], "aws_host_symbols": ["S"]}],
    ),
    ("playbooks/preflight.yml", "Refuse a login that a host's role in AWS may not read"): (
        [{"__preflight_login": ""}],
        [{"__preflight_login": "no"}],
    ),
    ("playbooks/preflight.yml", "Refuse a fleet that asks more"): (
        [{"__preflight_refusal": ""}],
        [{"__preflight_refusal": "no"}],
    ),
    ("playbooks/rotate_ssh_key.yml", "Refuse to remove the only key"): (
        [{"__rotate_ssh_key_others": ["ssh-ed25519 B"]}],
        [{"__rotate_ssh_key_others": []}],
    ),
    ("playbooks/token_push.yml", "Require a private file"): (
        [FILE_STORE | {"__token_push_file": {"stat": PUSHED}}],
        [
            *(FILE_STORE | {"__token_push_file": {"stat": PUSHED | {"mode": mode}}} for mode in ("0640", "0604")),
            FILE_STORE | {"__token_push_file": {"stat": {"exists": False}}},
            {"harvester_settings": {"token": {"source": "ssm"}}, "__token_push_file": {"stat": PUSHED}},
        ],
    ),
    ("application/look.yml", "Require one"): ([DEPLOYED], [BARE]),
    ("application/preflight.yml", "Refuse two places of one thing"): (
        [{"application_source": "a", "application_repository": ""}],
        [{"application_source": "a", "application_repository": "b"}],
    ),
    ("application/preflight.yml", "Refuse two places of its variables"): (
        [{"application_env_file": "a"} | HERE, {"application_env_file": ""} | PLACED],
        [{"application_env_file": "a"} | PLACED],
    ),
    ("application/preflight.yml", "Refuse a project that cannot run"): (
        code("__application_built", 0),
        [*code("__application_built", 1), {"__application_built": {"msg": "no python"}}],
    ),
    ("application/preflight.yml", "Refuse to interrupt it"): (
        [
            *(INTERRUPTS | each for each in code("__application_within", 1, 4)),
            INTERRUPTS | {"__application_within": {"skipped": True}},
            *(INTERRUPTS | {"__application_interrupts": False} | each for each in code("__application_within", 0)),
            *(INTERRUPTS | {"harvester_override_blackout": True} | each for each in code("__application_within", 0)),
        ],
        [INTERRUPTS | each for each in code("__application_within", 0)],
    ),
    ("application/preflight.yml", "Refuse where its hours cannot be told"): (
        [
            *(INTERRUPTS | each for each in code("__application_within", 0, 4)),
            INTERRUPTS | {"__application_within": {"skipped": True}},
            *(INTERRUPTS | {"harvester_override_blackout": True} | each for each in code("__application_within", 2)),
        ],
        [
            *(INTERRUPTS | each for each in code("__application_within", 1, 2, 3)),
            INTERRUPTS | {"__application_within": {"msg": "no such file"}},
        ],
    ),
    ("application/release.yml", "Refuse what Compose"): (
        code("__application_prepared", 0),
        [*code("__application_prepared", 1), {"__application_prepared": {"msg": ""}}],
    ),
    ("application/remove.yml", "Refuse to end it within its hours"): (
        [
            *(HOURS | state(each, "active") | {"__application_within": {"rc": 0}} for each in ("inactive", "failed")),
            *(HOURS | state(each, "active") | {"__application_within": {"rc": 4}} for each in ("active", "activating")),
            {"harvester_override_blackout": True} | state("active", "active") | {"__application_within": {"rc": 0}},
        ],
        [
            *(
                HOURS | state(each, "active") | {"__application_within": {"rc": within}}
                for each in ("active", "activating", "reloading", "deactivating")
                for within in (0, 1, 2)
            ),
            HOURS | state("active", "active") | {"__application_within": {"msg": "no such file"}},
        ],
    ),
    ("application/rollback.yml", "Refuse where there is no way back"): (
        [{"__application_way_back": {"stat": {"exists": True}}, "__application_links": {"stdout_lines": ["a", "b"]}}],
        [
            {
                "__application_way_back": {"stat": {"exists": False}},
                "__application_links": {"stdout_lines": ["a", "b"]},
            },
            {"__application_way_back": {"stat": {"exists": True}}, "__application_links": {"stdout_lines": ["a", "a"]}},
            {"__application_way_back": {"stat": {"exists": True}}, "__application_links": {"stdout_lines": ["a"]}},
        ],
    ),
    ("application/schema.yml", "Refuse one that cannot be applied"): (
        code("__application_schema", 0),
        code("__application_schema", 1),
    ),
    ("aws_account/main.yml", "Refuse a variable that no role reads"): (
        [{"__aws_account_unknown": []}],
        [{"__aws_account_unknown": ["aws_hots"]}],
    ),
    ("aws_host/preflight.yml", "Require what would lock you out"): (
        [
            OWN,
            OWN | {"aws_host_connection": "session-manager", "aws_host_ssh_sources": []},
            OWN | {"aws_host_names": [], "__aws_host_look": {"functions": ["etl"]}},
            OWN | {"aws_host_ssh_sources": ["203.0.113.7/32", "2001:db8::/64"]},
        ],
        [
            OWN | {"aws_host_names": []},
            OWN | {"aws_host_ssh_sources": []},
            OWN | {"aws_host_ssh_sources": ["203.0.113.7/32", "0.0.0.0/0"]},
            OWN | {"aws_host_ssh_sources": ["203.0.113.7/32", "::/0"]},
        ],
    ),
    ("aws_host/preflight.yml", "Refuse to go on with hosts"): (
        [AWS, AWS | {"__aws_host_look": {"instances": [{"name": "h1"}]}}],
        [
            AWS | {"__aws_host_look": {"instances": [{"name": "h1"}, {"name": "h2"}]}},
            AWS | {"__aws_host_look": {"instances": [{"name": "h1"}, {"name": "h1"}]}},
        ],
    ),
    ("aws_host/preflight.yml", "Refuse a disk that is not encrypted"): (
        [AWS, AWS | {"__aws_host_look": {"disks": [{"host": "h1", "encrypted": True}]}}],
        [AWS | {"__aws_host_look": {"disks": [{"host": "h1", "encrypted": True}, {"host": "h2", "encrypted": False}]}}],
    ),
    ("container_engine/preflight.yml", "Refuse a distribution without Compose v2"): (
        [
            {"ansible_facts": {"distribution": "Ubuntu", "distribution_major_version": "24"}},
            {"ansible_facts": {"distribution": "Debian", "distribution_major_version": "13"}},
            {
                "ansible_facts": {"distribution": "Arch", "distribution_major_version": "1"},
                "container_engine_packages": ["a"],
            },
        ],
        [
            {"ansible_facts": {"distribution": "Ubuntu", "distribution_major_version": "22"}},
            {"ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"}},
            {"ansible_facts": {"distribution": "Arch", "distribution_major_version": "99"}},
        ],
    ),
    ("container_engine/services.yml", "Refuse another Compose than version 2"): (
        [{"__container_engine_compose": {"stdout": each}} for each in ("2.26.1-4", "v2.0.0", "10.1")],
        [{"__container_engine_compose": {"stdout": each}} for each in ("1.29.2", "v1.29", "")],
    ),
    ("database_backup/check.yml", "Refuse settings"): (
        code("__database_backup_judged", 0),
        [*code("__database_backup_judged", 2), {"__database_backup_judged": {"msg": "no python"}}],
    ),
    ("database_backup/check.yml", "Refuse a password"): (
        [*code("__database_backup_password_judged", 0), {"__database_backup_password_judged": {"skipped": True}}],
        [*code("__database_backup_password_judged", 1), {"__database_backup_password_judged": {"msg": "no file"}}],
    ),
    ("host_hardening/preflight.yml", "Refuse to lock this login out"): (
        [
            {"ansible_facts": {"user_id": "ubuntu"}, "host_hardening_ssh_users": ["ubuntu"]}
            | {"__host_hardening_source_allowed": True}
        ],
        [
            {"ansible_facts": {"user_id": "root"}, "host_hardening_ssh_users": ["ubuntu"]}
            | {"__host_hardening_source_allowed": True},
            {"ansible_facts": {"user_id": "ubuntu"}, "host_hardening_ssh_users": ["ubuntu"]}
            | {"__host_hardening_source_allowed": False},
        ],
    ),
    ("jobs/check.yml", "Refuse jobs"): (
        code("__jobs_judged", 0),
        [*code("__jobs_judged", 2), {"__jobs_judged": {"msg": "no python"}}],
    ),
    ("jobs/check.yml", "Refuse users"): ([{"__jobs_userless": []}], [{"__jobs_userless": [{"name": "a"}]}]),
    ("overseer/check.yml", "Refuse settings"): (
        code("__overseer_judged", 0),
        [*code("__overseer_judged", 2), {"__overseer_judged": {"msg": "no python"}}],
    ),
    ("overseer/check.yml", "Refuse mailboxes"): (
        [
            BOX | {"__overseer_settings": {"workers": [{"mailbox": each}]}}
            for each in ("/srv/box", "s3://a/b", "drive:a")
        ],
        [BOX | {"__overseer_settings": {"workers": [{"mailbox": "drive:a"}, {"mailbox": "box:b"}]}}],
    ),
    ("overseer/check.yml", "Refuse tokens"): (
        [*code("__overseer_judged_tokens", 0), {"__overseer_judged_tokens": {"skipped": True}}],
        code("__overseer_judged_tokens", 1),
    ),
    ("rclone/check.yml", "Refuse remotes without a type"): (
        [{"rclone_remotes": {"drive": {"type": "drive"}}}],
        [{"rclone_remotes": {"drive": {"scope": "drive"}}}],
    ),
    ("rclone/check.yml", "Refuse secrets in the inventory"): (
        [{"rclone_remotes": {"drive": {"type": "drive", "scope": "drive"}}}],
        [
            {"rclone_remotes": {"drive": {"type": "drive"}, "other": {"type": "s3", each: "canary"}}}
            for each in ("token", "client_secret", "pass", "secret_access_key", "service_account_credentials", "otp")
        ],
    ),
    ("rclone/check.yml", "Refuse secrets of remotes"): (
        [{"rclone_remotes": {"drive": {}}, "rclone_secrets": {"drive": {}}}],
        [{"rclone_remotes": {"drive": {}}, "rclone_secrets": {"other": {}}}],
    ),
}
"""By file and begin of the name of each refusal: what it lets through, and what it refuses."""
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
HIDDEN = {
    ("playbooks/token_push.yml", "Bring the token"): {"no_log", "diff"},
    ("application/preflight.yml", "Compare its variables with those that are there"): {"no_log", "diff"},
    ("application/take_back.yml", "Put back the variables of before"): {"no_log", "diff"},
    ("application/write.yml", "Bring the variables, or have an empty file where it needs none"): {"no_log", "diff"},
    ("application/write.yml", "Keep the variables of before, in case that what comes does not become well"): {
        "no_log",
        "diff",
    },
    ("database_backup/write.yml", "Bring the password"): {"no_log", "diff"},
    # Shown by the step before it; the file in force holds no secret.
    ("harvester/config.yml", "Write the configuration, which the release must accept"): {"diff"},
    ("overseer/write.yml", "Bring the tokens of the door"): {"no_log", "diff"},
    # What it writes holds none, and the file beside it does.
    ("rclone/remotes.yml", "Write what the inventory says of them"): {"diff"},
}
"""What is kept out of the terminal: a secret's content, or a file that holds one."""
NOT_ASKED = {
    ("playbooks/notify_test.yml", "Open them for the alerts' user, where there is a firewall of ours"): "sends nothing",
    ("playbooks/notify_test.yml", "Send a test message as the user who sends the others"): "sends nothing",
    ("playbooks/close.yml", "Read what it said"): "closes nothing",
    ("playbooks/token_undo.yml", "Go back"): "changes the token",
    ("application/remove.yml", "Take away the containers that a power cut left"): "removes them",
    ("application/schema.yml", "Apply it once"): "applies it",
    ("application/write.yml", "Have the host read the variables from their store"): "writes them",
    ("database_backup/write.yml", "Have the host read the password from its store"): "writes it",
    ("harvester/activate.yml", "Read what the services said"): "a check activates nothing that could fail",
    ("lab_host/create.yml", "Boot the hosts"): "boots them",
    ("lab_host/destroy.yml", "Remove the lab"): "removes it",
}
"""Commands whose answer a later task goes by, and that a check leaves out: why."""
DONE = {
    ("playbooks/cleanup.yml", "Bring the receipt to the host"): "the plan is made by it",
    ("playbooks/cleanup.yml", "Look what is in the bucket now"): "the plan is made by it",
}
"""What a check does on a host all the same, besides asking: why."""
ALL = {
    **{f"{path.parts[-3]}/{path.name}": path for path in sorted(ROOT.glob("roles/*/tasks/*.yml"))},
    **{f"playbooks/{path.name}": path for path in sorted(ROOT.glob("playbooks/*.yml"))},
}


@cache
def tasks_of(file: str) -> list[dict[str, Any]]:
    """Every task of a file, those of blocks as well, each with the conditions of its blocks; plays are blocks, too."""
    found = yaml.load(ALL[file].read_text("utf-8"), yaml.CSafeLoader)
    return [*inside(found, ())]


def inside(found: list[dict[str, Any]], conditions: tuple[Any, ...]) -> Any:
    for task in found:
        own = (*conditions, *([task["when"]] if "when" in task else []))
        yield task | {"conditions": own}
        parts = ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always")
        yield from inside([each for part in parts for each in task.get(part) or ()], own)


def name_of(task: dict[str, Any]) -> str:
    return str(task.get("name", "")).rpartition(" | ")[2]


def find(file: str, name: str) -> dict[str, Any]:
    [task] = [each for each in tasks_of(file) if name_of(each).startswith(name) and ("when" in each or ASSERT in each)]
    return task


@cache
def expressions(path: str) -> Any:
    """A file, its texts as Ansible's expressions."""
    return DataLoader().load_from_file(str(ROOT / path), trusted_as_template=True)


@cache
def known_of(file: str) -> dict[str, Any]:
    """The variables of a role and of those that it builds on; of a playbook those of its play."""
    role, found = file.partition("/")[0], dict(of_harvester())
    if role == "playbooks":
        for play in expressions(file):
            found |= play.get("vars", {})
    for path in (f"roles/{each}/{part}/main.yml" for each in ("rclone", role) for part in ("defaults", "vars")):
        if (ROOT / path).is_file():
            found |= expressions(path)
    return found


of_harvester = cache(variables)


@cache
def own_of(file: str) -> dict[str, dict[str, Any]]:
    """The variables of each task of a file, by its name."""
    return {each["name"]: each.get("vars", {}) for each in inside(expressions(str(ALL[file])), ()) if "name" in each}


def holds(file: str, task: dict[str, Any], condition: Any, given: dict[str, Any]) -> bool:
    templar = Templar(LOADER, known_of(file) | own_of(file)[task["name"]] | given)
    conditions = condition if isinstance(condition, list) else [condition]
    return all(templar.evaluate_conditional(trust_as_template(each)) for each in conditions)


def test_every_refusal_is_in_the_table() -> None:
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if ASSERT in task and not file.startswith("harvester/") and UNKNOWN not in name_of(task)
    }

    assert {(file, name_of(find(file, name))) for file, name in REFUSALS} == found


@pytest.mark.parametrize(("file", "name"), REFUSALS)
def test_a_refusal_lets_through_what_is_well_and_nothing_else(file: str, name: str) -> None:
    task, (well, refused) = find(file, name), REFUSALS[file, name]

    assert [given for given in well if not holds(file, task, task[ASSERT]["that"], given)] == []
    assert [given for given in refused if holds(file, task, task[ASSERT]["that"], given)] == []


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


def test_no_secret_is_shown_by_a_run_or_a_check() -> None:
    found = {
        (file, name_of(task)): {key for key in ("no_log", "diff") if task.get(key) is (key == "no_log")}
        for file in ALL
        for task in tasks_of(file)
        if task.get("no_log") is True or task.get("diff") is False
    }

    assert found == HIDDEN


def test_what_a_later_task_goes_by_is_asked_in_a_check_too() -> None:
    """A check that does not ask goes by an empty answer: it says that something changes, or lets through a refusal."""
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if {"ansible.builtin.command", "ansible.builtin.shell"} & {*task} and "register" in task
        if task.get("check_mode") is not False and "ansible_check_mode" not in str(task["conditions"])
    }

    assert found == {*NOT_ASKED}


def test_a_rescue_removes_nothing_but_what_its_block_has_brought() -> None:
    """What was there before, such as the token in force, is not for it."""
    brought, removed = {}, {}
    for file in ALL:
        for block in (task for task in tasks_of(file) if "rescue" in task):
            made = [
                next((task[each] for each in task if each.startswith("ansible.builtin.")), {})
                for task in block["block"]
            ]
            brought[file] = {each.get("dest") or each.get("path") for each in made if isinstance(each, dict)}
            gone = [task.get("ansible.builtin.file", {}) for task in block["rescue"]]
            removed[file] = {each["path"] for each in gone if each.get("state") == "absent"}

    assert {file: paths for file, paths in removed.items() if not paths <= brought[file]} == {}
    assert sum(map(len, removed.values())) >= 2


@pytest.mark.parametrize("where", ["overseer_settings", "rclone_secrets"])
@pytest.mark.parametrize(
    ("place", "is_in_aws"),
    [
        *((f"{store}:/a/b", True) for store in ("ssm", "secret")),
        ("s3://bucket/box", True),
        *((place, False) for place in ("file:/a/b", "/srv/box", "drive:box", "s3:box")),
    ],
)
def test_who_watches_reaches_the_machines_credentials_where_anything_of_it_is_in_aws(
    place: str, is_in_aws: bool, where: str
) -> None:
    given = {"overseer_settings": {}, "rclone_secrets": {}} | {where: {"deep": [{"inside": place}]}}

    found = Templar(LOADER, known_of("overseer/run.yml") | given).evaluate_conditional(
        trust_as_template("__overseer_in_aws")
    )

    assert found == is_in_aws


def test_what_starts_docker_at_a_call_is_stopped_before_docker() -> None:
    assert find("container_engine/remove.yml", "Stop Docker")["loop"] == ["docker.socket", "docker.service"]


def test_a_check_does_nothing_but_ask() -> None:
    """Apart from what its answer rests on."""
    asking = {"command", "shell", "stat", "slurp", "ec2_vpc_endpoint_info", "ec2_vpc_route_table_info", "aws_look"}
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if task.get("check_mode") is False and not asking & {each.rpartition(".")[2] for each in task}
    }

    assert found == {*DONE}
