"""A host without a bucket: the laptop takes backups from it over a real sshd, and the host keeps them until then."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from tests.database.test_due import at, hours
from tests.database.world import ALL_REFUSED, MONDAY, NoBar, World, days
from tests.operator.support.throwaway_sshd import Server, running

from harvester.base.errors import ConfigError, HarvesterError
from harvester.database.copies import UNPULLED_DAYS, remove_old, rows_from, unproven
from harvester.database.manifests import keep
from harvester.database.merge import Rules
from harvester.database.pulled import note_copies
from harvester.database.restore_test import run_restore_test
from harvester.dues.backups import BackupSource
from harvester.dues.judge import ledger_of
from runbook.database import place as places
from runbook.database.place import BackupPlace, BackupStore, SshPlace, choose_place
from runbook.database.pull import Pulled, Target, pull, restore_to
from runbook.doctor.database import check_unplaced
from runbook.fleet.ssh import RemoteError, UnreachableError

DAILY = "daily/incremental_2026-11-23.dump.gz"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Laptop:
    """Pulls from the world's folder as `./inv pull-database` does; the host's command runs there, over SSH."""

    def __init__(self, world: World, sshd: Server) -> None:
        self.world, self.host = world, sshd.host("app1")
        self.store = BackupStore(world.root / "pulled/database")

    def place(self) -> SshPlace:
        return SshPlace(self.host, str(self.world.folder))

    def pull(self, rules: Rules = ALL_REFUSED, *, full: bool = False) -> Pulled:
        target = Target(self.world.server, self.world.laptop)
        return pull(self.place(), target, self.store, rules, NoBar(), full=full)

    def has(self, path: str) -> bool:
        return (self.store.lake / path).exists()


@pytest.fixture
def laptop(world: World, sshd: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    """The host's settings are the world's, without a bucket."""
    world.changes = {"place": None}
    path = tmp_path / "database.json"
    path.write_bytes(msgspec.json.encode(world.settings, enc_hook=str))
    # No user harvester-deliver is here, and no release: this interpreter stands in for the one of the host.
    monkeypatch.setattr(places, "AS_THE_DELIVERY", ("env", f"HARVESTER_DATABASE={path}", sys.executable, "-m"))
    monkeypatch.setattr(places, "PROGRAM", "harvester")
    return Laptop(world, sshd)


def backed_up(world: World, count: int) -> None:
    for day in days(count):
        world.trade(day, 20)
        world.back_up(day)


def test_backups_come_over_ssh_are_merged_and_the_host_hears_of_it(laptop: Laptop) -> None:
    world = laptop.world
    backed_up(world, 3)
    world.back_up_all(MONDAY + timedelta(days=2))
    pulled = laptop.pull()
    assert [backup.day for backup, _ in pulled.merged] == days(3)
    assert (pulled.there, pulled.fetched) == (4, 4), "the full one comes as well: there is no bucket that has it"
    assert pulled.place == f"app1:{world.folder}/"
    assert world.differences() == []
    again = laptop.pull()
    assert (again.there, again.fetched, again.merged) == (4, 0, [])
    assert unproven(world.settings, MONDAY + timedelta(days=99)) == []


def test_copies_stay_on_the_host_until_they_were_pulled_and_some_days_more(laptop: Laptop) -> None:
    world = laptop.world
    backed_up(world, 2)
    late = MONDAY + timedelta(days=30)
    assert remove_old(world.settings, late) == []
    laptop.pull()
    assert remove_old(world.settings, MONDAY + timedelta(days=3)) == [DAILY]
    assert not (world.folder / DAILY).exists() and laptop.has(DAILY)
    assert laptop.pull().there == 2, "what was pulled counts, for a restore to that day"


def test_a_dry_run_and_a_refused_merge_let_no_copy_go(laptop: Laptop) -> None:
    world = laptop.world
    backed_up(world, 1)
    laptop.pull(Rules(dry_run=True))
    world.here("ALTER TABLE my_schema.ticks DROP COLUMN volume")
    with pytest.raises(HarvesterError, match="ticks lacks volume"):
        laptop.pull()
    assert laptop.has(DAILY)
    assert remove_old(world.settings, MONDAY + timedelta(days=30)) == []


def test_a_dump_that_is_spoiled_on_the_host_is_told_and_stays_there(laptop: Laptop) -> None:
    world = laptop.world
    backed_up(world, 1)
    body = bytearray((world.folder / DAILY).read_bytes())
    body[len(body) // 2] ^= 1
    (world.folder / DAILY).write_bytes(body)
    with pytest.raises(
        HarvesterError, match=f"app1:.*{DAILY}: what came is not what its manifest says.*run-job --name database-full"
    ):
        laptop.pull()
    assert not laptop.has(DAILY)
    assert world.here("SELECT count(*) FROM my_schema.ticks") == [(0,)]
    assert remove_old(world.settings, MONDAY + timedelta(days=30)) == []
    (world.folder / DAILY).unlink()
    (world.folder / "daily/incremental_2026-11-23.json").unlink()
    world.back_up_all(MONDAY + timedelta(days=1))
    laptop.pull(full=True)
    assert world.differences() == [], "the remedy that is told works"


def test_a_download_over_ssh_goes_on_where_it_stopped(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    world = laptop.world
    backed_up(world, 1)
    partial = laptop.store.partial / DAILY
    partial.parent.mkdir(parents=True)
    partial.write_bytes((world.folder / DAILY).read_bytes()[:1000])
    told: list[int] = []
    monkeypatch.setattr(NoBar, "advance", lambda _, count: told.append(count))
    assert laptop.pull().fetched == 1
    assert told[0] == 1000
    assert world.differences() == []


def test_a_file_that_is_gone_there_is_named(laptop: Laptop) -> None:
    backed_up(laptop.world, 1)
    (laptop.world.folder / DAILY).unlink()
    with pytest.raises(HarvesterError, match=f"app1: {DAILY} cannot be read there"):
        laptop.pull()


def test_a_host_that_cannot_note_it_keeps_its_copies_and_the_merge_stays(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = laptop.world
    backed_up(world, 1)
    monkeypatch.setattr(places, "AS_THE_DELIVERY", ("false",))
    with pytest.raises(RemoteError, match=r"could not note it .*keeps its copies. .*run ./inv deploy; then pull again"):
        laptop.pull()
    assert world.differences() == []
    assert remove_old(world.settings, MONDAY + timedelta(days=30)) == []


def test_a_host_without_backups_and_one_that_is_down_say_so(laptop: Laptop, tmp_path: Path, sshd: Server) -> None:
    with pytest.raises(RemoteError, match=r"app1 has no readable backups at .*no backup was made there yet"):
        laptop.pull()
    laptop.host = replace(laptop.host, port=1, control_directory=tmp_path / "c")
    with pytest.raises(UnreachableError, match="nothing listens on its SSH port"):
        laptop.pull()


def test_a_restore_uses_copies_that_the_host_has_removed(laptop: Laptop) -> None:
    world = laptop.world
    world.trade(MONDAY, 20)
    world.back_up_all(MONDAY)
    world.trade(MONDAY + timedelta(days=1), 20)
    world.back_up(MONDAY + timedelta(days=1))
    laptop.pull(full=True)
    assert remove_old(world.settings, MONDAY + timedelta(days=9)) == ["daily/incremental_2026-11-24.dump.gz"]
    target = Target(world.server, "anew")
    restored = restore_to(laptop.place(), target, laptop.store, MONDAY + timedelta(days=1), NoBar())
    try:
        assert len(restored.paths) == 2
        assert world.run("SELECT count(*) FROM my_schema.ticks", None, "anew") == [(40,)]
    finally:
        world.postgres.drop_database("anew")


def test_the_next_backup_goes_on_after_the_last_that_lies_here_and_a_week_without_a_pull_is_told(
    laptop: Laptop,
) -> None:
    world = laptop.world
    backed_up(world, 1)
    friday = MONDAY + timedelta(days=4)
    assert rows_from(world.settings, friday) == MONDAY + timedelta(days=1)
    laptop.pull()
    remove_old(world.settings, friday)
    assert rows_from(world.settings, friday) == MONDAY + timedelta(days=1), "the receipt counts as well"
    world.back_up(friday)
    assert unproven(world.settings, friday + timedelta(days=UNPULLED_DAYS - 1)) == []
    assert unproven(world.settings, friday + timedelta(days=UNPULLED_DAYS)) == ["daily/incremental_2026-11-27.dump.gz"]


def test_the_restore_test_is_of_what_lies_here(laptop: Laptop) -> None:
    world = laptop.world
    world.trade(MONDAY, 20)
    world.back_up_all(MONDAY)
    world.back_up(MONDAY + timedelta(days=1))
    tested = run_restore_test(world.server, world.settings, MONDAY + timedelta(days=1))
    assert tested.paths == ("weekly/full_2026-11-23.dump.gz", "daily/incremental_2026-11-24.dump.gz")


@pytest.mark.parametrize(("made", "state"), [("16:02:00", "met"), ("19:30:00", "late")])
def test_a_due_backup_is_met_where_it_lies_and_the_same_after_its_copy_was_removed(
    laptop: Laptop, made: str, state: str
) -> None:
    world = laptop.world
    source = BackupSource(world.settings, hours)

    def judged() -> tuple[str, str, int | None]:
        [entry] = ledger_of([source], MONDAY, at("20:00:00"))
        return entry.state, entry.cause, entry.met_ns

    assert judged() == ("missing", f"{DAILY} was not made: see the job database-daily", None)
    [due] = source.declare(MONDAY)
    assert due.proof == "its dump and manifest on the host" and "harvester-job-database-daily" in due.remedy
    world.trade(MONDAY, 20)
    backup = world.back_up(MONDAY)
    keep(world.folder, msgspec.structs.replace(backup, made_at=f"{MONDAY}T{made}+05:30"))
    os.utime(world.folder / "daily/incremental_2026-11-23.json", ns=(0, at(made)))
    assert judged() == (state, "", at(made))
    assert "which has no bucket" in source.find(due).proof
    dump = (world.folder / DAILY).rename(world.folder / "elsewhere")
    assert judged()[0] == "missing"
    dump.rename(world.folder / DAILY)
    laptop.pull()
    assert remove_old(world.settings, MONDAY + timedelta(days=3)) == [DAILY]
    assert judged() == (state, "", at(made))
    assert "was pulled" in source.find(due).proof


def test_what_is_no_list_or_of_other_bytes_is_not_noted(laptop: Laptop) -> None:
    world = laptop.world
    backed_up(world, 1)
    with pytest.raises(HarvesterError, match="no list of copies"):
        note_copies(world.settings, b'{"path": 1}')
    size = (world.folder / DAILY).stat().st_size
    other = [{"path": DAILY, "bytes": size, "sha256": "0" * 64}]
    assert note_copies(world.settings, msgspec.json.encode(other)) == 0
    assert remove_old(world.settings, MONDAY + timedelta(days=30)) == []
    world.changes = {}
    with pytest.raises(ConfigError, match=r"go to s3://.*whose receipts count"):
        note_copies(world.settings, b"[]")


GIVEN = {"database": "mydb", "tables": [{"name": "my_schema.ticks"}]}


def test_which_place_follows_from_the_inventory(sshd: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "open_lake", lambda upload: SimpleNamespace(address=f"s3://{upload.bucket}/"))
    given: dict[str, object] = GIVEN
    assert isinstance(choose_place([sshd.host(database_backup=given | {"place": "s3://bucket/d/"})], None), BackupPlace)
    assert choose_place([sshd.host(database_backup=given)], None).address == "loop:/var/lib/harvester/database/"
    settings = {"data_dir": "/srv/h"}
    host = sshd.host(database_backup=given, harvester_settings=settings)
    assert choose_place([host], None).address == "loop:/srv/h/database/"
    here = sshd.host(database_backup=given, ansible_connection="local")
    with pytest.raises(ConfigError, match=r"is this very machine.*Set place to a bucket"):
        choose_place([here], None)


def test_doctor_says_which_host_has_no_bucket_and_what_was_pulled_of_it(laptop: Laptop) -> None:
    given: dict[str, object] = GIVEN
    hosts = [laptop.host, replace(laptop.host, name="db1", variables={"database_backup": given})]
    root = laptop.world.root / "pulled"
    [none] = check_unplaced(hosts, root)
    assert none.level == "warn" and "database of db1 has no bucket" in none.detail and "./inv pull-database" in none.fix
    backed_up(laptop.world, 1)
    laptop.pull()
    [good] = check_unplaced(hosts, root)
    assert good.level == "ok" and "newest here is daily/incremental_2026-11-23.dump.gz" in good.detail
    with_bucket = replace(hosts[1], variables={"database_backup": given | {"place": "s3://bucket/d/"}})
    assert list(check_unplaced([with_bucket], root)) == []
