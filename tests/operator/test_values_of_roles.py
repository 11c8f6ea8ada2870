"""What the conditions of roles and playbooks rest on: values that are derived from what a host or the inventory says.

The tables of conditions state these values; here each is derived from what comes before it.
"""

from base64 import b64encode
from typing import Any

import pytest
import yaml
from ansible.template import Templar, trust_as_template
from conditions import ALL, LOADER, ROOT, known_of, own_of, tasks_of
from tests.operator import test_conditions_of_roles, test_refusals_of_roles, test_role_refusals

ELSEWHERE = {
    "__harvester_deployment": "tests/operator/test_activation.py",
    "__harvester_fallback": "tests/operator/test_activation.py",
    "__harvester_frozen": "tests/operator/test_activation.py",
    "__harvester_unwell": "tests/operator/test_activation.py",
    "__harvester_login_refusal": "tests/us/test_us_inventory.py",
    "__harvester_refusal": "tests/operator/test_fleet_shares.py",
    "__preflight_login": "tests/us/test_us_inventory.py",
    "__preflight_refusal": "tests/operator/test_fleet_shares.py",
    "__harvester_strangers": "tests/contract/test_roles.py",
    "__host_baseline_snap_refresh": "tests/operator/test_shown_zone.py",
}
"""Derived values that another file has the tests of."""
STATED = {"__harvester_target", "__harvester_units"}
"""Inputs of tasks, which each caller states."""
Given = dict[str, Any]
Cases = list[tuple[Given, Any]]


def link(target: str | None) -> Given:
    stat = {"exists": False} if target is None else {"exists": True, "lnk_target": f"releases/{target}"}
    return {"__application_link": {"stat": stat}}


def installed(*names: str, **more: Any) -> Given:
    return {"ansible_facts": {"packages": {name: [] for name in names}, **more}}


def login(words: str, *sources: str) -> Given:
    env = {"SSH_CONNECTION": words} if words else {}
    return {"ansible_facts": {"env": env}, "host_hardening_ssh_sources": [*sources]}


def keys(remove: str, *lines: str) -> Given:
    content = b64encode("\n".join(lines).encode()).decode()
    return {"rotate_ssh_key_remove": remove, "__rotate_ssh_key_file": {"content": content}}


def groups(*members: str) -> Given:
    found = {"docker": ["x", "999", ",".join(members)]} if members else {}
    return {"ansible_facts": {"getent_group": found}}


BUILT = {"__application_built": {"stdout": '{"release": "r2"}'}}
CHANGED, SAME, SKIPPED = {"changed": True}, {"changed": False}, {"skipped": True}
OURS, THEIRS = "ssh-ed25519 AAAAours+b/c== me", "ssh-ed25519 AAAAtheirs"
UBUNTU = {"distribution": "Ubuntu"}
ENGINE = ("curl", "docker.io", "docker-buildx", "docker-compose-v2", "iptables")
JOBS = {
    "__jobs_judged": {
        "stdout": '[{"name": "a", "unit": "harvester-job-a", "user": "harvester-jobs"},'
        ' {"name": "b", "unit": "harvester-job-b", "user": "harvester-close"},'
        ' {"name": "c", "unit": "harvester-job-c", "user": "etl"}]'
    }
}
BUILD = {"__harvester_built": {"stdout": '{"release": "c3"}'}, "__harvester_before": {"current": "b2-1"}}
SWITCHED = {"__harvester_before": {"unproven": ["a1-0"]}, "__harvester_switched": {"unproven": ["c3-2"]}}
WORKERS = {"aws_account_region": "ap-south-1", "rclone_secrets": {}}
VALUES: dict[tuple[str, str], Cases] = {
    ("playbooks/rotate_ssh_key.yml", "__rotate_ssh_key_others"): [
        (keys(OURS, OURS), []),
        (keys(OURS, "# ours", OURS, "", "  "), []),
        (keys(OURS, OURS.removesuffix(" me"), "ssh-ed25519 AAAAours+b/c== another comment"), []),
        (keys(OURS, OURS, THEIRS), [THEIRS]),
        (keys(OURS, "ssh-ed25519 AAAAourssb/c=="), ["ssh-ed25519 AAAAourssb/c=="]),
    ],
    ("application", "__application_before"): [(link("r1"), "r1"), (link(None), "")],
    ("application", "__application_is_new"): [
        (BUILT | link("r1"), True),
        (BUILT | link("r2"), False),
        (BUILT | link(None), True),
    ],
    ("application", "__application_interrupts"): [
        (
            BUILT | link(target) | {"__application_variables": variables, "__application_stored": stored},
            target == "r1" or CHANGED in (variables, stored),
        )
        for target in ("r1", "r2")
        for variables, stored in ((CHANGED, SKIPPED), (SAME, SKIPPED), (SKIPPED, CHANGED), (SKIPPED, SAME))
    ],
    ("application", "__application_left"): [
        (
            {
                "__application_seen": {
                    "results": [{"item": each, "stat": {"exists": each != "/b"}} for each in ("/a", "/b", "/c")]
                }
            },
            ["/a", "/c"],
        )
    ],
    ("container_engine", "__container_engine_members"): [
        (groups("harvester-jobs", "ubuntu", "harvester-alert"), ["harvester-alert", "harvester-jobs"]),
        (groups(""), []),
        (groups(), []),
    ],
    ("container_engine", "__container_engine_missing"): [
        (installed(*ENGINE, **UBUNTU), []),
        (installed(*ENGINE[1:], **UBUNTU), ["curl"]),
        (installed("curl", distribution="Arch") | {"container_engine_packages": ["curl", "podman"]}, ["podman"]),
    ],
    ("container_engine", "__container_engine_others"): [
        ({"__container_engine_found": {"stdout_lines": ["market-app market-app-db-1", "market-app x"]}}, []),
        (
            {"__container_engine_found": {"stdout_lines": ["market-app db", "market-app2 a", "my-market-app b", " c"]}},
            ["a", "b", "c"],
        ),
        ({"__container_engine_found": SKIPPED}, []),
    ],
    ("database_backup", "__database_backup_delivers"): [
        ({"database_backup": {"place": "s3://bucket/box"}}, True),
        *(({"database_backup": given}, False) for given in ({}, {"place": ""}, {"place": None})),
    ],
    ("host_baseline", "__host_baseline_container"): [
        ({"ansible_facts": {"virtualization_tech_guest": given}}, "container" in given)
        for given in (["container", "systemd-nspawn"], ["kvm"], [])
    ],
    ("host_baseline", "__host_baseline_missing"): [
        (installed("cron") | {"host_baseline_packages": ["cron"], "host_baseline_further_packages": []}, []),
        (
            installed("cron") | {"host_baseline_packages": ["cron", "a"], "host_baseline_further_packages": ["b"]},
            ["a", "b"],
        ),
    ],
    ("host_hardening", "__host_hardening_missing"): [
        (installed("nftables", "more") | {"host_hardening_packages": ["fail2ban", "nftables"]}, ["fail2ban"])
    ],
    ("host_hardening", "__host_hardening_source_allowed"): [
        (login("203.0.113.7 40000 10.0.0.5 22", "203.0.113.0/24"), True),
        (login("203.0.113.7 40000 10.0.0.5 22", "10.0.0.0/24", "198.51.100.7/32"), False),
        (login("2001:db8::7 40000 2001:db8::5 22", "2001:db8::/64"), True),
        (login("203.0.113.7 40000 10.0.0.5 22"), False),
        (login(""), True),
    ],
    ("host_hardening", "__host_hardening_ssh_ports"): [
        (login("203.0.113.7 40000 10.0.0.5 2200"), [22, 2200]),
        (login("203.0.113.7 40000 10.0.0.5 22") | {"ansible_port": "2222"}, [22, 2222]),
        (login("") | {"host_hardening_ssh_ports": [2200, 22]}, [22, 2200]),
    ],
    ("jobs", "__jobs_userless"): [
        (JOBS | {"ansible_facts": {"getent_passwd": {"etl": []}}}, []),
        (
            JOBS | {"ansible_facts": {"getent_passwd": {"root": []}}},
            [{"name": "c", "unit": "harvester-job-c", "user": "etl"}],
        ),
    ],
    ("jobs", "__jobs_surplus"): [
        (
            JOBS
            | {
                "__jobs_found": {
                    "files": [
                        {"path": f"/etc/systemd/system/harvester-job-{each}"}
                        for each in ("a.timer", "a.service", "old.timer", "old.service")
                    ]
                }
            },
            ["harvester-job-old.service", "harvester-job-old.timer"],
        ),
        (JOBS | {"__jobs_found": {}}, []),
    ],
    ("overseer", "__overseer_left"): [
        (
            {
                "__overseer_found": {
                    "files": [
                        {"path": each}
                        for each in (
                            "/etc/systemd/system/harvester-workers.timer",
                            "/etc/harvester/harvester-workers.timer",
                        )
                    ]
                }
            },
            ["/etc/systemd/system/harvester-workers.timer"],
        )
    ],
    ("harvester", "__harvester_whole"): [
        ({"ansible_run_tags": tags}, whole)
        for tags, whole in ((["all"], True), (["harvester"], True), (["harvester_config"], False), (["jobs"], False))
    ],
    ("harvester", "__harvester_release"): [
        (BUILD | {"ansible_run_tags": ["all"]}, "c3"),
        (BUILD | {"ansible_run_tags": ["harvester_config"]}, "b2"),
    ],
    ("harvester", "__harvester_untried"): [
        (SWITCHED, ["c3-2"]),
        ({"__harvester_before": SWITCHED["__harvester_before"]}, ["a1-0"]),
    ],
    ("harvester", "__harvester_operators_missing"): [
        ({"harvester_operators": ["a", "b"], "ansible_facts": {"getent_group": given}}, missing)
        for given, missing in (
            ({"harvester": ["x", "998", "b,c"]}, ["a"]),
            ({"harvester": ["x", "998", "a,b"]}, []),
            ({"other": ["x", "997", "a,b"]}, ["a", "b"]),
        )
    ],
    ("harvester", "__harvester_users_missing"): [
        (
            {"__harvester_users": ["a", "b"], "ansible_facts": {"getent_passwd": {"b": [], "c": []}}},
            ["a"],
        )
    ],
}
"""By role and name: what is given, and the value."""


def value_of(where: str, name: str, given: Given) -> Any:
    """A list in an order of its own: Ansible's filters of sets keep none."""
    file = where if where.startswith("playbooks/") else f"{where}/main.yml"
    known = dict(known_of(file))
    for own in own_of(file).values() if where.startswith("playbooks/") else ():
        known |= own
    found = Templar(LOADER, known | given).template(trust_as_template(f"{{{{ {name} }}}}"))
    return sorted(found, key=str) if isinstance(found, list) else found


@pytest.mark.parametrize(("where", "name"), VALUES)
def test_a_value_is_what_the_host_and_the_inventory_say(where: str, name: str) -> None:
    cases = VALUES[where, name]

    assert [value_of(where, name, given) for given, _ in cases] == [expected for _, expected in cases]


@pytest.mark.parametrize(
    ("mailbox", "stated", "expected"),
    [
        ("/srv/box", {}, {"data_dir": "/var/lib/harvester/workers", "region": None}),
        ("s3://bucket/box", {}, {"region": "ap-south-1"}),
        ("s3://bucket/box", {"region": "us-east-1", "host_id": "other"}, {"region": "us-east-1", "host_id": "other"}),
    ],
)
def test_what_the_inventory_says_of_workers_counts_before_what_the_role_knows(
    mailbox: str, stated: Given, expected: Given
) -> None:
    given = WORKERS | {"overseer_settings": {"workers": [{"mailbox": mailbox}], **stated}}

    found = value_of("overseer", "__overseer_settings", given)

    assert found["workers"] == [{"mailbox": mailbox}]
    assert {name: found.get(name) for name in expected} == expected


def test_every_value_that_the_tables_of_conditions_state_is_derived_somewhere() -> None:
    """Or the value would be right in the table, and wrong on the host."""
    tables = (
        test_refusals_of_roles.REFUSALS,
        test_conditions_of_roles.STEPS,
        test_role_refusals.REFUSALS,
        test_role_refusals.STEPS,
    )
    stated = {
        name for table in tables for cases in table.values() for given in (*cases[0], *cases[1]) for name in given
    }
    derived = set()
    for path in (*ROOT.glob("roles/*/vars/main.yml"), *ROOT.glob("roles/harvester/vars/main/*.yml")):
        found = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) or {}
        derived |= {name for name, value in found.items() if "{{" in str(value) and not name.startswith("__aws_")}
    for file in ALL:
        for task in tasks_of(file):
            derived |= {name for name, value in (task.get("vars") or {}).items() if "{{" in str(value)}

    known = {name for _, name in VALUES} | {"__overseer_settings"} | {*ELSEWHERE} | STATED
    assert (stated & derived) - known == set()
    assert all(
        name in (ROOT / where).read_text("utf-8")
        for name, where in ELSEWHERE.items()
        if where.endswith(("test_activation.py", "test_shown_zone.py"))
    )
