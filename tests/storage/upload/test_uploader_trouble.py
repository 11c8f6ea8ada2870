"""An upload in trouble: one day does not hold up the others, and nothing that was verified is lost."""

from pathlib import Path

import pytest
from tests.storage.upload import stand_in
from tests.storage.upload.conftest import Host
from tests.storage.upload.stand_in import refusal

from harvester.deliver.receipts import load
from harvester.lake.manifest import FileEntry, write_removals
from harvester.upload.bucket import Bucket
from harvester.upload.trouble import BucketError, TransientError

MANIFEST = "manifest/date=2026-11-19/host=lab1/manifest-1.json"


def test_one_day_in_trouble_does_not_hold_up_the_others(host: Host, s3: stand_in.Bucket) -> None:
    s3.fail("PUT lake/raw/.*2026-11-19", lambda request: refusal(503, "SlowDown"), times=8)
    first, second = host.upload()
    assert (first.put, first.complete, len(first.problems)) == (3, False, 1)
    assert "SlowDown" in first.problems[0]
    assert second.complete
    assert not any("manifest" in key and "2026-11-19" in key for key in s3.objects), "no manifest of half a day"
    s3.asked.clear()
    first, second = host.upload()
    assert (first.put, first.complete, first.new, second.new) == (1, True, True, False)
    assert s3.said("PUT") == [f"PUT lake/{host.path('raw')}", f"PUT lake/{MANIFEST}"]


def test_when_the_time_for_retries_is_used_up_the_run_ends_and_keeps_what_it_has(
    host: Host, s3: stand_in.Bucket, bucket: Bucket
) -> None:
    s3.fail("PUT .*certificate", lambda request: refusal(503, "SlowDown"), times=8)
    with pytest.raises(TransientError, match="SlowDown"):
        host.upload(total=1)
    assert load(host.receipts, host.partition(), bucket.home).files.keys() == {host.path("depth"), host.path("gaps")}


def test_the_time_that_is_used_up_at_a_manifest_ends_the_run_too(host: Host, s3: stand_in.Bucket) -> None:
    s3.fail("PUT .*manifest", lambda request: refusal(503, "SlowDown"), times=8)
    with pytest.raises(TransientError, match="SlowDown"):
        host.upload(total=1)
    assert not any("2026-11-20" in key for key in s3.objects)


def test_a_refusal_for_good_ends_the_run_and_keeps_what_was_verified(
    host: Host, s3: stand_in.Bucket, bucket: Bucket
) -> None:
    s3.fail("PUT .*gaps", lambda request: refusal(403, "AccessDenied"))
    with pytest.raises(BucketError, match="s3:PutObject") as caught:
        host.upload()
    assert not isinstance(caught.value, TransientError) and host.waited == []
    assert load(host.receipts, host.partition(), bucket.home).files.keys() == {host.path("depth")}


def test_a_file_that_is_not_what_its_manifest_says_is_not_sent(host: Host, s3: stand_in.Bucket) -> None:
    path = host.lake / host.path("depth")
    for content in (path.read_bytes().swapcase(), path.read_bytes() + b"x"):
        path.write_bytes(content)
        (outcome,) = host.upload(host.partition())
        assert outcome.problems == [f"{path}: it is not what its manifest says; run harvester verify."]
        assert not outcome.complete and f"lake/{host.path('depth')}" not in s3.objects
    assert f"lake/{host.path('raw')}" in s3.objects


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_up(host: Host, s3: stand_in.Bucket) -> None:
    path = host.lake / host.path("depth")
    path.unlink()
    (outcome,) = host.upload(host.partition())
    assert outcome.problems == [f"{path}: it cannot be read (No such file or directory); run harvester verify."]
    assert (outcome.put, outcome.complete, outcome.left_out) == (3, False, "")


def test_a_day_that_clean_up_was_quicker_with_is_left_out_with_the_reason(host: Host, s3: stand_in.Bucket) -> None:
    going = [FileEntry(host.path(kind), 1, "0" * 64, 1) for kind in ("depth", "raw")]
    write_removals(host.lake, host.partition(), going, "0" * 64)
    assert host.upload(host.partition())[0].complete, "they are noted, and still here"
    for path in host.receipts.iterdir():
        path.unlink()
    s3.objects.clear()
    s3.asked.clear()
    for entry in going:
        (host.lake / entry.path).unlink()
    (outcome,) = host.upload(host.partition())
    assert outcome.left_out == f"2 files were cleaned up before they were uploaded, such as {host.path('depth')}"
    assert (outcome.complete, outcome.problems, s3.asked) == (False, [], [])


def test_what_was_up_before_clean_up_came_stays_complete(host: Host) -> None:
    host.upload(host.partition())
    write_removals(host.lake, host.partition(), [FileEntry(host.path("depth"), 1, "0" * 64, 1)], "0" * 64)
    (host.lake / host.path("depth")).unlink()
    (host.lake / host.path("raw")).with_name("2-2.seg.zst").write_bytes(b"another run")
    assert host.upload(host.partition())[0].complete


@pytest.mark.parametrize("damaged", ["manifest.json", "removed-1.json"])
def test_a_damaged_manifest_or_record_is_its_days_problem(host: Host, s3: stand_in.Bucket, damaged: str) -> None:
    (host.lake / host.partition().path("manifest") / damaged).write_bytes(b"{}")
    first, second = host.upload()
    assert len(first.problems) == 1 and damaged in first.problems[0]
    assert (first.complete, first.put, second.complete) == (False, 0, True)
    assert not any("2026-11-19" in key for key in s3.objects)


def test_a_day_that_is_being_closed_waits_for_the_next_run(
    host: Host, s3: stand_in.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest in force is another one when it is read the second time, or is not there yet."""
    from harvester.upload import uploader

    path = host.lake / host.partition().manifest
    real = uploader.load_manifest

    def replaced(lake: Path, partition: object) -> object:
        found = real(lake, partition)  # type: ignore[arg-type]
        if path.exists():
            (host.lake / host.path("raw")).with_name("2-2.seg.zst").write_bytes(b"another run")
            host.reseal()
        return found

    monkeypatch.setattr(uploader, "load_manifest", replaced)
    said = f"{path}: the day is being closed just now. The next run uploads it."
    assert host.upload(host.partition())[0].problems == [said]
    monkeypatch.setattr(uploader, "load_manifest", lambda lake, partition: None)
    assert host.upload(host.partition())[0].problems == [said]
    assert s3.asked == []
