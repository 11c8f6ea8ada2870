"""The laptop: what the bucket has and the database here lacks is fetched once, checked, and merged in order."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from tests.commands.places import no_room
from tests.database.world import MONDAY, World, days
from tests.postgresql_server import running_server

from harvester.base.errors import HarvesterError
from harvester.database.chain import HoleError
from harvester.database.merge import MergeError, Rules
from harvester.database.programs import Program
from harvester.database.restore import create, switch
from harvester.database.server import Server
from runbook.doctor.database import check_backups

TUESDAY = MONDAY + timedelta(days=1)


def backed_up(world: World, count: int, ticks: int = 20) -> None:
    """So many days, each in the bucket."""
    for day in days(count):
        world.trade(day, ticks)
        world.back_up(day)
        world.deliver()


def test_what_the_bucket_has_is_merged_day_by_day_and_a_second_run_does_nothing(world: World) -> None:
    backed_up(world, 3)
    pulled = world.pull()
    assert [backup.day for backup, _ in pulled.merged] == days(3)
    assert (pulled.there, pulled.fetched) == (3, 3)
    assert world.differences() == []
    again = world.pull()
    assert (again.there, again.fetched, again.merged, again.left) == (3, 0, [], [])


def test_only_what_is_new_is_fetched(world: World) -> None:
    backed_up(world, 1)
    world.pull()
    world.trade(TUESDAY)
    world.back_up(TUESDAY)
    world.deliver()
    pulled = world.pull()
    assert ([backup.day for backup, _ in pulled.merged], pulled.fetched) == ([TUESDAY], 1)


def test_a_dry_run_fetches_and_counts_and_the_next_run_merges(world: World) -> None:
    backed_up(world, 1)
    dry = world.pull(Rules(dry_run=True))
    assert sum(each.inserted for each in dry.merged[0][1]) > 0
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    pulled = world.pull()
    assert (pulled.fetched, len(pulled.merged)) == (0, 1)


def test_doctor_names_a_pg_restore_that_is_older_than_what_was_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(check_backups(world.root / "pulled")) == []
    backed_up(world, 1)
    world.pull()
    [good] = check_backups(world.root / "pulled")
    assert good.level == "ok" and "reads daily/incremental_2026-11-23.dump.gz" in good.detail
    old = [Program(Path("/x/pg_restore"), 9, "9.6")]
    monkeypatch.setattr("harvester.database.programs.find_programs", lambda _: old)
    [bad] = check_backups(world.root / "pulled")
    assert bad.level == "fail" and "here pg_restore 9.6 is older" in bad.detail and "Install that version's" in bad.fix


def test_a_download_goes_on_where_it_stopped(world: World) -> None:
    backed_up(world, 1)
    partial = world.root / "pulled/database/partial/daily/incremental_2026-11-23.dump.gz"
    partial.parent.mkdir(parents=True)
    whole = (world.folder / "daily/incremental_2026-11-23.dump.gz").read_bytes()
    partial.write_bytes(whole[:1000])
    assert world.pull().fetched == 1
    assert world.differences() == []


def test_a_full_disk_of_the_laptop_keeps_what_came_and_merges_nothing(world: World) -> None:
    backed_up(world, 1)
    with no_room(), pytest.raises(HarvesterError, match="There is no room left"):
        world.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    world.pull()
    assert world.differences() == []


def test_a_dump_with_other_bytes_is_kept_aside_and_nothing_is_merged(world: World) -> None:
    backed_up(world, 2)
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    key = "database/daily/incremental_2026-11-24.dump.gz"
    body = bytearray(client.get_object(Bucket=world.bucket, Key=key)["Body"].read())
    body[len(body) // 2] ^= 1
    client.put_object(Bucket=world.bucket, Key=key, Body=bytes(body))
    with pytest.raises(HarvesterError, match="is not what its manifest says, and is kept in quarantine"):
        world.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    assert any((world.root / "pulled/database/quarantine").iterdir())
    assert not (world.root / "pulled/database/backups/daily/incremental_2026-11-24.dump.gz").exists()


def test_a_day_that_is_in_no_backup_is_told_and_a_full_one_brings_it(world: World) -> None:
    backed_up(world, 1)
    world.pull()
    for day in days(3, TUESDAY):
        world.trade(day, 20)
        world.back_up(day)
        world.deliver()
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    for day in days(2, TUESDAY):
        for suffix in ("dump.gz", "json"):
            client.delete_object(Bucket=world.bucket, Key=f"database/daily/incremental_{day}.{suffix}")
    with pytest.raises(HoleError, match="has the rows since 2026-11-26"):
        world.pull()
    world.run("DELETE FROM my_schema.ticks_depth WHERE level = 2")
    world.back_up_all(MONDAY + timedelta(days=4))
    world.deliver()
    pulled = world.pull(full=True)
    assert [backup.kind for backup, _ in pulled.merged] == ["full"]
    names = [name for name in ("my_schema.ticks", "my_schema.raw_ticks", "my_schema.holdings")]
    assert world.differences(names) == []
    assert len(world.pull().merged) == 0


def test_a_full_backup_makes_the_database_where_there_is_none(world: World) -> None:
    world.trade(MONDAY)
    world.run("CREATE VIEW my_schema.last AS SELECT max(id) FROM my_schema.ticks")
    world.back_up_all(MONDAY)
    world.trade(TUESDAY)
    world.back_up(TUESDAY)
    world.deliver()
    with pytest.raises(HarvesterError, match="--full makes it"):
        world.pull(database="fresh")
    try:
        pulled = world.pull(full=True, database="fresh")
        assert pulled.fetched == 2
        world.laptop = "fresh"
        assert world.differences() == []
        assert world.here("SELECT * FROM my_schema.last") == [(200,)]
        assert world.pull().merged == []
    finally:
        world.postgres.drop_database("fresh")


def test_a_backup_older_than_what_is_merged_is_left_out(world: World) -> None:
    backed_up(world, 1)
    late = world.objects
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    kept = {key: client.get_object(Bucket=world.bucket, Key=key)["Body"].read() for key in late}
    for key in late:
        client.delete_object(Bucket=world.bucket, Key=key)
    world.trade(TUESDAY)
    world.changes = {"host_id": "other"}  # whose receipts say nothing of Monday
    world.back_up(TUESDAY)
    (world.folder / "daily/incremental_2026-11-23.json").unlink()
    world.deliver()
    world.pull()
    for key, body in kept.items():
        client.put_object(Bucket=world.bucket, Key=key, Body=body)
    pulled = world.pull()
    assert pulled.merged == []
    assert pulled.left == [
        "daily/incremental_2026-11-23.dump.gz: older than what is merged, and its rows are in a later one"
    ]
    assert world.differences() == []


def test_a_database_is_restored_to_a_day_and_the_one_of_before_keeps_its_rows(make_world: Callable[[], World]) -> None:
    world = make_world()
    world.trade(MONDAY)
    world.back_up_all(MONDAY)
    for day in days(2, TUESDAY):
        world.trade(day)
        world.back_up(day)
    world.deliver()
    name = world.database
    with world.postgres.connect(name), pytest.raises(HarvesterError, match=f"is connected to {name}"):
        world.restore(TUESDAY, name)
    restored = world.restore(TUESDAY, name)
    try:
        assert restored.paths == ("weekly/full_2026-11-23.dump.gz", "daily/incremental_2026-11-24.dump.gz")
        assert world.run("SELECT count(*), max(run_date) FROM my_schema.ticks") == [(200, TUESDAY)]
        assert world.run("SELECT count(*) FROM my_schema.ticks", None, restored.before) == [(300,)]
        assert world.run("INSERT INTO my_schema.ticks (instrument_token) VALUES (1) RETURNING id") == [(201,)]
    finally:
        world.postgres.drop_database(restored.before)


def test_a_database_that_postgresql_itself_is_tidying_is_renamed() -> None:
    with running_server(autovacuum_naptime="1s") as postgres:
        server = Server(host=str(postgres.folder), user="postgres")
        create(server, "mydb_new", "UTF8")
        with postgres.connect("mydb_new") as connection:
            slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
            connection.execute(f"CREATE TABLE rows (id) WITH ({slow}) AS SELECT generate_series(1, 100000)")
            connection.execute("DELETE FROM rows WHERE id > 50000")
        at_work = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = 'mydb_new'"
        deadline = time.monotonic() + 120
        with postgres.connect() as connection:
            while not connection.execute(at_work).fetchone():
                assert time.monotonic() < deadline
                time.sleep(0.05)

        assert switch(server, "mydb", "mydb_new") == ""

        with postgres.connect("mydb") as connection:
            assert connection.execute("SELECT count(*) FROM rows").fetchone() == (50000,)


def test_a_restore_to_a_day_before_all_full_backups_says_which_there_are(world: World) -> None:
    world.back_up_all(TUESDAY)
    world.deliver()
    with pytest.raises(HarvesterError, match="no full backup of 2026-11-23 or before it; there are: 2026-11-24"):
        world.restore(MONDAY, world.database)


def test_a_refused_backup_leaves_those_before_it_merged(world: World) -> None:
    backed_up(world, 1)
    world.run("ALTER TABLE my_schema.ticks ADD COLUMN bid numeric")
    world.trade(TUESDAY)
    world.back_up(TUESDAY)
    world.deliver()
    with pytest.raises(MergeError, match="ticks lacks bid"):
        world.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(20,)]
    world.pull(Rules(add_columns=True))
    assert world.differences() == []
