"""The same host, whose inventory names no application any more, and then names it again."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.application.test_on_a_host import TABLES
from tests.application.world import World, changes
from tests.scenarios import lab_machine

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
OUT = {"application_source": "", "database_backup": {}, "database_backup_password_place": ""}
TRACES = (
    "ls -d /etc/systemd/system/market-app* /etc/systemd/system/harvester-job-application-*"
    " /etc/harvester/application.json /opt/market-app/current /opt/market-app/.env /opt/market-app/libexec/compose"
    " /etc/nftables.d/60-containers.nft"
    " /etc/systemd/system/multi-user.target.wants/docker.service 2>/dev/null"
)


def rows(world: World) -> dict[str, int]:
    return {table: int(world.sql(f"SELECT count(*) FROM my_schema.{table}")) for table in TABLES}  # noqa: S608  # ours


@pytest.fixture(scope="module")
def taken_out(world: World) -> Iterator[dict[str, Any]]:
    """What the runs said, and what the host had; the application is there again afterwards."""
    before = {"rows": rows(world), "traces": world.host(TRACES, check=False).stdout.split()}
    world.say(**OUT)
    try:
        within = world.here("ansible-playbook", "playbooks/deploy.yml", "--tags", "application")
        ran = world.healthy()
        checked = world.play("site.yml", "--check", "--diff")
        unharmed = world.healthy()
        first = world.play("site.yml")
        second = changes(world.play("site.yml"))
        yield before | {
            "within": within, "ran": ran, "checked": checked, "unharmed": unharmed, "first": first, "second": second
        }  # fmt: skip
    finally:
        world.say()
        world.play("site.yml")
    again = rows(world)
    assert world.healthy()
    assert all(again[table] >= before["rows"][table] for table in TABLES), (before["rows"], again)


def test_within_its_hours_its_end_wants_a_yes(taken_out: dict[str, Any]) -> None:
    within: subprocess.CompletedProcess[str] = taken_out["within"]
    assert within.returncode != 0
    assert "which its inventory names no more, and its hours are now: nothing of it is touched" in " ".join(
        within.stdout.split()
    ), within.stdout[-3000:]
    assert taken_out["ran"]


def test_a_check_shows_what_would_go_and_touches_nothing(taken_out: dict[str, Any]) -> None:
    assert changes(taken_out["checked"]) > 0
    assert "would run market-app no more" in " ".join(taken_out["checked"].split())
    assert taken_out["unharmed"]


def test_units_timers_variables_and_the_firewalls_part_are_gone_and_its_data_is_not(
    world: World, taken_out: dict[str, Any]
) -> None:
    assert len(taken_out["traces"]) >= 13, taken_out["traces"]
    assert "runs market-app no more: its inventory names no application" in " ".join(taken_out["first"].split())
    assert world.host(TRACES, check=False).stdout == ""
    assert (
        "market-app"
        not in world.host("systemctl list-units --all --no-legend 'market-app*'; systemctl --failed").stdout
    )
    assert "chain containers" not in world.host("nft list table inet host_hardening").stdout
    assert (
        world.host("systemctl is-active docker.service docker.socket", check=False).stdout.split() == ["inactive"] * 2
    )
    assert world.host("ls /opt/market-app/releases; ls /var/lib/docker/volumes").stdout.count("market-app") >= 1


def test_a_second_run_changes_nothing_and_nothing_of_it_is_due(world: World, taken_out: dict[str, Any]) -> None:
    assert taken_out["second"] == 0
    known = world.host("/opt/harvester/current/bin/harvester job list").stdout
    assert "application-" not in known, known
    due = world.here("./inv", "due")
    assert "application-" not in due.stdout, due.stdout
