"""The same host without a bucket: a laptop with its PostgreSQL takes the backups over SSH, by the host's own rights."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.application.laptop import Laptop, booted
from tests.application.test_backups_on_a_host import FORCE, run_unit
from tests.application.world import BACKUPS, World, changes
from tests.scenarios import lab_machine

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
DEPLOY = "playbooks/deploy.yml"
DELIVERY = "systemctl list-unit-files --no-legend 'harvester-deliver-database.*' | wc -l"
RECEIPTS = "/var/lib/harvester/deliveries/database"


@pytest.fixture(scope="module")
def unplaced(world: World) -> Iterator[dict[str, Any]]:
    """The place is taken away by a deploy, and given again; what the runs said."""
    world.say(database_backup={key: value for key, value in BACKUPS["database_backup"].items() if key != "place"})
    try:
        checked = world.here("ansible-playbook", DEPLOY, "--check", "--diff", "-e", FORCE)
        yield {"checked": checked, "first": changes(world.play(DEPLOY)), "second": changes(world.play(DEPLOY))}
    finally:
        world.say()
        world.play(DEPLOY)
    assert world.host("systemctl is-active harvester-deliver-database.timer", check=False).stdout == "active\n"


@pytest.fixture
def laptop() -> Iterator[Laptop]:
    with booted(Path(tempfile.mkdtemp(prefix="laptop-", dir="/tmp"))) as made:  # short, for a socket
        yield made


def pull(world: World, laptop: Laptop, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """As a person on the laptop does."""
    command = ["./inv", "pull-database", "--output", str(folder), *words]
    paths = f"{laptop.programs}:{world.environment['PATH']}"
    given = world.environment | laptop.environment | {"PATH": paths}
    return subprocess.run(command, cwd=world.root, env=given, capture_output=True, text=True, check=False, timeout=300)


def test_a_place_that_is_taken_away_takes_its_delivery_along_and_a_second_deploy_changes_nothing(
    world: World, unplaced: dict[str, Any]
) -> None:
    checked = unplaced["checked"]
    assert checked.returncode == 0, checked.stdout[-3000:] + checked.stderr[-1000:]
    assert unplaced["first"] > 0
    assert unplaced["second"] == 0
    assert world.host(DELIVERY).stdout.strip() == "0"
    assert json.loads(world.host("cat /etc/harvester/database.json").stdout).get("place") is None


def test_backups_come_by_the_hosts_own_sudo_and_are_noted_by_the_user_whose_receipts_they_are(
    world: World, unplaced: dict[str, Any], laptop: Laptop, tmp_path: Path
) -> None:
    assert unplaced["first"] > 0
    run_unit(world, "harvester-job-database-full.service")
    run_unit(world, "harvester-job-database-daily.service")

    done = pull(world, laptop, tmp_path, "--full")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "2 fetched" in done.stdout, done.stdout
    manifests = [json.loads(path.read_text()) for path in (tmp_path / "database/backups").glob("*/*.json")]
    newest = max(manifests, key=lambda manifest: str(manifest["made_at"]))
    rows = {table["name"]: table["rows"] for table in newest["tables"] if table["name"].startswith("my_schema.")}
    here = {name: int(laptop.sql(f"SELECT count(*) FROM {name}", "mydb")) for name in rows}  # noqa: S608  # ours
    assert here == rows and min(rows.values()) > 0
    noted = world.host(f"stat -c '%U %G %a' {RECEIPTS}/*.json; cat {RECEIPTS}/*.json").stdout
    assert noted.startswith("harvester-deliver harvester 640\n"), noted
    assert '"home": "laptop"' in noted and all(manifest["path"] in noted for manifest in manifests), noted

    again = pull(world, laptop, tmp_path)

    assert again.returncode == 0, again.stderr
    assert "0 fetched, 0 merged" in again.stdout, again.stdout
