"""Backups merged into a laptop's database: nothing twice, nothing lost, every doubt told before anything changes."""

from contextlib import nullcontext
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace
from tests.database.world import MONDAY, NAMES, World

from harvester.base.errors import HarvesterError
from harvester.database.dumps import SpoiledError
from harvester.database.export import SCHEMA
from harvester.database.merge import MergeError, Rules

TICKS = "my_schema.ticks"


def merged(world: World, count: int = 30) -> None:
    """A day that is on the server and on the laptop."""
    world.trade(MONDAY, count)
    world.merge(world.back_up(MONDAY))


def test_a_day_is_inserted_and_a_second_merge_changes_nothing(world: World) -> None:
    world.trade(MONDAY)
    backup = world.back_up(MONDAY)
    first = world.merge(backup)
    assert {name: result.inserted for name, result in first.items()} == {
        table.name: table.rows for table in backup.tables
    }
    assert world.differences() == []
    second = world.merge(backup)
    assert all((each.inserted, each.updated, each.refused) == (0, 0, 0) for each in second.values())
    assert {name: each.unchanged for name, each in second.items()} == {t.name: t.rows for t in backup.tables}
    assert world.here("SELECT nspname FROM pg_namespace WHERE nspname = %s", [SCHEMA]) == []


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({"digest": "0"}, True),
        ({"checksum": "0"}, True),
        ({"checksum": ""}, True),
        ({"checksum": "0", "digest": "0"}, False),
    ],
    ids=["as this server has it", "of another kind of server", "none, as older releases wrote", "neither is right"],
)
def test_where_the_checksum_is_another_one_the_digest_decides(
    world: World, changes: dict[str, str], is_good: bool
) -> None:
    world.trade(MONDAY, 5)
    backup = world.back_up(MONDAY)
    other = replace(backup, tables=tuple(replace(table, **changes) for table in backup.tables))
    with nullcontext() if is_good else pytest.raises(SpoiledError, match="ticks has other values than were"):
        world.merge(other)
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(5 if is_good else 0,)]


def test_only_rows_that_differ_are_written(world: World) -> None:
    merged(world)
    world.run("UPDATE my_schema.ticks SET last_price = 1 WHERE id IN (3, 4)")
    world.run("UPDATE my_schema.ticks SET depth = '{\"b\": []}' WHERE id = 5")
    world.run("UPDATE my_schema.ticks SET volume = NULL WHERE id = 6")
    before = world.here("SELECT id, xmin::text FROM my_schema.ticks WHERE id NOT IN (3, 4, 5, 6) ORDER BY id")
    world.trade(MONDAY + timedelta(days=1), 10)
    result = world.merge(world.back_up(MONDAY + timedelta(days=1)))[TICKS]
    assert (result.inserted, result.updated, result.unchanged) == (10, 4, 26)
    kept = world.here(
        "SELECT id, xmin::text FROM my_schema.ticks WHERE id NOT IN (3, 4, 5, 6) AND id <= 30 ORDER BY id"
    )
    assert kept == before
    assert world.differences() == []


def test_a_snapshot_table_has_the_last_day_only(world: World) -> None:
    merged(world)
    world.trade(MONDAY + timedelta(days=1))
    result = world.merge(world.back_up(MONDAY + timedelta(days=1)))["my_schema.positions"]
    assert (result.inserted, result.updated) == (0, 4)


def test_dates_of_a_table_without_a_key_are_replaced_only_where_they_differ(world: World) -> None:
    merged(world)
    tuesday = MONDAY + timedelta(days=1)
    world.trade(tuesday, 20)
    world.run("UPDATE my_schema.raw_ticks SET ltp = 5 WHERE run_date = %s AND ltp < 1", [MONDAY])
    before = world.merge(world.back_up(tuesday))["my_schema.raw_ticks"]
    assert (before.inserted, before.updated, before.unchanged) == (20, 30, 0)
    world.trade(tuesday + timedelta(days=1), 5)
    after = world.merge(world.back_up(tuesday + timedelta(days=1)))["my_schema.raw_ticks"]
    assert (after.inserted, after.updated, after.unchanged) == (5, 0, 50)
    assert world.differences() == []


def test_a_date_with_more_rows_here_is_not_replaced_unasked(world: World) -> None:
    merged(world)
    world.here("INSERT INTO my_schema.raw_ticks VALUES (now(), 9, 1, %s)", [MONDAY])
    world.trade(MONDAY + timedelta(days=1), 5)
    backup = world.back_up(MONDAY + timedelta(days=1))
    with pytest.raises(MergeError, match="of 2026-11-23 there are 31 rows here, and 30 on the server"):
        world.merge(backup)
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(30,)], "nothing of the backup was merged"
    world.merge(backup, Rules(local="overwrite"))
    assert world.differences() == []


def test_what_is_numbered_next_is_beyond_all_that_came_and_never_goes_back(world: World) -> None:
    merged(world)
    assert world.here("INSERT INTO my_schema.ticks (instrument_token) VALUES (1) RETURNING id") == [(31,)]
    world.here("SELECT setval('my_schema.holdings_id_seq', 500)")
    world.merge(world.back_up(MONDAY))
    assert world.here("SELECT nextval('my_schema.holdings_id_seq')") == [(501,)]


def own_row(world: World) -> None:
    """A row of the laptop's own, whose number the server gives to another the day after."""
    merged(world)
    world.here("INSERT INTO my_schema.ticks (instrument_token, volume) VALUES (777, 1)")
    world.trade(MONDAY + timedelta(days=1), 10)


def test_a_row_of_ones_own_under_a_number_of_the_server_stops_the_merge(world: World) -> None:
    own_row(world)
    backup = world.back_up(MONDAY + timedelta(days=1))
    with pytest.raises(MergeError, match=r"ticks: 1 rows here, id 31 to 31, .*--local keep"):
        world.merge(backup)
    assert world.here("SELECT instrument_token FROM my_schema.ticks WHERE id = 31") == [(777,)]
    assert world.here("SELECT count(*) FROM my_schema.raw_ticks") == [(30,)]


@pytest.mark.parametrize(("local", "token", "refused"), [("keep", 777, 1), ("overwrite", 1, 0)])
def test_a_row_of_ones_own_is_kept_or_overwritten_as_a_person_says(
    world: World, local: str, token: int, refused: int
) -> None:
    own_row(world)
    result = world.merge(world.back_up(MONDAY + timedelta(days=1)), Rules(local=local))[TICKS]
    assert (result.refused, result.inserted, result.updated) == (refused, 9, 1 - refused)
    assert result.inserted + result.updated + result.unchanged + result.refused == 40
    assert world.here("SELECT instrument_token FROM my_schema.ticks WHERE id = 31") == [(token,)]
    assert any("id 31 to 31" in note for note in result.notes)


@pytest.mark.parametrize("name", [TICKS, "my_schema.raw_ticks"])
def test_a_merge_waits_for_whoever_writes_its_table_and_for_no_reader(world: World, name: str) -> None:
    """What another program writes meanwhile would be overwritten, or come twice."""
    merged(world)
    world.trade(MONDAY + timedelta(days=1), 10)
    backup = world.back_up(MONDAY + timedelta(days=1))
    world.run(f'ALTER DATABASE "{world.laptop}" SET lock_timeout = 300')
    with world.server.connect(world.laptop) as other:
        other.execute(f"LOCK TABLE {name} IN ROW EXCLUSIVE MODE")
        with pytest.raises((HarvesterError, psycopg.Error), match="lock timeout"):
            world.merge(backup)
        other.rollback()
        assert other.execute(f"TABLE {name} LIMIT 1").fetchone()
        assert world.merge(backup)[name].inserted == 10


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    merged(world)
    world.trade(MONDAY + timedelta(days=1), 10)
    before = {name: world.rows(name, world.laptop) for name in NAMES}
    result = world.merge(world.back_up(MONDAY + timedelta(days=1)), Rules(dry_run=True))
    assert (result[TICKS].inserted, result[TICKS].unchanged) == (10, 30)
    assert {name: world.rows(name, world.laptop) for name in NAMES} == before
    assert world.here("SELECT count(*) FROM harvester_sync.merged") == [(1,)]


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        (
            "ALTER TABLE my_schema.ticks ADD COLUMN bid numeric(15,2)",
            "SELECT 1",
            r"ticks lacks bid \(numeric\(15,2\)\)",
        ),
        (
            "ALTER TABLE my_schema.ticks ALTER COLUMN volume TYPE numeric",
            "SELECT 1",
            "volume is numeric there and bigint",
        ),
        ("SELECT 1", "ALTER TABLE my_schema.ticks ADD COLUMN note text NOT NULL", "note is here alone, and must have"),
        ("SELECT 1", "ALTER TABLE my_schema.positions DROP CONSTRAINT positions_unique_key", "no unique constraint on"),
        ("SELECT 1", "DROP TABLE my_schema.raw_ticks", "my_schema.raw_ticks is not here"),
    ],
)
def test_other_columns_are_shown_and_refused_and_nothing_is_merged(
    world: World, there: str, here: str, said: str
) -> None:
    world.run(there)
    world.here(here)
    world.trade(MONDAY)
    backup = world.back_up(MONDAY)
    with pytest.raises(MergeError, match=said):
        world.merge(backup)
    assert world.here("SELECT count(*) FROM my_schema.ticks_depth") == [(0,)]
    assert world.here("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'harvester%'") == []


def test_rows_without_a_whole_key_are_added_once_and_told(world: World) -> None:
    world.run("INSERT INTO my_schema.positions VALUES (%s, NULL, 1, 1), (%s, 'net', 2, 2)", [MONDAY, MONDAY])
    world.merge(world.back_up(MONDAY))
    world.run("INSERT INTO my_schema.positions VALUES (%s, NULL, 1, 3)", [MONDAY])
    result = world.merge(world.back_up(MONDAY))["my_schema.positions"]
    assert (result.inserted, result.updated, result.unchanged) == (1, 0, 2)
    assert result.notes == ["2 rows have an empty value in their key: they are added where they are not here"]
    assert world.differences() == []


def test_empty_values_that_a_key_has_equal_are_one_row(world: World) -> None:
    if int(world.run("SHOW server_version_num")[0][0]) < 150000:
        pytest.skip("NULLS NOT DISTINCT is of PostgreSQL 15")
    for run in (world.run, world.here):
        run("ALTER TABLE my_schema.positions DROP CONSTRAINT positions_unique_key")
        run("CREATE UNIQUE INDEX ON my_schema.positions (position_type, instrument_token) NULLS NOT DISTINCT")
    world.run("INSERT INTO my_schema.positions VALUES (%s, NULL, 1, 1)", [MONDAY])
    world.merge(world.back_up(MONDAY))
    world.run("UPDATE my_schema.positions SET pnl = 2")
    result = world.merge(world.back_up(MONDAY))["my_schema.positions"]
    assert (result.inserted, result.updated, result.notes) == (0, 1, [])
    assert world.differences() == []


def test_a_new_column_is_added_where_a_person_says_so_and_none_is_dropped(world: World) -> None:
    merged(world)
    world.run("ALTER TABLE my_schema.ticks ADD COLUMN bid numeric(15,2) DEFAULT 7")
    world.here("ALTER TABLE my_schema.ticks ADD COLUMN mine text DEFAULT 'x'")
    result = world.merge(world.back_up(MONDAY), Rules(add_columns=True))[TICKS]
    assert result.notes == [
        "column bid (numeric(15,2)) was added; rows of before have no value in it until --full brings it",
        "columns here alone: mine",
    ]
    assert result.updated == 30
    assert world.here("SELECT DISTINCT bid, mine FROM my_schema.ticks") == [(7, "x")]


def test_names_that_need_quotes_and_columns_of_every_kind_are_merged(world: World) -> None:
    odd = 'CREATE TABLE my_schema."Order" ("select" integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "a b" text, twice'
    odd += " integer GENERATED ALWAYS AS (2) STORED, run_date date, place point, tags text[], j jsonb, t interval, raw"
    odd += " bytea, f real)"
    for run in (world.run, world.here):
        run(odd)
    world.run(
        """INSERT INTO my_schema."Order" ("a b", run_date, place, tags, j, t, raw, f)
        SELECT 'x', %s, point(1, 2), ARRAY['a', NULL], '{"k": 1}', '1 day 2 hours', 'ab', 1.1
        FROM generate_series(1, 3)""",
        [MONDAY],
    )
    world.changes = {"tables": [{"name": "my_schema.Order"}]}
    result = world.merge(world.back_up(MONDAY))["my_schema.Order"]
    assert result.inserted == 3
    world.run('UPDATE my_schema."Order" SET place = point(3, 4) WHERE "select" = 2')
    again = world.merge(world.back_up(MONDAY + timedelta(days=1)))["my_schema.Order"]
    assert (again.inserted, again.updated, again.unchanged) == (0, 1, 2)
    assert world.differences(['my_schema."Order"']) == []


def test_tables_that_refer_to_each_other_in_a_circle_are_refused(world: World) -> None:
    for run in (world.run, world.here):
        run("ALTER TABLE my_schema.ticks_depth ADD UNIQUE (tick_id)")
    for run in (world.run, world.here):
        run("ALTER TABLE my_schema.ticks ADD FOREIGN KEY (id) REFERENCES my_schema.ticks_depth (tick_id)")
    backup = world.back_up(MONDAY)
    with pytest.raises(HarvesterError, match="refer to each other in a circle"):
        world.merge(backup)


def test_a_row_whose_parent_is_in_no_backup_stops_the_merge_with_its_name(world: World) -> None:
    merged(world)
    world.changes = {"tables": [{"name": "my_schema.ticks_depth"}]}
    world.trade(MONDAY + timedelta(days=1))
    with pytest.raises(HarvesterError, match="violates foreign key constraint"):
        world.merge(world.back_up(MONDAY + timedelta(days=1)))
    assert world.here("SELECT count(*) FROM my_schema.ticks_depth") == [(20,)]
