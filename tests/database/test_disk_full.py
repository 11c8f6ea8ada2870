"""A full disk in each step, of a small one that is real: a sentence, nothing half made, and the next run goes on."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.database.world import ALL_REFUSED, MONDAY, SCHEMA, World
from tests.postgresql_server import PostgresServer

from harvester.base.endings import describe_ending
from harvester.base.errors import HarvesterError
from harvester.database.loading import load_rows
from harvester.database.merge import merge

MIB = 1 << 20
TUESDAY = MONDAY + timedelta(days=1)


@dataclass
class Disk:
    """A file system of some MiB; what fills it is a file of the test's own."""

    folder: Path

    def fill(self, leave: int = 0) -> None:
        """Have so many bytes left, or fewer than a page."""
        with (self.folder / "ballast").open("ab", buffering=0) as file:
            while (room := shutil.disk_usage(self.folder).free - leave) > 0:
                try:
                    file.write(bytes(min(room, MIB)))
                except OSError:
                    return

    def clear(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A small one that anybody may write, PostgreSQL too."""
    folder = Path(tempfile.mkdtemp(prefix="small-", dir="/tmp"))
    mounted = False
    try:
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=1777", "none", str(folder)]
            mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        if not mounted:
            pytest.skip("only root may mount a small file system, and not in every container")
        yield Disk(folder)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def small(disk: Disk, world: World, postgres_server: PostgresServer) -> Iterator[World]:
    """The server's and the laptop's database on that disk; what is kept of backups is elsewhere."""
    place = disk.folder / "data"
    place.mkdir()
    owner = (postgres_server.folder / "data").stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    names = [f"{world.database}_small", f"{world.laptop}_small"]
    world.run(f"CREATE TABLESPACE small LOCATION '{place}'", None, "postgres")
    try:
        for name in names:
            world.run(f"CREATE DATABASE {name} TABLESPACE small", None, "postgres")
            world.run(SCHEMA, None, name)
        yield replace(world, database=names[0], laptop=names[1])
    finally:
        for name in names:
            world.postgres.drop_database(name)
        world.run("DROP TABLESPACE small", None, "postgres")


@contextmanager
def refused(*said: str) -> Iterator[None]:
    """What is inside ends as a command that ends with 1, in a sentence that says to make room."""
    with pytest.raises(HarvesterError) as caught:
        yield
    code, message = describe_ending(caught.value, for_traceback="")
    assert code == 1
    for text in (*said, "room"):
        assert text in message, message


def test_rows_that_find_no_room_on_the_servers_disk_leave_nothing(disk: Disk, small: World) -> None:
    small.trade(MONDAY, 3000)
    small.run("CHECKPOINT")
    disk.fill()
    with refused("Make room on the server's disk"):
        small.back_up(MONDAY)
    assert not list(small.folder.glob("*/*.gz")) and not list(small.folder.glob("*/*.json"))
    disk.clear()
    assert small.run("SELECT 1 FROM pg_namespace WHERE nspname = 'harvester_export'") == []
    assert small.back_up(MONDAY).tables[1].rows == 3000


def test_a_dump_that_finds_no_room_has_no_name_and_the_next_one_is_whole(disk: Disk, world: World) -> None:
    world = replace(world, root=disk.folder / "host")
    world.trade(MONDAY, 3000)
    world.folder.mkdir(parents=True)
    disk.fill(leave=24 << 10)
    for make in (world.back_up, world.back_up_all):
        with refused("dump cannot be written (No space left on device)"):
            make(MONDAY)
    disk.clear()
    assert [path.suffix for path in world.folder.glob("*/*")] == [".log", ".log"]
    assert "failed: " in (world.folder / "daily/incremental_2026-11-23.log").read_text()
    world.back_up_all(MONDAY)
    world.back_up(MONDAY)
    assert all(outcome.complete for outcome in world.deliver())


def test_a_dump_without_room_for_its_manifest_is_no_backup_and_is_made_anew(
    disk: Disk, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = replace(world, root=disk.folder / "host")
    world.trade(MONDAY, 10)
    from harvester.database import making

    read = making.read_whole

    def then_full(*words: object) -> None:
        read(*words)  # type: ignore[arg-type]
        disk.fill()

    monkeypatch.setattr(making, "read_whole", then_full)
    with refused("cannot be written (No space left on device)"):
        world.back_up(MONDAY)
    monkeypatch.undo()
    assert world.deliver() == []
    disk.clear()
    world.back_up(MONDAY)
    assert [outcome.complete for outcome in world.deliver()] == [True]


def test_a_receipt_that_finds_no_room_is_written_by_the_next_run_and_nothing_is_put_twice(
    disk: Disk, world: World
) -> None:
    world = replace(world, root=disk.folder / "host")
    world.back_up(MONDAY)
    world.settings.receipts.mkdir(parents=True)
    disk.fill()
    with refused("the receipt cannot be written (No space left on device)"):
        world.deliver()
    before = world.objects
    disk.clear()
    assert [outcome.complete for outcome in world.deliver()] == [True]
    assert world.objects == before


def test_a_download_that_finds_no_room_goes_on_when_there_is_some(disk: Disk, world: World) -> None:
    world.trade(MONDAY, 3000)
    world.back_up(MONDAY)
    world.deliver()
    laptop = replace(world, root=disk.folder / "laptop")
    laptop.root.mkdir()
    disk.fill(leave=16 << 10)
    with refused("no room left"):
        laptop.pull()
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    assert not list(laptop.root.rglob("backups/*/*.gz"))
    disk.clear()
    assert laptop.pull().fetched == 1
    assert world.differences() == []


@pytest.mark.parametrize("step", ["load", "merge"])
def test_a_merge_that_finds_no_room_changes_nothing_and_is_made_by_the_next_run(
    step: str, disk: Disk, small: World
) -> None:
    small.trade(MONDAY, 50)
    small.merge(small.back_up(MONDAY))
    small.trade(TUESDAY, 3000)
    backup = small.back_up(TUESDAY)
    small.run("CHECKPOINT")
    with refused("room on the server"), small.server.connect(small.laptop, autocommit=True) as connection:
        if step == "load":
            disk.fill()
        load_rows(small.server, small.laptop, connection, small.folder, backup)
        disk.fill()
        merge(connection, backup, ALL_REFUSED)
    disk.clear()
    assert small.here("SELECT count(*) FROM my_schema.ticks") == [(50,)]
    assert small.here("SELECT count(*) FROM harvester_sync.merged") == [(1,)]
    small.merge(backup)
    assert small.differences() == []
    assert small.here("SELECT 1 FROM pg_namespace WHERE nspname = 'harvester_export'") == []
