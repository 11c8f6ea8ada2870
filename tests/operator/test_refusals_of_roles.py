"""What the other roles and the playbooks refuse: their assertions, rendered by Ansible.

Of the role harvester `test_role_refusals.py` has the same.
"""

import pytest
from conditions import ALL, ASSERT, BARE, DEPLOYED, HERE, PLACED, Given, code, find, holds, name_of, state, tasks_of

UNKNOWN = "variables that the role does not know"
"""That refusal is tests/contract/test_roles.py's."""
HOURS = {"harvester_override_blackout": False}


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
