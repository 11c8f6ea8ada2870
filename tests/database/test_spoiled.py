"""The restore test is red for each way in which a backup can be spoiled: on the disk, or when it was made."""

import gzip
import hashlib
import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.database.world import MONDAY, World

from harvester.base.errors import HarvesterError
from harvester.database.full import back_up_all
from harvester.database.manifests import Backup, keep, load
from harvester.database.restore_test import run_restore_test

Spoil = Callable[[Path], None]
TUESDAY = MONDAY + timedelta(days=1)


def edit(change: Callable[[bytes], bytes]) -> Spoil:
    """Another content in place of a file's."""

    def spoil(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return spoil


def flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


ON_DISK: dict[str, Spoil] = {
    "cut in half": edit(lambda content: content[: len(content) // 2]),
    "without its last byte": edit(lambda content: content[:-1]),
    "empty": edit(lambda _: b""),
    "gone": lambda path: path.unlink(),
    "a bit in the middle": edit(lambda content: flipped(content, len(content) // 2)),
    "a bit of its head": edit(lambda content: flipped(content, 0)),
    "a byte too many": edit(lambda content: content + b"\0"),
    "zeros": edit(lambda content: bytes(len(content))),
    "unpacked": edit(gzip.decompress),
    "packed twice": edit(lambda content: gzip.compress(content, mtime=0)),
}
"""What happens to a good dump; its manifest and its receipt are as they were."""
WHEN_MADE: dict[str, Spoil] = {
    "no dump": edit(lambda _: gzip.compress(b"SELECT 1;\n" * 1000)),
    "a dump that is cut and packed": edit(lambda content: gzip.compress(gzip.decompress(content)[:-3000])),
    "the head alone": edit(lambda content: gzip.compress(gzip.decompress(content)[:600])),
    "of a newer format": edit(lambda content: gzip.compress(b"PGDMP\x01\x7f" + gzip.decompress(content)[7:])),
    "a page of zeros within": edit(
        lambda content: gzip.compress((dump := gzip.decompress(content))[:9000] + bytes(4096) + dump[13096:])
    ),
}
"""Dumps that were wrong when their hash was taken: manifest, bucket and receipt agree on them."""
OTHER_ROWS = {
    "a row too few": "DELETE FROM my_schema.raw_ticks WHERE ctid = (SELECT max(ctid) FROM my_schema.raw_ticks)",
    "a row too many": "INSERT INTO my_schema.raw_ticks SELECT * FROM my_schema.raw_ticks LIMIT 1",
    "a value": "UPDATE my_schema.ticks SET last_price = last_price + 0.01 WHERE id = 7",
    "nothing for a value": "UPDATE my_schema.ticks SET volume = NULL WHERE id = 7",
    "two values exchanged": "UPDATE my_schema.ticks SET volume = 15 - volume WHERE id IN (7, 8)",
    "a time, by a zone": "UPDATE my_schema.raw_ticks SET timestamp = timestamp + interval '330 minutes' WHERE ltp = 1",
    "no rows of a table": "TRUNCATE my_schema.holdings",
    "no table": "DROP TABLE my_schema.holdings",
}
"""Dumps of a database that was not what the manifest says."""


def reseal(world: World, backup: Backup) -> None:
    """Let the manifest state size and hash of the dump as it lies there."""
    content = (world.folder / backup.path).read_bytes()
    keep(world.folder, replace(backup, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))


def some(kinds: Iterable[str]) -> list[Any]:
    """The first three in each run, all with --long: each restores a backup."""
    marks = [[], [], [], *[[pytest.mark.long]] * 100]
    return [pytest.param(kind, marks=mark) for kind, mark in zip(kinds, marks, strict=False)]


def test_a_good_one_is_green(world: World) -> None:
    world.trade(MONDAY, 30)
    world.back_up_all(MONDAY)
    world.deliver()
    assert run_restore_test(world.server, world.settings, MONDAY).tables == 7


@pytest.mark.parametrize("kind", some(ON_DISK))
def test_a_dump_that_was_spoiled_on_the_disk_is_red(world: World, kind: str) -> None:
    world.trade(MONDAY, 30)
    path = world.folder / world.back_up_all(MONDAY).path
    world.deliver()
    ON_DISK[kind](path)
    with pytest.raises(HarvesterError, match=r"full_2026-11-23\.dump\.gz: the dump is spoiled"):
        run_restore_test(world.server, world.settings, MONDAY)


@pytest.mark.parametrize("kind", some(WHEN_MADE))
def test_a_dump_that_was_spoiled_when_it_was_made_is_red(world: World, kind: str) -> None:
    world.trade(MONDAY, 200)
    backup = world.back_up_all(MONDAY)
    WHEN_MADE[kind](world.folder / backup.path)
    reseal(world, backup)
    world.deliver()
    with pytest.raises(HarvesterError, match=r"full_2026-11-23\.dump\.gz"):
        run_restore_test(world.server, world.settings, MONDAY)
    names = [name for (name,) in world.run("SELECT datname FROM pg_database")]
    assert f"{world.database}_restore_test" not in names


@pytest.mark.parametrize("kind", some(OTHER_ROWS))
def test_a_dump_with_other_rows_than_its_manifest_says_is_red(world: World, tmp_path: Path, kind: str) -> None:
    world.trade(MONDAY, 30)
    backup = world.back_up_all(MONDAY)
    world.run(OTHER_ROWS[kind])
    other = back_up_all(world.server, world.settings, tmp_path / "other", MONDAY)
    shutil.copy(tmp_path / "other" / other.path, world.folder / backup.path)
    reseal(world, backup)
    world.deliver()
    with pytest.raises(HarvesterError, match=r"not what was backed up: my_schema\.\w+ (has|is not in it)"):
        run_restore_test(world.server, world.settings, MONDAY)


def test_the_days_after_the_full_one_are_tested_as_well(world: World) -> None:
    world.trade(MONDAY, 30)
    world.back_up_all(MONDAY)
    world.trade(TUESDAY, 30)
    backup = world.back_up(TUESDAY)
    facts = [replace(table, rows=table.rows + 1) for table in backup.tables]
    keep(world.folder, replace(backup, tables=tuple(facts)))
    world.deliver()
    with pytest.raises(HarvesterError, match=r"my_schema\.ticks has 60 rows, and 61 were backed up"):
        run_restore_test(world.server, world.settings, TUESDAY)
    assert load(world.folder, "daily", TUESDAY) is not None


def test_a_database_of_that_name_which_is_no_test_of_ours_is_left(world: World) -> None:
    world.back_up_all(MONDAY)
    world.deliver()
    name = world.postgres.create_database(f"{world.database}_restore_test")
    try:
        with pytest.raises(HarvesterError, match=r"that no restore made\. Rename it"):
            run_restore_test(world.server, world.settings, MONDAY)
        with world.postgres.connect(name) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        world.postgres.drop_database(name)
