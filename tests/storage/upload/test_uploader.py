"""A closed day into the bucket: each file once, verified there, the manifest last; and nothing believed unseen."""

import hashlib
import json
from argparse import Namespace
from collections.abc import Sequence
from datetime import date
from unittest.mock import Mock

import pytest
from tests.storage.upload import stand_in
from tests.storage.upload.conftest import DAYS, Host
from tests.storage.upload.stand_in import Object, answer, b64, refusal

from harvester.base.errors import HarvesterError
from harvester.commands import upload
from harvester.config.settings import UploadSettings
from harvester.deliver.receipts import DayReceipt, load, receipt_path
from harvester.upload.bucket import Bucket
from harvester.upload.fingerprint import Sizes
from harvester.upload.uploader import Uploader, manifest_path

FIRST, SECOND = DAYS
KINDS = ("depth", "gaps", "certificate", "raw")
MANIFEST = "manifest/date=2026-11-19/host=lab1/manifest-1.json"


def keys_of(host: Host, *days: object) -> set[str]:
    return {f"lake/{host.path(kind, day)}" for day in days for kind in KINDS}  # type: ignore[arg-type]


def test_every_byte_is_up_the_manifest_last_and_the_oldest_day_first(host: Host, s3: stand_in.Bucket) -> None:
    outcomes = host.upload()
    manifests = {f"lake/{manifest_path(host.partition(day), 1)}" for day in DAYS}
    assert s3.objects.keys() == keys_of(host, *DAYS) | manifests
    for day in DAYS:
        for kind in KINDS:
            assert s3.objects[f"lake/{host.path(kind, day)}"].content == f"{kind} of {day}".encode()
        path = manifest_path(host.partition(day), 1)
        assert s3.objects[f"lake/{path}"].content == (host.lake / host.partition(day).manifest).read_bytes()
    puts = s3.said("PUT")
    assert puts[4] == f"PUT lake/{MANIFEST}" and "2026-11-20" in puts[5] and "/manifest/" in puts[9]
    assert [(each.put, each.complete, each.new, each.problems, each.left_out) for each in outcomes] == [
        (4, True, True, [], ""),
        (4, True, True, [], ""),
    ]
    assert outcomes[0].bytes == sum(len(f"{kind} of {FIRST}") for kind in KINDS)
    assert [outcome.partition for outcome in outcomes] == [host.partition(FIRST), host.partition(SECOND)]


def test_each_object_is_looked_at_after_it_was_put(host: Host, s3: stand_in.Bucket) -> None:
    host.upload(host.partition())
    said = s3.said()
    assert said[::2] == [line.replace("HEAD", "PUT") for line in said[1::2]]
    assert len(said) == 10


def test_the_receipt_has_what_was_seen(host: Host, s3: stand_in.Bucket, bucket: Bucket) -> None:
    host.upload(host.partition())
    receipt = load(host.receipts, host.partition(), bucket.home)
    manifest = (host.lake / host.partition().manifest).read_bytes()
    assert receipt.manifest == json.loads(manifest)["self_sha256"]
    assert receipt.files.keys() == {host.path(kind) for kind in KINDS} | {MANIFEST}
    for path, verified in receipt.files.items():
        stored = s3.objects[f"lake/{path}"]
        assert (verified.path, verified.key) == (path, f"lake/{path}")
        assert verified.bytes == len(stored.content)
        assert verified.sha256 == hashlib.sha256(stored.content).hexdigest()
        assert (verified.checksum, verified.etag, verified.version_id) == (stored.checksum, stored.etag, "v1")
        assert verified.verified_at.endswith("+00:00")


def test_a_day_that_is_up_is_not_asked_for_again(host: Host, s3: stand_in.Bucket) -> None:
    host.upload()
    s3.asked.clear()
    again = host.upload()
    assert s3.asked == []
    assert [(each.put, each.bytes, each.complete, each.new) for each in again] == [(0, 0, True, False)] * 2


def test_one_day_can_be_asked_for(host: Host, s3: stand_in.Bucket) -> None:
    (outcome,) = host.upload(host.partition(SECOND))
    assert outcome.complete and not any("2026-11-19" in key for key in s3.objects)


def test_no_day_is_no_work(host: Host) -> None:
    assert Uploader(host.lake, host.receipts, host.bucket, host.retries()).upload([]) == []


def test_without_receipts_everything_is_found_to_be_there(host: Host, s3: stand_in.Bucket) -> None:
    host.upload()
    before = dict(s3.objects)
    for path in host.receipts.iterdir():
        path.unlink()
    assert [outcome.complete for outcome in host.upload()] == [True, True]
    assert s3.objects == before


def test_a_new_generation_sends_what_changed_and_a_manifest_of_its_own(host: Host, s3: stand_in.Bucket) -> None:
    host.upload(host.partition())
    before = dict(s3.objects)
    (host.lake / host.path("raw")).with_name("2-2.seg.zst").write_bytes(b"another run")
    host.reseal()
    (outcome,) = host.upload(host.partition())
    assert (outcome.put, outcome.bytes, outcome.complete, outcome.new) == (1, 11, True, True)
    new = {key.rsplit("/", 1)[1] for key in s3.objects.keys() - before.keys()}
    assert new == {"2-2.seg.zst", "manifest-2.json"}


def test_the_same_size_with_other_content_is_not_what_was_verified(host: Host, s3: stand_in.Bucket) -> None:
    """A file that was built anew under its old name: the object of that name is another one, and that is told."""
    host.upload(host.partition())
    s3.asked.clear()
    path = host.lake / host.path("depth")
    path.write_bytes(path.read_bytes().swapcase())
    host.reseal()
    (outcome,) = host.upload(host.partition())
    assert not outcome.complete and outcome.put == 0
    problem, advice = outcome.problems
    stored = s3.objects[f"lake/{host.path('depth')}"]
    assert problem == (
        f"s3://market-data/lake/{host.path('depth')} is another object than the file here: 19 bytes with SHA-256"
        f" {stored.checksum}, and 19 bytes with {b64(hashlib.sha256(path.read_bytes()).digest())} are expected. Nothing"
        " was overwritten and nothing goes from here."
    )
    assert advice == (
        "Files of a former build of the day had these names, as releases up to November 2026 gave them: run harvester"
        " close --date 2026-11-19 --rebuild, which names the day's files anew, then harvester upload."
    )
    assert not any("manifest-2" in key for key in s3.objects)


def test_an_object_without_a_checksum_is_another_ones(host: Host, s3: stand_in.Bucket) -> None:
    content = (host.lake / host.path("gaps")).read_bytes()
    s3.objects[f"lake/{host.path('gaps')}"] = Object(content, None)
    (outcome,) = host.upload(host.partition())
    assert "18 bytes with SHA-256 unknown, and 18 bytes" in outcome.problems[0]
    assert (outcome.put, outcome.complete) == (3, False), "the other files go up all the same"
    assert len(s3.said("HEAD")) == 3 + 3, "an answer can be garbled: it was asked three times"


def test_a_garbled_answer_is_asked_again(host: Host, s3: stand_in.Bucket) -> None:
    wrong = answer(200, {"ETag": '"e"', "Content-Length": "19", "x-amz-checksum-sha256": b64(b"x" * 32)})
    s3.fail("HEAD .*depth", lambda request: wrong, times=2)
    (outcome,) = host.upload(host.partition())
    assert outcome.complete and len(s3.said("HEAD")) == 7


def test_an_answer_that_is_lost_after_the_put_finds_our_own_object(host: Host, s3: stand_in.Bucket) -> None:
    s3.fail("PUT .*depth", lambda request: refusal(503, "ServiceUnavailable"), after=True)
    (outcome,) = host.upload(host.partition())
    assert outcome.complete and outcome.put == 4
    assert len(host.waited) == 1


def test_an_object_that_vanishes_after_the_put_is_a_problem_of_its_day_alone(host: Host, s3: stand_in.Bucket) -> None:
    s3.fail("HEAD .*2026-11-19.*depth", lambda request: answer(404))
    first, second = host.upload()
    path = host.path("depth")
    assert first.problems == [f"s3://market-data/lake/{path}: there is no such object."]
    assert (first.complete, first.put, second.complete) == (False, 3, True)
    assert host.waited == []


@pytest.mark.parametrize("on", ["PUT", "HEAD"])
def test_a_manifest_that_does_not_arrive_is_sent_by_the_next_run(host: Host, s3: stand_in.Bucket, on: str) -> None:
    s3.fail(f"{on} .*manifest", lambda request: refusal(503, "SlowDown"), times=8)
    (outcome,) = host.upload(host.partition())
    assert (outcome.complete, outcome.new, outcome.put, len(outcome.problems)) == (False, False, 4, 1)
    s3.asked.clear()
    (outcome,) = host.upload(host.partition())
    assert (outcome.complete, outcome.new, outcome.put) == (True, True, 0)
    assert s3.said() == [f"PUT lake/{MANIFEST}", f"HEAD lake/{MANIFEST}"]


def test_a_foreign_manifest_is_a_problem_and_no_completion(host: Host, s3: stand_in.Bucket, bucket: Bucket) -> None:
    s3.objects[f"lake/{MANIFEST}"] = Object(b"of another host with our name", None)
    (outcome,) = host.upload(host.partition())
    assert "is another object than the file here" in outcome.problems[0]
    assert outcome.problems[1] == (
        "Does another host have the same host_id? Give this one its own with ./inv deploy. Then rename"
        f" {host.lake}/raw/date=2026-11-19/host=lab1 to host=ITS-NEW-ID, move all other host=lab1 of date=2026-11-19"
        " out of the lake, and run harvester close --date 2026-11-19 and harvester upload. Otherwise look at the"
        " object, move it away with an administrator's rights, and run harvester upload again."
    )
    assert not outcome.complete and load(host.receipts, host.partition(), bucket.home).manifest is None


def test_large_files_go_in_parts_and_are_known_again(host: Host, s3: stand_in.Bucket, bucket: Bucket) -> None:
    bucket.sizes = Sizes(single=15, part=7)
    assert host.upload(host.partition())[0].complete
    assert s3.objects[f"lake/{host.path('certificate')}"].checksum.endswith("-4")  # type: ignore[union-attr]
    (host.receipts / "2026-11-19_lab1.json").unlink()
    assert host.upload(host.partition())[0].complete


def test_a_receipt_of_another_place_is_not_believed(host: Host, s3: stand_in.Bucket, client: object) -> None:
    host.upload(host.partition())
    s3.objects.clear()
    for other in (Bucket(client, "market-data", "elsewhere/"), Bucket(client, "other", "lake/")):
        s3.name = other.name
        host.bucket = other
        (outcome,) = host.upload(host.partition())
        assert (outcome.new, outcome.put) == (True, 4)
    assert {key.split("/", 1)[0] for key in s3.objects} == {"elsewhere", "lake"}


def test_a_receipt_that_cannot_be_written_ends_the_run(host: Host) -> None:
    host.receipts.write_bytes(b"a file where the folder should be")
    with pytest.raises(HarvesterError, match="the receipt cannot be written") as caught:
        host.upload()
    assert str(receipt_path(host.receipts, host.partition())) in str(caught.value)


def test_a_receipt_covers_a_content_and_no_other() -> None:
    receipt = DayReceipt("2026-11-19", "lab1", "s3://b/lake/")
    assert not receipt.covers("depth/x", "0" * 64)


@pytest.mark.parametrize(
    ("day", "goes", "says"),
    [
        (None, DAYS, "2 of 2 days are complete in s3://market-data/lake/"),
        (FIRST, [FIRST], "1 of 1 days are complete in s3://market-data/lake/"),
        (SECOND, [SECOND], "1 of 1 days are complete in s3://market-data/lake/"),
        (date(2026, 11, 18), [], "--date 2026-11-18: that day has no manifest in {}. Close it first."),
    ],
)
def test_the_command_brings_the_day_that_is_named_and_no_other(
    host: Host,
    s3: stand_in.Bucket,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    day: date | None,
    goes: Sequence[date],
    says: str,
) -> None:
    monkeypatch.setattr(upload, "open_bucket", lambda _: host.bucket)
    monkeypatch.setattr(upload, "Retries", host.retries)
    settings = Mock(upload=UploadSettings(bucket="b"), lake_dir=host.lake, data_dir=host.folder, host_id="lab1")
    words = Namespace(date=day and day.isoformat(), attest=False)

    if goes:
        assert upload.run(words, settings) == 0
        assert capsys.readouterr().out.splitlines()[-1] == says
    else:
        with pytest.raises(HarvesterError) as refused:
            upload.run(words, settings)
        assert str(refused.value) == says.format(host.lake)

    assert {key for key in s3.objects if "manifest" not in key} == keys_of(host, *goes)


def test_the_command_fails_with_every_problem_of_every_day(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "open_bucket", lambda _: host.bucket)
    monkeypatch.setattr(upload, "Retries", host.retries)
    changed = [host.lake / host.path("depth", day) for day in DAYS]
    for path in changed:
        path.write_bytes(b"other")
    settings = Mock(upload=UploadSettings(bucket="b"), lake_dir=host.lake, data_dir=host.folder, host_id="lab1")

    with pytest.raises(HarvesterError) as failed:
        upload.run(Namespace(date=None, attest=False), settings)

    *problems, rest = str(failed.value).splitlines()
    assert problems == [f"{path}: it is not what its manifest says; run harvester verify." for path in changed]
    assert rest == "The next run goes on; nothing is deleted here before it is verified."
