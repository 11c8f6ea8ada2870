"""The same host: backups of its database by its units, secrets from SSM, and what a boot or a neighbour does."""

import json
from typing import Any

import pytest
from tests.application.test_on_a_host import TABLES, release
from tests.application.world import BUCKET, ENVIRONMENT, HOST, PASSWORD, VARIABLES_PARAMETER, World
from tests.scenarios import lab_machine

from lab import hosts
from lab.testing import wait_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
DEPLOY = ("ansible-playbook", "playbooks/deploy.yml", "--tags", "application", "-e")
FORCE = '{"harvester_override_blackout": true}'
JOBS = "/var/lib/harvester/jobs"


def objects(world: World) -> list[str]:
    found = world.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return sorted(row["Key"] for row in found)


def run_unit(world: World, name: str) -> None:
    done = world.host(f"systemctl start {name}", check=False)
    assert done.returncode == 0, world.host(f"journalctl -u {name} --no-pager -n 30").stdout


def last_record(world: World, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.host(f"cat {JOBS}/{job}/*.jsonl | tail -1").stdout)
    return found


def test_a_check_of_the_untouched_host_passed(world: World) -> None:
    assert world.checked is not None
    assert world.checked.returncode == 0, world.checked.stdout[-3000:] + world.checked.stderr[-1000:]
    assert PASSWORD not in world.checked.stdout


def test_a_days_rows_are_in_the_bucket_and_a_full_backup_is_restored_by_the_units(world: World) -> None:
    run_unit(world, "harvester-job-database-daily.service")
    run_unit(world, "harvester-job-database-full.service")
    run_unit(world, "harvester-deliver-database.service")
    keys = objects(world)
    assert [key.rpartition("/")[0] for key in keys] == ["database/daily"] * 3 + ["database/weekly"] * 3, keys
    body = world.client("s3").get_object(Bucket=BUCKET, Key=keys[1])["Body"].read()
    rows = {table["name"]: table["rows"] for table in json.loads(body)["tables"]}
    assert {f"my_schema.{name}" for name in TABLES} == rows.keys() and min(rows.values()) > 0, rows
    run_unit(world, "harvester-job-database-restore-test.service")
    assert last_record(world, "database-restore-test")["result"] == "ok"
    assert world.sql("SELECT count(*) FROM pg_database WHERE datname LIKE '%restore%'") == "0"
    # Each is a due of its day: the restore test of Sundays.
    known = world.host("/opt/harvester/current/bin/harvester job list").stdout
    assert all(f"database-{name}" in known for name in ("daily", "full", "restore-test")), known


def test_the_password_came_from_ssm_and_is_roots_alone(world: World) -> None:
    found = world.host("stat -c '%U %a' /etc/harvester/database-password; cat /etc/harvester/database-password")
    assert found.stdout.split("\n")[:2] == ["root 600", PASSWORD]
    journal = world.host("journalctl --no-pager -o cat; systemctl show 'harvester-*' --property=Environment").stdout
    assert PASSWORD not in journal


def test_variables_in_ssm_are_read_at_a_deploy_and_at_each_start(world: World) -> None:
    ssm, text = world.client("ssm"), world.variables.read_text()
    ssm.put_parameter(Name=VARIABLES_PARAMETER, Value=text.strip(), Type="SecureString")
    stored = {
        "application_env_file": "",
        "application_env_place": f"ssm:{VARIABLES_PARAMETER}",
        "application_env_region": "ap-south-1",
        "application_env_environment": ENVIRONMENT,
    }
    world.say(**stored)
    try:
        done = world.here(*DEPLOY, FORCE)
        assert done.returncode == 0, done.stdout[-3000:]
        assert PASSWORD not in done.stdout
        assert world.host("cat /opt/market-app/.env").stdout == text
        more = text + "MORE='1'\n"
        ssm.put_parameter(Name=VARIABLES_PARAMETER, Value=more.strip(), Type="SecureString", Overwrite=True)
        within = world.here("ansible-playbook", "playbooks/deploy.yml", "--tags", "application")
        assert within.returncode != 0 and "other variables would interrupt it" in " ".join(within.stdout.split())
        world.host("systemctl restart market-app")
        assert world.host("cat /opt/market-app/.env").stdout == more
        assert world.healthy()
    finally:
        world.say()
        done = world.here(*DEPLOY, FORCE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert world.host("cat /opt/market-app/.env").stdout == text


def test_an_image_that_cannot_be_built_leaves_what_runs(world: World) -> None:
    dockerfile, before = world.project / "app/Dockerfile", release(world)
    started = world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout
    good = dockerfile.read_text()
    dockerfile.write_text(good + "COPY nothing-of-that-name /\n")
    try:
        done = world.here(*DEPLOY, FORCE)
    finally:
        dockerfile.write_text(good)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0 and "The images of app cannot be built:" in said, said[-2000:]
    assert f"goes on with release {before}" in said
    assert release(world) == before
    assert world.host("docker inspect -f '{{.State.StartedAt}}' market-app-app-1").stdout == started


def test_a_port_that_a_neighbour_took_is_named_by_a_deploy_and_by_the_log(world: World) -> None:
    readme = world.project / "README.md"
    good = readme.read_text()
    world.host("systemctl stop market-app harvester-job-application-check.timer")
    world.host("systemd-run --unit=neighbour python3 -m http.server 8000 --bind 127.0.0.1")
    try:
        assert wait_until(lambda: world.host("ss -Hltn sport = :8000").stdout != "", 30)
        readme.write_text(good + "\n")
        done = world.here(*DEPLOY, FORCE)
        said = " ".join(done.stdout.split())
        assert done.returncode != 0 and "service app: port 8000 of the host is taken by python3 (process" in said, said
        assert world.host("systemctl start market-app", check=False).returncode != 0
        log = world.here("./inv", "logs", "--application", "--lines", "200").stdout
        assert "address already in use" in log or "port is already allocated" in log, log[-3000:]
    finally:
        readme.write_text(good)
        world.host("systemctl stop neighbour; systemctl reset-failed; systemctl start market-app")
        world.host("systemctl start harvester-job-application-check.timer")
    assert world.healthy()


def test_a_boot_within_the_hours_starts_it(world: World) -> None:
    rows = int(world.sql("SELECT count(*) FROM my_schema.raw_ticks"))
    hosts.cut_power(world.lab.host(HOST))
    assert wait_until(lambda: world.host("true", check=False).returncode == 0, 180)
    assert wait_until(world.healthy, 240), world.host("systemctl status market-app market-app-boot --no-pager").stdout
    assert int(world.sql("SELECT count(*) FROM my_schema.raw_ticks")) >= rows
