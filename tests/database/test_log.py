"""The log of a backup: beside its dump, in the bucket after its manifest, without secrets; no backup waits for it."""

from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from tests.database.world import MONDAY, World

from harvester.base.errors import HarvesterError
from harvester.base.redaction import forget_secrets, register_text
from harvester.database.copies import remove_old
from harvester.database.delivery import BackupDelivery, receipt_of
from harvester.database.log import MOST_BYTES, BackupLog
from harvester.lake.layout import Partition
from harvester.upload.retries import Retries

LOG = "daily/incremental_2026-11-23.log"


def texts(path: Path) -> list[str]:
    """The lines without their times."""
    return [line.partition(" ")[2] for line in path.read_text("utf-8").splitlines()]


def in_bucket(world: World, key: str) -> bytes:
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    return client.get_object(Bucket=world.bucket, Key=f"database/{key}")["Body"].read()


def test_the_log_of_a_backup_is_in_the_bucket_and_in_its_receipt_and_goes_with_it(world: World) -> None:
    world.trade(MONDAY, 10)
    backup = world.back_up(MONDAY)
    said = texts(world.folder / LOG)
    assert said[0] == f"begun: database {world.database} at {world.postgres.socket_folder}:5432"
    assert f"{backup.bytes} bytes, SHA-256 {backup.sha256}" in said[1] and "my_schema.ticks: 10 rows" in said
    log, manifest = ((world.folder / LOG).with_suffix(end).stat() for end in (".log", ".json"))
    assert log.st_mtime_ns <= manifest.st_mtime_ns, "it is whole before the backup counts"
    planned = BackupDelivery(world.settings, Retries(0)).plan(Partition(MONDAY, "app1"))
    assert [item.path.rpartition(".")[2] for item in (*planned.items, *planned.last)] == ["gz", "json", "log"]
    assert said[-1].startswith("complete: pg_restore ") and said[-1].endswith("rows since 2026-11-23")
    assert all(outcome.complete for outcome in world.deliver())
    assert in_bucket(world, LOG) == (world.folder / LOG).read_bytes()
    receipt = receipt_of(world.settings, MONDAY).files
    assert [*receipt] == [f"daily/incremental_2026-11-23.{end}" for end in ("dump.gz", "json", "log")]
    before = world.objects
    assert not any(outcome.new for outcome in world.deliver()) and world.objects == before
    assert world.pull().fetched == 1
    remove_old(world.settings, MONDAY + timedelta(days=3))
    assert list(world.folder.glob("*/*")) == []


def test_the_log_of_a_full_backup_is_beside_it(world: World) -> None:
    world.back_up_all(MONDAY)
    world.deliver()
    assert texts(world.folder / "weekly/full_2026-11-23.log")[-1].startswith("complete: ")
    assert b"my_schema.ticks: 0 rows" in in_bucket(world, "weekly/full_2026-11-23.log")


def test_what_failed_before_is_in_the_log_without_secrets(world: World) -> None:
    register_text("hidden-word")
    try:
        world.changes = {"tables": [{"name": "my_schema.hidden-word"}]}
        with pytest.raises(HarvesterError, match="no such table"):
            world.back_up(MONDAY)
        assert not list(world.folder.glob("*/*.json"))
        assert world.deliver() == [], "nothing is beside it yet"
        world.changes = {}
        world.back_up(MONDAY)
        world.deliver()
    finally:
        forget_secrets()
    said = in_bucket(world, LOG).decode()
    assert (
        "hidden-word" not in said
        and "failed: " in said
        and "table my_schema.[redacted]: there is no such table" in said
    )
    assert said.count("begun: ") == 2 and said.count("complete: ") == 1


def test_of_a_long_log_the_newest_whole_lines_are_kept(tmp_path: Path) -> None:
    log = BackupLog(tmp_path / "daily/x.log")
    for number in range(200):
        log.say(f"{number} " + "x" * 1000)
    content = log.path.read_bytes()
    said = texts(log.path)
    assert MOST_BYTES - 1100 < len(content) <= MOST_BYTES
    assert [text.split()[0] for text in said] == [str(number) for number in range(200 - len(said), 200)]
    assert (log.path.stat().st_mode & 0o777) == 0o640


def test_a_log_that_cannot_be_brought_is_told_and_the_backup_is_there_without_it(world: World) -> None:
    world.back_up(MONDAY)
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    client.put_object(Bucket=world.bucket, Key=f"database/{LOG}", Body=b"another's")
    [outcome] = world.deliver()
    assert not outcome.complete and LOG in outcome.problems[0]
    assert [backup.day for backup, _ in world.pull().merged] == [MONDAY]
    client.delete_object(Bucket=world.bucket, Key=f"database/{LOG}")
    assert world.deliver()[0].complete


def test_a_log_that_cannot_be_written_says_so_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harvester.database.log.replace_file", full)
    with pytest.raises(HarvesterError, match=r"log cannot be written \(No space left on device\). Make room there"):
        world.back_up(MONDAY)
    monkeypatch.undo()
    world.back_up(MONDAY)
