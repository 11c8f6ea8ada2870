"""harvester upload: once, verified, the manifest last; and what it does when S3 does not play along."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_lake import trading_days
from s3_world import STALL_SECONDS, World

from harvester.base.errors import HarvesterError
from harvester.upload.trouble import BucketError, TransientError, explain
from harvester.upload.uploader import DayOutcome

FAULTS_UP = ("503", "slow_down", "500", "timeout", "stall", "half_received", "lost_answer", "flip_up")


def problems(outcomes: list[DayOutcome]) -> str:
    return "\n".join(problem for outcome in outcomes for problem in outcome.problems)


def files_of(lake_root: Path) -> dict[str, bytes]:
    """What must be in the bucket: all files, manifests under their generation."""
    found = {path.relative_to(lake_root).as_posix(): path for path in lake_root.rglob("*") if path.is_file()}
    return {path.replace("/manifest.json", "/manifest-1.json"): file.read_bytes() for path, file in found.items()}


def test_a_day_is_up_with_every_byte_and_its_manifest_last(world: World) -> None:
    lake = world.lake()

    outcomes = world.upload(lake)

    assert [outcome.complete for outcome in outcomes] == [True, True]
    assert world.stored() == files_of(lake.root)
    for day in trading_days(2):
        puts = [path for method, path in world.proxy.asked if method == "PUT" and day in path]
        assert "/manifest/" in puts[-1]
        assert sum("/manifest/" in path for path in puts) == 1


def test_each_object_states_the_sha256_of_its_manifest(world: World) -> None:
    lake = world.lake(days=1)
    world.upload(lake)

    receipt = json.loads(next(world.uploads.glob("*.json")).read_bytes())

    assert {path for path in files_of(lake.root) if "manifest" not in path} < {row["path"] for row in receipt["files"]}
    for row in receipt["files"]:
        answer = world.direct.head_object(Bucket=world.name, Key=row["key"], ChecksumMode="ENABLED")
        assert answer["ChecksumSHA256"] == row["checksum"]
        assert (answer["ETag"], answer["VersionId"], answer["ContentLength"]) == (
            row["etag"],
            row["version_id"],
            row["bytes"],
        )


def test_a_second_run_asks_nothing_and_one_without_receipts_overwrites_nothing(world: World) -> None:
    lake = world.lake()
    world.upload(lake)
    asked, versions = len(world.proxy.asked), len(world.versions())

    assert [outcome.complete for outcome in world.upload(lake)] == [True, True]
    assert len(world.proxy.asked) == asked

    for receipt in world.uploads.glob("*.json"):
        receipt.unlink()
    assert [outcome.complete for outcome in world.upload(lake)] == [True, True]
    assert len(world.versions()) == versions


def test_a_new_generation_gets_keys_of_its_own_and_the_old_one_stays(world: World) -> None:
    lake = world.lake(days=1)
    world.upload(lake)
    before = world.stored()
    [more] = lake.add_runs(trading_days(1)[0])

    [outcome] = world.upload(lake)

    assert (outcome.put, outcome.complete) == (2, True), "what did not change is known"
    new = {path: content for path, content in world.stored().items() if path not in before}
    names = {re.sub(r"-[0-9a-f]{16}\.json", ".json", path.rsplit("/", 1)[1]) for path in new}
    assert names == {more.name, "certificate-g2.json", "manifest-2.json"}
    assert before.items() <= world.stored().items()
    assert len(world.versions()) == len(world.stored())


@pytest.mark.parametrize("kind", FAULTS_UP)
def test_one_fault_on_any_request_loses_nothing(world: World, kind: str) -> None:
    lake = world.lake(days=1, raw_bytes=200_000)
    for number in range(1 if kind == "stall" else 5):  # every second request, whatever it is
        world.proxy.add(
            kind, lambda method, path, at=number: len(world.proxy.asked) == 2 * at + 1, seconds=STALL_SECONDS
        )

    [outcome] = world.upload(lake)

    assert outcome.complete, problems([outcome])
    assert world.stored() == files_of(lake.root)
    assert len(world.versions()) == len(world.stored()), "nothing was put twice"
    assert world.proxy.struck


def test_pauses_grow_with_jitter_and_end(world: World) -> None:
    lake = world.lake(days=1)
    world.proxy.add("503", times=10**6)

    with pytest.raises(TransientError, match="ServiceUnavailable"):
        world.upload(lake, world.patience(total=20))

    assert sum(world.waited) <= 20
    assert all(0.25 <= first <= 30 for first in world.waited)
    assert world.waited[3] > world.waited[0]


def test_what_was_verified_before_s3_went_away_is_not_sent_again(world: World) -> None:
    lake = world.lake(days=1)
    world.proxy.add("503", lambda method, path: "/raw/" in path, times=10**6)
    [outcome] = world.upload(lake)
    assert not outcome.complete
    assert not any("/manifest/" in path for path in world.stored()), "no manifest over an incomplete day"
    world.proxy.faults.clear()
    world.proxy.asked.clear()

    [outcome] = world.upload(lake)

    assert outcome.complete
    assert not any("/depth/" in path for _, path in world.proxy.asked)


def test_a_foreign_object_is_an_error_that_says_what_to_do(world: World) -> None:
    lake = world.lake(days=1)
    path = next(lake.root.glob("depth_v3/*/*/*")).relative_to(lake.root).as_posix()
    world.put(path, b"someone else's")

    [outcome] = world.upload(lake)

    assert not outcome.complete
    assert "Nothing was overwritten" in problems([outcome])
    assert world.stored()[path] == b"someone else's"
    assert not any("manifest" in stored for stored in world.stored())


def test_a_wrong_checksum_in_an_answer_is_asked_again_and_a_lasting_one_is_believed(world: World) -> None:
    lake = world.lake(days=1)
    world.proxy.add("wrong_checksum", lambda method, path: method == "HEAD", times=2)
    [outcome] = world.upload(lake)
    assert outcome.complete

    other = world.lake(days=1, host="lab2")
    world.proxy.add("wrong_checksum", lambda method, path: method == "HEAD" and "raw" in path, times=10**6)
    outcomes = world.upload(other)
    assert "another object" in problems(outcomes)
    assert not outcomes[-1].complete


def test_a_file_that_changed_here_is_not_sent(world: World) -> None:
    lake = world.lake(days=1)
    victim = next(lake.root.glob("depth_v3/*/*/*"))
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.write_bytes(content)

    [outcome] = world.upload(lake)

    assert "harvester verify" in problems([outcome])
    assert victim.relative_to(lake.root).as_posix() not in world.stored()


@pytest.mark.parametrize(("kind", "advice"), [("denied", "s3:PutObject"), ("no_bucket", "upload.bucket")])
def test_a_refusal_for_good_ends_the_run_with_advice(world: World, kind: str, advice: str) -> None:
    lake = world.lake()
    world.proxy.add(kind, times=10**6)

    with pytest.raises(BucketError, match=advice) as caught:
        world.upload(lake)

    assert not isinstance(caught.value, TransientError)
    assert world.waited == []
    assert len(world.proxy.asked) == 1


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("PermanentRedirect", "upload.region"),
        ("301", "upload.region"),
        ("ExpiredToken", "Log in to AWS"),
        ("RequestTimeTooSkewed", "chronyc"),
        ("NewSinceThen", "S3 documentation"),
    ],
)
def test_every_refusal_says_what_to_do(code: str, advice: str) -> None:
    error = explain(code, f"An error occurred ({code})", "s3://b/k")

    assert type(error) is BucketError
    assert advice in str(error)
    assert code in str(error)


def test_large_files_go_in_parts_each_with_its_own_checksum(world: World, small_parts: Callable[[], None]) -> None:
    small_parts()
    lake = world.lake(days=1, raw_bytes=11 << 20)
    world.proxy.add("flip_up", lambda method, path: "partNumber=2" in path)

    [outcome] = world.upload(lake)

    assert outcome.complete, problems([outcome])
    assert world.stored() == files_of(lake.root)
    assert sum("partNumber=2" in path for _, path in world.proxy.asked) == 2
    assert not world.direct.list_multipart_uploads(Bucket=world.name).get("Uploads")

    for receipt in world.uploads.glob("*.json"):
        receipt.unlink()
    assert world.upload(lake)[0].complete, "it is known again"
    assert len(world.versions()) == len(world.stored())


def test_a_receipt_that_cannot_be_written_is_told(world: World) -> None:
    lake = world.lake(days=1)
    world.uploads.write_bytes(b"a file where the folder should be")

    with pytest.raises(HarvesterError, match="receipt cannot be written"):
        world.upload(lake)
