"""A booted host with Docker: the users' checklist, as far as it is not of the database's copies."""

import re
import subprocess

import pytest
import yaml
from tests.application.world import HOST, World, changes
from tests.scenarios import lab_machine

from lab.testing import wait_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
TABLES = ("ticks", "raw_ticks", "holdings", "positions", "market_structure", "rt_intraday_price")
PROBE = "import socket; socket.create_connection(('{0}', {1}), 3).close()"


def in_a_container(world: World, address: str, port: int) -> str:
    """What a connection from the application's container says; empty where it is let through."""
    done = world.host(
        f'/opt/market-app/libexec/compose exec -T app python3 -c "{PROBE.format(address, port)}" 2>&1 | tail -1',
        check=False,
    )
    return done.stdout.strip()


def release(world: World) -> str:
    return world.host("basename $(readlink /opt/market-app/current)").stdout.strip()


def test_what_the_exchange_says_is_in_every_table(world: World) -> None:
    assert world.healthy()
    counts = {table: int(world.sql(f"SELECT count(*) FROM my_schema.{table}")) for table in TABLES}  # noqa: S608  # ours
    assert min(counts.values()) >= 1, counts
    assert wait_until(lambda: int(world.sql("SELECT count(*) FROM my_schema.raw_ticks")) > counts["raw_ticks"] + 2, 60)


def test_a_second_run_changes_nothing(world: World) -> None:
    assert changes(world.play("site.yml")) == 0


def test_the_variables_are_roots_alone_and_nobody_of_ours_is_in_the_group_docker(world: World) -> None:
    found = world.host(
        "stat -c '%U %a' /opt/market-app/.env /opt/market-app/releases; getent group docker | cut -d: -f4"
    )
    assert found.stdout.split() == ["root", "600", "root", "700"]
    assert world.host("ss -Hltn | awk '{print $4}' | grep -v -e '^127' -e '^\\[::1\\]' | sort -u").stdout.split() == [
        "0.0.0.0:22",
        "[::]:22",
    ]


def test_containers_reach_neither_the_metadata_nor_the_host_and_each_other_they_do(world: World) -> None:
    def probes() -> dict[str, str]:
        return {
            "database": in_a_container(world, "postgres", 5432),
            "metadata": in_a_container(world, "169.254.169.254", 80),
            "ssh of the host": in_a_container(world, world.lab.host(HOST).address, 22),
            "a port that is not open": in_a_container(world, "198.51.100.1", 5000),
        }

    for what in ("true", "systemctl start nftables", "systemctl reload nftables", "systemctl restart nftables"):
        world.host(what)
        found = probes()
        assert found["database"] == "", (what, found)
        assert all(found[name] for name in found if name != "database"), (what, found)
        assert world.healthy()
        assert "DOCKER" in world.host("nft list ruleset").stdout, what


def test_a_killed_application_is_back_and_its_rows_with_it(world: World) -> None:
    before = int(world.sql("SELECT count(*) FROM my_schema.raw_ticks"))
    world.host("kill -9 $(docker inspect -f '{{.State.Pid}}' market-app-app-1)")
    assert wait_until(lambda: not world.healthy(), 30)
    assert wait_until(world.healthy, 120)
    assert int(world.sql("SELECT count(*) FROM my_schema.raw_ticks")) >= before
    world.host("systemctl reset-failed market-app")


def test_a_stop_is_in_order_and_the_log_has_it(world: World) -> None:
    done = world.here("./inv", "stop", "--application")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.host("docker ps --all --quiet").stdout == ""
    said = world.here("./inv", "logs", "--application", "--lines", "60").stdout
    assert re.search(r"market-app-app-1.*ended after \d+ answers", said), said
    assert "database system is shut down" in said
    assert world.here("./inv", "start", "--application").returncode == 0
    assert world.healthy()
    status = world.here("./inv", "status", "--application")
    assert (
        status.returncode == 0
        and "ActiveState=active" in status.stdout
        and '"ok": true' in status.stdout.replace("\\", "")
    )


def test_the_tunnel_reaches_it_and_no_other_port(world: World) -> None:
    process = subprocess.Popen(
        ["./inv", "tunnel", "--to", "8000", "--here", "18000"], cwd=world.root, env=world.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        ask = ["curl", "--fail", "--silent", "--max-time", "5", "http://127.0.0.1:18000/health"]
        assert wait_until(lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0, 60)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_boot_within_the_hours_starts_it_and_one_outside_does_not(world: World) -> None:
    boot = world.host(
        "cat /proc/sys/kernel/random/boot_id; systemctl show --property=UserspaceTimestampMonotonic"
    ).stdout
    world.host("systemctl stop market-app; systemctl start market-app-boot")
    assert world.healthy(), boot
    described = world.host("cat /etc/harvester/application.json").stdout
    try:
        # A minute of the day that is over, or has not come.
        world.host("sed -i 's/open-5m/open-2m/; s/close+5m/open-1m/' /etc/harvester/application.json")
        world.host("systemctl stop market-app; systemctl start market-app-boot")
        assert not world.healthy()
    finally:
        world.host(f"cat >/etc/harvester/application.json <<'E'\n{described}E\nsystemctl start market-app")


def test_the_check_of_its_hours_leaves_what_is_well_alone(world: World) -> None:
    started = world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout
    records = "cat /var/lib/harvester/jobs/application-check/*.jsonl"
    before = world.host(records, check=False).stdout

    def ran() -> str:
        return world.host(records, check=False).stdout.removeprefix(before)

    assert wait_until(lambda: "application-check" in ran(), 400), "it is due every five minutes"
    assert '"result":"ok"' in ran().replace(" ", ""), ran()
    assert world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout == started


def test_its_jobs_are_due_and_a_check_that_fails_restarts_it(world: World) -> None:
    names = world.host("systemctl list-timers --all --no-legend 'harvester-job-application-*' | wc -l").stdout.strip()
    assert names == "3"
    stopped = world.host(
        "docker pause market-app-app-1; /opt/harvester/current/bin/harvester application check", check=False
    )
    assert stopped.returncode == 1
    assert "It was restarted, and is well since." in stopped.stderr
    assert world.healthy()


def test_another_release_is_switched_to_and_back_without_the_network(world: World) -> None:
    before = release(world)
    program = world.project / "app/recorder.py"
    program.write_text(program.read_text().replace('print(f"recording', 'print(f"now recording'))
    world.play("playbooks/deploy.yml", "--tags", "application")
    after = release(world)
    assert after != before and world.healthy()
    assert "now recording" in world.host("docker logs market-app-app-1").stdout

    done = world.here("./inv", "rollback", "--application")
    assert done.returncode == 0, done.stdout + done.stderr
    assert release(world) == before and world.healthy()
    assert "now recording" not in world.host("docker logs market-app-app-1").stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": "registry.invalid/none:1"}, "the image registry.invalid/none:1 cannot be had"),
        ({"image": "postgres:17", "network_mode": "host"}, "network_mode: host"),
        ({"image": "postgres:17", "environment": {"POSTGRES_PASSWORD": "postgres"}}, "POSTGRES_PASSWORD is a default"),
        ({"image": "postgres:17", "volumes": ["/var/lib/harvester:/x"]}, "which containers must not see"),
        ({"image": "postgres:17", "depends_on": ["nobody"]}, "Docker Compose refuses the project"),
        ({"image": "postgres:17", "command": "${LACKING}"}, "${LACKING} is not in"),
    ],
)
def test_a_project_that_cannot_run_is_refused_and_what_runs_goes_on(change: object, says: str, world: World) -> None:
    compose = world.project / "docker-compose.yml"
    good, before = compose.read_text(), release(world)
    started = world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout
    content = yaml.safe_load(good)
    content["services"]["more"] = change
    compose.write_text(yaml.safe_dump(content))
    try:
        words = ["ansible-playbook", "playbooks/deploy.yml", "--tags", "application"]
        done = world.here(*words, "-e", '{"harvester_override_blackout": true}')
    finally:
        compose.write_text(good)
    assert done.returncode != 0
    assert says in " ".join(done.stdout.split()), done.stdout[-3000:]
    assert release(world) == before
    assert world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout == started


def test_a_release_that_never_becomes_well_goes_back(world: World) -> None:
    program, before = world.project / "app/recorder.py", release(world)
    good = program.read_text()
    program.write_text(good.replace("ANSWER_SECONDS = 3.0, 60.0", "ANSWER_SECONDS = 3.0, -1.0"))
    world.say(application_health_seconds=10)
    try:
        words = ["ansible-playbook", "playbooks/deploy.yml", "--tags", "application"]
        done = world.here(*words, "-e", '{"harvester_override_blackout": true}')
    finally:
        program.write_text(good)
        world.say()
    assert done.returncode != 0
    assert f"is back on release {before}" in " ".join(done.stdout.split())
    assert release(world) == before
    assert wait_until(world.healthy, 60)


def test_within_its_hours_another_release_wants_a_yes(world: World) -> None:
    readme = world.project / "README.md"
    readme.write_text(readme.read_text() + "\n")
    done = world.here("ansible-playbook", "playbooks/deploy.yml", "--tags", "application")
    assert done.returncode != 0 and "another release would interrupt it" in " ".join(done.stdout.split())


def test_nothing_of_it_has_failed_at_the_end(world: World) -> None:
    assert "market-app" not in world.host("systemctl --failed --no-legend").stdout
