"""Orders of system calls behind the lake, its clean-up and the receipts of uploads: the rule of tests/durability.py."""

from pathlib import Path

import pytest
from tests.durability import watched
from tests.storage.lake.conftest import PARTITION, Place

from harvester.deliver import receipts
from harvester.lake.cleanup import delete_files, judge_files
from harvester.lake.manifest import load_manifest, write_manifest
from harvester.lake.prune import delete_segments, judge_segments
from harvester.lake.publish.files import names_after, set_superseded_aside, temporary_for
from harvester.lake.publish.files import place as place_file
from harvester.lake.publish.receipts import Receipt


def test_a_closed_day_is_durable_and_its_manifest_comes_last(place: Place) -> None:
    place.record_all()
    with watched(place.root) as disk:
        place.close()
    last = disk.first(f"durable lake/{PARTITION.path('manifest')}/manifest.json")
    assert [event for event in disk.log[last:] if event.startswith("durable lake/")] == [disk.log[last]]


def test_a_day_closed_again_keeps_all_that_it_replaces(closed: Place) -> None:
    manifest = load_manifest(closed.lake, PARTITION)
    assert manifest is not None
    with watched(closed.root) as disk:
        write_manifest(closed.lake, PARTITION, manifest)
    kept = f"lake/{PARTITION.path('manifest')}/manifest-{manifest.generation - 1}.json"
    assert f"durable {kept}" in disk.log


@pytest.mark.parametrize("copies", [1, 2])
def test_a_placed_file_is_durable_and_one_that_is_there_already_is_enough(tmp_path: Path, copies: int) -> None:
    for _ in range(copies):
        with watched(tmp_path):
            temporary = temporary_for(tmp_path, PARTITION, "depth")
            temporary.write_bytes(b"rows")
            entry = place_file(tmp_path, temporary, 1, names_after(tmp_path, PARTITION, None))
        assert (tmp_path / entry.path).read_bytes() == b"rows"


def test_superseded_files_are_durable_where_they_go_and_gone_where_they_were(closed: Place) -> None:
    manifest = load_manifest(closed.lake, PARTITION)
    assert manifest is not None
    unlisted = closed.current("depth").with_name("depth-9.parquet")
    unlisted.write_bytes(b"old")
    with watched(closed.root) as disk:
        set_superseded_aside(closed.lake, manifest, PARTITION)
    assert disk.returning() == [] and not unlisted.exists()


def test_clean_up_writes_down_what_goes_before_it_goes(closed: Place) -> None:
    manifest = load_manifest(closed.lake, PARTITION)
    assert manifest is not None
    with watched(closed.root) as disk:
        delete_segments(judge_segments(closed.journal, closed.lake))
    assert disk.returning() == []
    receipt = Receipt("0" * 64, {entry.path: entry.sha256 for entry in manifest.files})
    with watched(closed.root) as disk:
        assert delete_files(closed.lake, judge_files(closed.lake, closed.journal, receipt, 0), receipt) > 0
    removed = [event for event in disk.log if event.startswith("unlink lake/")]
    record = f"durable lake/{PARTITION.path('manifest')}/removed-1.json"
    assert len(removed) == 5 and disk.first(record) < min(map(disk.first, removed))
    assert disk.returning() == []


def test_an_upload_receipt_is_durable(tmp_path: Path) -> None:
    day = receipts.DayReceipt(PARTITION.date.isoformat(), PARTITION.host, "s3://bucket")
    for _ in range(2):
        with watched(tmp_path):
            receipts.save(tmp_path / "uploads", PARTITION, day)
