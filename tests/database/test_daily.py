"""The daily backup: which rows it has, what lies on disk, and how it comes to the bucket."""

import gzip
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.commands.places import no_room
from tests.database.world import MONDAY, NAMES, SCHEMA, TABLES, World, days

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.database import parse_database
from harvester.database.copies import remove_old, rows_from, unproven
from harvester.database.export import rows_since
from harvester.database.manifests import find, parse_backup
from harvester.database.restore_test import run_restore_test
from lab.testing import wait_until


def test_the_rows_of_yesterday_and_today_are_backed_up_and_no_others(world: World) -> None:
    for day in days(3):
        world.trade(day, 10)
    backup = world.back_up(MONDAY + timedelta(days=2))
    assert {table.name: table.rows for table in backup.tables} == {
        "my_schema.ticks_depth": 14,
        "my_schema.ticks": 20,
        "my_schema.holdings": 6,
        "my_schema.positions": 4,
        "my_schema.market_structure": 4,
        "my_schema.rt_intraday_price": 2,
        "my_schema.raw_ticks": 20,
    }


def test_what_is_written_while_it_is_made_is_in_none_of_its_tables(world: World) -> None:
    world.trade(MONDAY, 10)
    waits = "run_date >= CURRENT_DATE - 1 AND pg_advisory_xact_lock_shared(7) IS NOT NULL"
    tables = [{"name": "my_schema.ticks", "rows": waits}, {"name": "my_schema.market_structure", "rows": "true"}]
    world.changes = {"tables": tables, "lock_seconds": 60}
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    with ThreadPoolExecutor() as pool, world.postgres.connect(world.database) as connection:
        connection.execute("SELECT pg_advisory_lock(7)")
        making = pool.submit(world.back_up, MONDAY)
        assert wait_until(lambda: making.done() or world.run(waiting) == [(1,)], 120)
        world.run("INSERT INTO my_schema.market_structure VALUES (%s, 9, 'new')", [MONDAY])
        connection.execute("SELECT pg_advisory_unlock(7)")
        backup = making.result()

    assert {table.name: table.rows for table in backup.tables} == {
        "my_schema.ticks": 10,
        "my_schema.market_structure": 2,
    }


def test_what_lies_on_disk_is_a_gzip_of_a_stock_dump_that_anybody_restores(world: World) -> None:
    world.trade(MONDAY)
    backup = world.back_up(MONDAY)
    assert backup.path == "daily/incremental_2026-11-23.dump.gz"
    dump = gzip.decompress((world.folder / backup.path).read_bytes())
    assert dump[:5] == b"PGDMP"
    host = ["-h", world.postgres.socket_folder, "-U", "postgres", "-d", world.laptop]
    subprocess.run([world.postgres.bin / "pg_restore", *host], input=dump, check=True)
    assert world.here("SELECT count(*) FROM harvester_export.ticks") == [(100,)]
    assert sorted(path.name for path in (world.folder / "daily").iterdir()) == [
        "incremental_2026-11-23.dump.gz",
        "incremental_2026-11-23.json",
        "incremental_2026-11-23.log",
    ]


def test_the_export_leaves_nothing_in_the_servers_database(world: World) -> None:
    world.trade(MONDAY)
    world.back_up(MONDAY)
    assert world.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'harvester%'") == []


def test_current_date_is_the_backups_day_but_in_a_text_or_a_name_it_is_left() -> None:
    rows = """run_date >= CURRENT_DATE - 1 OR note = 'it''s CURRENT_DATE' OR "current_date" > current_date"""
    assert rows_since(rows, MONDAY) == (
        """run_date >= DATE '2026-11-23' - 1 OR note = 'it''s CURRENT_DATE' OR "current_date" > DATE '2026-11-23'"""
    )


def test_the_bucket_has_the_dump_and_its_manifest_and_a_receipt_says_so(world: World) -> None:
    world.trade(MONDAY)
    backup = world.back_up(MONDAY)
    (outcome,) = world.deliver()
    assert outcome.complete and outcome.problems == []
    assert world.objects.keys() == {
        "database/daily/incremental_2026-11-23.dump.gz",
        "database/daily/incremental_2026-11-23.json",
        "database/daily/incremental_2026-11-23.log",
    }
    receipt = json.loads((world.root / "deliveries/database/2026-11-23_app1.json").read_bytes())
    assert {row["path"]: row["sha256"] for row in receipt["files"]}[backup.path] == backup.sha256
    assert not any(outcome.new for outcome in world.deliver()), "a second run brings nothing"


def test_a_dump_that_changed_on_disk_is_not_delivered(world: World) -> None:
    world.trade(MONDAY)
    path = world.folder / world.back_up(MONDAY).path
    path.write_bytes(path.read_bytes()[:-100])
    (outcome,) = world.deliver()
    assert "is not what its manifest says" in outcome.problems[0]
    assert world.objects == {}


def test_after_days_without_a_backup_the_next_one_has_their_rows_too(world: World) -> None:
    first, *_, last = week = days(5)
    for day in week:
        world.trade(day, 10)
    world.back_up(first)
    world.deliver()
    backup = world.back_up(last)
    assert backup.since == first + timedelta(days=1)
    assert {table.name: table.rows for table in backup.tables}["my_schema.ticks"] == 50


def test_a_backup_that_the_bucket_lacks_does_not_count_as_the_one_before(world: World) -> None:
    world.trade(MONDAY, 10)
    world.back_up(MONDAY)
    assert rows_from(world.settings, MONDAY + timedelta(days=1)) == MONDAY


def test_copies_go_after_three_days_and_never_before_the_receipt(world: World) -> None:
    world.trade(MONDAY)
    path = world.folder / world.back_up(MONDAY).path
    assert remove_old(world.settings, MONDAY + timedelta(days=30)) == []
    assert unproven(world.settings, MONDAY + timedelta(days=2)) == []
    assert unproven(world.settings, MONDAY + timedelta(days=3)) == ["daily/incremental_2026-11-23.dump.gz"]
    world.deliver()
    assert unproven(world.settings, MONDAY + timedelta(days=3)) == []
    assert remove_old(world.settings, MONDAY + timedelta(days=2)) == []
    assert path.exists()
    assert remove_old(world.settings, MONDAY + timedelta(days=3)) == ["daily/incremental_2026-11-23.dump.gz"]
    assert find(world.folder) == [] and not path.exists()


def test_the_newest_full_backup_stays_for_the_restore_test(world: World) -> None:
    for day in (MONDAY - timedelta(days=7), MONDAY):
        world.back_up_all(day)
    world.deliver()
    assert remove_old(world.settings, MONDAY + timedelta(days=9)) == ["weekly/full_2026-11-16.dump.gz"]
    assert run_restore_test(world.server, world.settings, MONDAY).paths == ("weekly/full_2026-11-23.dump.gz",)


def test_the_restore_test_ends_where_copies_of_days_are_gone(world: World) -> None:
    world.back_up_all(MONDAY)
    for day in days(3, MONDAY + timedelta(days=1)):
        world.back_up(day)
        world.deliver()
    (world.folder / "daily/incremental_2026-11-25.json").unlink()
    tested = run_restore_test(world.server, world.settings, MONDAY + timedelta(days=3))
    assert tested.paths == ("weekly/full_2026-11-23.dump.gz", "daily/incremental_2026-11-24.dump.gz")


def test_two_backups_at_once_do_not_meet(world: World) -> None:
    with world.postgres.connect(world.database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [0x6861727665737464])
        with pytest.raises(HarvesterError, match="another backup is at work"):
            world.back_up(MONDAY)
    assert world.back_up(MONDAY).day == MONDAY


def test_what_a_killed_backup_left_in_the_database_is_cleared(world: World) -> None:
    world.run("CREATE SCHEMA harvester_export")
    with pytest.raises(HarvesterError, match="a schema harvester_export that no backup made"):
        world.back_up(MONDAY)
    world.run("COMMENT ON SCHEMA harvester_export IS 'Rows of a backup of Alpha Harvester; made and dropped by it'")
    assert world.back_up(MONDAY).day == MONDAY


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": "my_schema.tickz"}, "there is no such table"),
        ({"name": "my_schema.rt_intraday_price"}, 'column "run_date" does not exist'),
        ({"name": "my_schema.ticks", "rows": "run_date >="}, "syntax error"),
        ({"name": "my_schema.raw_ticks"}, "has no key"),
        ({"name": "my_schema.ticks", "key": ["volume"]}, "no unique constraint has the columns volume"),
        ({"name": "my_schema.raw_ticks", "merge": "replace_dates", "date": "day"}, "there is no column day"),
    ],
)
def test_a_table_that_cannot_be_backed_up_is_named_with_its_cause(
    world: World, table: dict[str, object], said: str
) -> None:
    world.changes = {"tables": [table]}
    with pytest.raises(ConfigError, match=said) as caught:
        world.back_up(MONDAY)
    assert str(table["name"]) in str(caught.value) and "database_backup" in str(caught.value)
    assert find(world.folder) == []
    assert world.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'harvester%'") == []


def test_a_locked_table_ends_the_backup_with_a_sentence_and_leaves_nothing(world: World) -> None:
    world.trade(MONDAY)
    with world.postgres.connect(world.database) as connection, connection.transaction():
        connection.execute("LOCK TABLE my_schema.ticks IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(HarvesterError, match="Somebody holds a table"):
            world.back_up(MONDAY)
        with pytest.raises(HarvesterError, match="somebody holds a table"):
            world.back_up_all(MONDAY)
    assert find(world.folder) == [] and list(world.folder.rglob("*.gz")) == []


def test_a_disk_without_room_for_a_line_leaves_nothing_and_the_next_run_makes_it(world: World) -> None:
    world.trade(MONDAY)
    with no_room(), pytest.raises(HarvesterError, match=r"log cannot be written \(File too large\)\. Make room"):
        world.back_up(MONDAY)
    with no_room(), pytest.raises(HarvesterError, match="log cannot be written"):
        world.back_up_all(MONDAY)
    assert [path for path in world.folder.rglob("*") if path.is_file()] == []
    assert world.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'harvester%'") == []
    assert world.back_up(MONDAY).day == MONDAY


def test_what_a_killed_backup_left_on_the_disk_is_cleared(world: World) -> None:
    world.back_up(MONDAY)
    left = world.folder / "daily/.incremental_2026-11-20.dump.gz.4242"
    left.write_bytes(b"half")
    world.back_up(MONDAY + timedelta(days=1))
    assert not left.exists() and len(find(world.folder)) == 2


def test_a_server_that_is_down_and_a_database_that_is_not_there_are_told(world: World) -> None:
    world.changes = {"database": "nodb"}
    with pytest.raises(HarvesterError, match="Correct the name of the database"):
        world.back_up(MONDAY)
    world.postgres = type(world.postgres)(world.postgres.bin, Path("/nowhere"), world.postgres.process)
    with pytest.raises(HarvesterError, match="Is the server running"):
        world.back_up(MONDAY)


def test_settings_that_do_not_go_together_are_refused_with_their_key(world: World) -> None:
    for change, said in (
        ({"tables": [{"name": "ticks"}]}, r"tables\[0\].name"),
        ({"tables": [{"name": "s.t", "merge": "replace_dates"}]}, "date names the column"),
        ({"tables": [{"name": "s.t", "rows": "true; DROP TABLE x"}]}, r"tables\[0\].rows"),
        ({"tables": [{"name": "s.t"}, {"name": "s.t"}]}, "names twice: s.t"),
        ({"full_at": "16:30"}, "full_at"),
    ):
        content = {"database": "mydb", "place": "s3://bucket/", "tables": [{"name": "s.t"}], **change}
        with pytest.raises(ConfigError, match=said):
            parse_database(content, "x")


def test_a_manifest_of_another_format_is_refused(world: World) -> None:
    backup = world.back_up(MONDAY)
    text = (world.folder / "daily/incremental_2026-11-23.json").read_text()
    assert parse_backup(text.encode(), "x") == backup
    for wrong in (
        text.replace('"format": 1', '"format": 2'),
        text.replace("incremental_2026-11-23", "../x"),
        text[:50],
    ):
        with pytest.raises(HarvesterError, match="no manifest of a backup"):
            parse_backup(wrong.encode(), "x")


def test_a_restored_backup_is_counted_and_its_database_dropped(world: World) -> None:
    sunday, *after = days(3, MONDAY - timedelta(days=1))
    world.trade(sunday - timedelta(days=1))
    world.back_up(sunday - timedelta(days=1))
    world.back_up_all(sunday)
    for day in after:
        world.trade(day)
        world.back_up(day)
    with pytest.raises(HarvesterError, match="of no full backup here the bucket was seen to hold it"):
        run_restore_test(world.server, world.settings, after[-1])
    world.deliver()
    tested = run_restore_test(world.server, world.settings, after[-1])
    assert tested.paths == (
        "weekly/full_2026-11-22.dump.gz",
        "daily/incremental_2026-11-23.dump.gz",
        "daily/incremental_2026-11-24.dump.gz",
    )
    assert (tested.tables, tested.rows) == (len(NAMES), 276)
    names = [name for (name,) in world.run("SELECT datname FROM pg_database")]
    assert f"{world.database}_restore_test" not in names


def test_a_new_column_or_table_makes_a_full_backup_as_well_once(world: World) -> None:
    world.trade(MONDAY, 10)
    world.back_up_all(MONDAY)
    world.back_up(MONDAY)
    world.run("CREATE TABLE my_schema.bars (id int PRIMARY KEY, run_date date)")
    world.run(
        "CREATE TABLE my_schema.part (id int, run_date date, PRIMARY KEY (id, run_date)) PARTITION BY LIST (run_date)"
    )
    world.run("CREATE TABLE my_schema.part_1 PARTITION OF my_schema.part FOR VALUES IN ('2026-11-24')")
    more: list[dict[str, Any]] = [{"name": "my_schema.bars"}, {"name": "my_schema.part_1"}]
    full = world.folder / "weekly"
    for number, changes in enumerate(({}, {"tables": [*TABLES, *more]}, {"tables": [*TABLES, *more]}, {}), 1):
        if number == 4:
            world.run("ALTER TABLE my_schema.ticks ADD COLUMN bid numeric DEFAULT 1")
        world.changes = changes
        world.back_up(MONDAY + timedelta(days=number))

    made = sorted(path.name for path in full.glob("*.json"))
    assert made == ["full_2026-11-23.json", "full_2026-11-25.json", "full_2026-11-27.json"]


def test_a_database_without_an_encoding_is_backed_up_and_merged(world: World) -> None:
    name = f"{world.database}_ascii"
    world.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0", None, "postgres")
    other = replace(world, database=name)
    try:
        other.run(SCHEMA)
        other.trade(MONDAY, 10)
        other.back_up_all(MONDAY)
        merged = other.merge(other.back_up(MONDAY))
        assert [merged[table].inserted for table in ("my_schema.ticks", "my_schema.raw_ticks")] == [10, 10]
    finally:
        world.postgres.drop_database(name)
