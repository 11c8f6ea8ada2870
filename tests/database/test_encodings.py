"""Servers whose text is not UTF-8: the same rows on the laptop, the same digests, and sentences where none can be."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.database.world import MONDAY, NAMES, SCHEMA, World

from harvester.base.errors import HarvesterError
from harvester.database.restore_test import run_restore_test

TUESDAY = MONDAY + timedelta(days=1)
WORDS = "Crédit «Ñandú» ÿ"
RAW = WORDS.encode("latin-1").hex()
ROWS = "SELECT encode(convert_to(t::text, %s), 'hex') FROM {} t"


@pytest.fixture
def make(make_world: Callable[[], World]) -> Iterator[Callable[[str, str], World]]:
    """A world of a server's and a laptop's database of these encodings, with the schema; "" is none at all."""
    with ExitStack() as stack:

        def made(server: str, laptop: str) -> World:
            world = make_world()
            names = []
            for side, encoding in (("server", server), ("laptop", laptop)):
                name = f"{world.database}_{side}"
                if encoding:
                    statement = f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
                    world.run(statement, None, "postgres")
                    world.run(SCHEMA, None, name)
                stack.callback(world.postgres.drop_database, name)
                names.append(name)
            return replace(world, database=names[0], laptop=names[1])

        yield made


def write(world: World, day: int = 0, text: str = WORDS.encode().hex(), encoding: str = "UTF8") -> None:
    """A day with such text, by its bytes, in a value and in a key."""
    when = MONDAY + timedelta(days=day)
    world.trade(when, 20)
    value = f"convert_from('\\x{text}', '{encoding}')"
    changed = f"UPDATE my_schema.market_structure SET kind = {value} WHERE session_date = %s"  # noqa: S608
    world.run(changed, [when])
    world.run(f"INSERT INTO my_schema.rt_intraday_price VALUES ({value}, 1, %s)", [str(when)])  # noqa: S608


def contents(world: World, database: str, encoding: str = "UTF8") -> dict[str, list[str]]:
    """All rows of each table, by their bytes in an encoding."""
    found = {name: world.run(ROWS.format(name), [encoding], database) for name in NAMES}
    return {name: sorted(map(as_text, rows)) for name, rows in found.items()}


def as_text(row: tuple[str | bytes]) -> str:
    """psycopg has bytes of a database without an encoding."""
    return row[0] if isinstance(row[0], str) else row[0].decode()


@pytest.mark.parametrize(
    ("server", "laptop"), [("LATIN1", "UTF8"), ("UTF8", "LATIN1"), ("WIN1252", "LATIN1"), ("SQL_ASCII", "UTF8")]
)
def test_text_of_another_encoding_is_merged_and_a_second_time_changes_nothing(
    server: str, laptop: str, make: Callable[[str, str], World]
) -> None:
    """Without an encoding it is what it is in UTF-8."""
    world = make(server, laptop)
    write(world)
    backup = world.back_up(MONDAY)
    assert backup.encoding == server
    merged = world.merge(backup)
    assert {name: each.inserted for name, each in merged.items()} == {table.name: table.rows for table in backup.tables}
    assert contents(world, world.laptop) == contents(world, world.database)
    again = world.merge(backup)
    assert all((each.inserted, each.updated) == (0, 0) for each in again.values())


def test_a_database_of_another_encoding_is_tested_and_restored_and_made_on_the_laptop(
    make: Callable[[str, str], World],
) -> None:
    world = make("LATIN1", "")
    write(world)
    world.back_up_all(MONDAY)
    write(world, 1)
    world.back_up(TUESDAY)
    world.deliver()
    assert len(run_restore_test(world.server, world.settings, TUESDAY).paths) == 2
    assert world.pull(full=True).fetched == 2
    assert contents(world, world.laptop) == contents(world, world.database)


def test_bytes_of_no_encoding_are_the_same_in_a_database_without_one_and_told_in_one_that_has_it(
    make: Callable[[str, str], World],
) -> None:
    world = make("SQL_ASCII", "UTF8")
    write(world, 0, RAW, "SQL_ASCII")
    world.back_up_all(MONDAY)
    world.back_up(MONDAY)
    world.deliver()
    assert len(run_restore_test(world.server, world.settings, MONDAY).paths) == 2
    with pytest.raises(HarvesterError, match=r"is in no encoding .*pull-database --full --database NAME"):
        world.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    assert world.here("SELECT 1 FROM pg_namespace WHERE nspname = 'harvester_export'") == []
    fresh = make("UTF8", "")  # no laptop's database
    world = replace(world, laptop=fresh.laptop)
    assert [backup.kind for backup, _ in world.pull(full=True).merged] == ["full"]
    write(world, 1, RAW, "SQL_ASCII")
    world.back_up(TUESDAY)
    world.deliver()
    assert len(world.pull().merged) == 1
    assert contents(world, world.laptop, "SQL_ASCII") == contents(world, world.database, "SQL_ASCII")
    world.run("DELETE FROM my_schema.market_structure WHERE session_date = %s", [MONDAY], world.laptop)
    [(_, merged)] = world.pull(full=True).merged[:1]
    assert {each.name: each.inserted for each in merged if each.inserted} == {"my_schema.market_structure": 2}
    assert contents(world, world.laptop, "SQL_ASCII") == contents(world, world.database, "SQL_ASCII")


def test_a_character_that_the_laptops_encoding_lacks_is_told_and_one_is_made_that_has_it(
    make: Callable[[str, str], World],
) -> None:
    world = make("UTF8", "LATIN1")
    write(world)
    world.run("INSERT INTO my_schema.rt_intraday_price VALUES ('₹', 1, '2026-11-23')")
    world.back_up_all(MONDAY)
    world.back_up(MONDAY)
    world.deliver()
    with pytest.raises(HarvesterError, match=r"lacks a character.*pull-database --full --database NAME"):
        world.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    world = replace(world, laptop=make("UTF8", "").laptop)
    world.pull(full=True)
    assert contents(world, world.laptop) == contents(world, world.database)


def test_names_that_are_no_utf_8_are_told(make: Callable[[str, str], World]) -> None:
    world = make("SQL_ASCII", "UTF8")
    name = bytes.fromhex("e9")
    with world.postgres.connect(world.database, client_encoding="SQL_ASCII") as connection:
        connection.execute(b'ALTER TABLE my_schema.positions ADD COLUMN "' + name + b'" integer')
    with pytest.raises(HarvesterError, match="invalid byte sequence"):
        world.back_up(MONDAY)
