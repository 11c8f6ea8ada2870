"""What the uploader keeps of what it verified, the attestation for clean-up, and how long that counts."""

import hashlib
import json
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.storage.upload import stand_in
from tests.storage.upload.conftest import DAYS, Host
from tests.storage.upload.stand_in import Object, answer

from harvester.base.errors import ConfigError, HarvesterError
from harvester.commands.upload import run as run_upload
from harvester.config.settings import UploadSettings
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, now, receipt_path, save
from harvester.lake.layout import Partition
from harvester.lake.manifest import FileEntry, load_manifest
from harvester.lake.publish.receipts import Receipt, accept, load_receipt
from harvester.upload.attestation import attest, write_attested
from harvester.upload.bucket import Bucket
from harvester.upload.fingerprint import Sizes
from harvester.upload.trouble import BucketError, TransientError

PARTITION = Partition(DAYS[0], "lab1")
HOME = "s3://market-data/lake/"
SEEN = VerifiedObject("depth/x", 5, "a" * 64, "lake/depth/x", "c2hh", '"e"', None, "2026-11-20T11:00:00+00:00")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def receipt() -> DayReceipt:
    other = VerifiedObject("bars/x", 6, "b" * 64, "lake/bars/x", "c2hh", '"f"', "v2", "2026-11-20T11:00:01+00:00")
    return DayReceipt("2026-11-19", "lab1", HOME, "d" * 64, {"depth/x": SEEN, "bars/x": other})


def test_a_receipt_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "uploads"
    save(folder, PARTITION, receipt())
    path = folder / "2026-11-19_lab1.json"
    assert receipt_path(folder, PARTITION) == path
    assert load(folder, PARTITION, HOME) == receipt()
    assert path.stat().st_mode & 0o777 == 0o640, "clean-up is another user of the group"
    text = path.read_text()
    assert text.endswith("\n") and text.startswith('{\n "format": 1,\n "date"')
    assert [row["path"] for row in json.loads(text)["files"]] == ["bars/x", "depth/x"]
    assert list(folder.iterdir()) == [path]


def test_it_covers_a_path_with_its_content_alone() -> None:
    assert receipt().covers("depth/x", "a" * 64)
    assert not receipt().covers("depth/x", "b" * 64)
    assert not receipt().covers("depth/y", "a" * 64)


EMPTY = DayReceipt("2026-11-19", "lab1", HOME)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(home="s3://market-data/other/"),
        lambda value: value.update(format=2),
        lambda value: value.pop("format"),
        lambda value: value.pop("home"),
        lambda value: value.pop("files"),
        lambda value: value["files"][0].pop("sha256"),
        lambda value: value["files"][0].update(more=1),
        lambda value: value.update(more=1),
    ],
)
def test_a_receipt_of_another_place_or_form_counts_for_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    save(tmp_path, PARTITION, receipt())
    path = receipt_path(tmp_path, PARTITION)
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))
    assert load(tmp_path, PARTITION, HOME) == EMPTY


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b"1", b"null", b'"x"', b"[" * 100_000])
def test_what_is_no_receipt_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    assert load(tmp_path, PARTITION, HOME) == EMPTY
    receipt_path(tmp_path, PARTITION).write_bytes(content)
    assert load(tmp_path, PARTITION, HOME) == EMPTY


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_bytes(b"")
    folder = tmp_path / "uploads"
    with pytest.raises(HarvesterError) as caught:
        save(folder, PARTITION, receipt())
    assert str(caught.value) == (
        f"{folder}/2026-11-19_lab1.json: the receipt cannot be written (File exists). Make room there, or run the"
        f" command as the user that owns {folder}; what was delivered stays, and is found there by the next run."
    )


def test_now_is_utc_in_whole_seconds() -> None:
    stated = datetime.fromisoformat(now())
    assert stated.utcoffset() == timedelta(0) and stated.microsecond == 0
    assert abs(datetime.now(UTC) - stated) < timedelta(minutes=1)


def seen(host: Host) -> set[str]:
    return {entry.path for entry in attest(host.lake, host.bucket, host.retries())}


def test_an_attestation_names_the_removable_files_that_the_bucket_has(host: Host, s3: stand_in.Bucket) -> None:
    assert seen(host) == set()
    host.upload()
    s3.asked.clear()
    removable = {host.path(kind, day) for kind in ("depth", "raw") for day in DAYS}
    assert seen(host) == removable
    assert s3.said() == [f"HEAD lake/{path}" for path in s3_order(host)], "one request a file"
    entries = attest(host.lake, host.bucket, host.retries())
    manifests = [load_manifest(host.lake, host.partition(day)) for day in DAYS]
    assert all(entry in [*manifests[0].files, *manifests[1].files] for entry in entries)  # type: ignore[union-attr]


def s3_order(host: Host) -> list[str]:
    return [host.path(kind, day) for day in DAYS for kind in ("depth", "raw")]


@pytest.mark.parametrize(
    "harm", ["gone", "other", "no checksum", "other size", "changed here", "shorter here", "here no more"]
)
def test_a_file_that_differs_from_its_object_is_not_attested(host: Host, s3: stand_in.Bucket, harm: str) -> None:
    host.upload()
    path = host.path("depth")
    key, file = f"lake/{path}", host.lake / path
    content = file.read_bytes()
    if harm == "gone":
        del s3.objects[key]
    elif harm == "other":
        s3.objects[key].checksum = s3.objects[f"lake/{host.path('raw')}"].checksum
    elif harm == "no checksum":
        s3.objects[key] = Object(content, None)
    elif harm == "other size":
        s3.objects[key].content += b"x"
    elif harm == "changed here":
        file.write_bytes(content.swapcase())
    elif harm == "shorter here":
        file.write_bytes(content[:-1])
    else:
        file.unlink()
        file.symlink_to(file.name)
    assert seen(host) == {*s3_order(host)} - {path}


def test_a_file_that_changed_here_is_not_attested_though_the_bucket_has_the_changed_one(
    host: Host, s3: stand_in.Bucket
) -> None:
    """The same size, other content, here and there: what the manifest vouches for is neither."""
    host.upload()
    path = host.path("depth")
    content = (host.lake / path).read_bytes().swapcase()
    (host.lake / path).write_bytes(content)
    digest = stand_in.b64(hashlib.sha256(content).digest())
    s3.objects[f"lake/{path}"] = Object(content, digest)
    assert path not in seen(host)


def test_an_attestation_knows_large_files_by_their_parts(host: Host) -> None:
    host.bucket.sizes = Sizes(single=10, part=7)
    host.upload()
    assert seen(host) == {*s3_order(host)}
    host.bucket.sizes = Sizes()
    assert seen(host) == set(), "the checksum of parts is not that of the whole"


def test_an_attestation_tries_again_and_ends_when_the_bucket_cannot_be_asked(host: Host, s3: stand_in.Bucket) -> None:
    host.upload()
    s3.fail("HEAD .*depth", lambda request: answer(503))
    assert seen(host) == {*s3_order(host)}
    assert len(host.waited) == 1
    s3.fail("HEAD .*depth", lambda request: answer(503), times=8)
    with pytest.raises(TransientError):
        seen(host)
    s3.faults.clear()
    s3.fail("HEAD .*depth", lambda request: answer(403))
    with pytest.raises(BucketError):
        seen(host)


def test_a_damaged_manifest_ends_an_attestation(host: Host) -> None:
    (host.lake / host.partition().manifest).write_bytes(b"{}")
    with pytest.raises(HarvesterError, match="cannot be trusted"):
        seen(host)


def test_a_look_at_the_bucket_counts_from_its_first_request_on(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may take longer than clean-up believes it: what was seen first must not look younger than it is."""
    clock, command = ["before it"], "harvester.commands.upload"

    def look(*given: Any) -> list[FileEntry]:
        clock.append("after it")
        return attest(*given)

    host.upload()
    monkeypatch.setattr(f"{command}.now", lambda: clock[-1])
    monkeypatch.setattr(f"{command}.attest", look)
    monkeypatch.setattr(f"{command}.open_bucket", lambda _: host.bucket)
    upload = UploadSettings(bucket="market-data", prefix="lake/")
    settings = Mock(upload=upload, lake_dir=host.lake, data_dir=host.folder, host_id="lab1")

    assert run_upload(Namespace(date=None, attest=True), settings) == 0

    said = capsys.readouterr().out
    assert said == f"4 files are verified in {HOME}: {host.receipts}/attested.json\n"
    assert load_receipt(host.receipts / "attested.json").verified_at == "before it"


def test_the_attestation_is_what_clean_up_reads(tmp_path: Path, bucket: Bucket) -> None:
    files = [FileEntry("depth/x", 5, "a" * 64, 9), FileEntry("raw/y", 6, "b" * 64, 9)]
    path = write_attested(tmp_path / "uploads", "lab1", bucket, files, "2026-11-29T12:00:00+00:00")
    assert path == tmp_path / "uploads" / "attested.json"
    assert path.stat().st_mode & 0o777 == 0o640
    assert json.loads(path.read_bytes()) == {
        "format": 1,
        "host": "lab1",
        "home": HOME,
        "verified_at": "2026-11-29T12:00:00+00:00",
        "files": [
            {"path": "depth/x", "bytes": 5, "sha256": "a" * 64},
            {"path": "raw/y", "bytes": 6, "sha256": "b" * 64},
        ],
    }
    found = load_receipt(path)
    assert (found.kind, found.home, found.files) == ("s3", HOME, {"depth/x": "a" * 64, "raw/y": "b" * 64})


def look(verified_at: str, home: str = HOME) -> Receipt:
    return Receipt("x", {"depth/x": "a" * 64}, "s3", home, verified_at)


SETTINGS = UploadSettings(bucket="market-data", prefix="lake/", proof="s3")
ALMOST = timedelta(minutes=9, seconds=59)


@pytest.mark.parametrize("age", [timedelta(0), ALMOST, -ALMOST])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
def test_a_look_counts_for_ten_minutes_whatever_zone_it_states(age: timedelta, zone: timezone) -> None:
    found = accept([look((NOON - age).astimezone(zone).isoformat())], SETTINGS, NOON)
    assert found.files == {"depth/x": "a" * 64}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "age",
    [
        timedelta(minutes=10),
        timedelta(minutes=10, seconds=1),
        timedelta(hours=1, minutes=5),
        timedelta(hours=24),
        timedelta(hours=24, minutes=5),
        timedelta(days=7, seconds=3),
        timedelta(days=365, minutes=9),
        timedelta(days=40_000),
    ],
)
def test_a_look_of_any_other_age_is_refused_with_what_to_do(age: timedelta, sign: int) -> None:
    stated = (NOON - sign * age).isoformat()
    with pytest.raises(HarvesterError) as caught:
        accept([look(stated)], SETTINGS, NOON)
    assert not isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        f"The look at the bucket is of {stated}, and counts for 10 minutes. Run harvester upload --attest again, then"
        " the clean-up; nothing was deleted."
    )


@pytest.mark.parametrize("stated", ["", "yesterday", "2026-11-29T12:00:00", "2026-11-29"])
def test_a_look_without_a_time_in_a_zone_is_none(stated: str) -> None:
    with pytest.raises(ConfigError, match="has no time"):
        accept([look(stated)], SETTINGS, NOON)


@pytest.mark.parametrize(
    "home", ["s3://other/lake/", "s3://market-data/lake", "s3://market-data/other/", "market-data"]
)
def test_a_look_at_another_place_is_refused(home: str) -> None:
    with pytest.raises(HarvesterError) as caught:
        accept([look(NOON.isoformat(), home)], SETTINGS, NOON)
    assert str(caught.value) == (
        f"The receipt of the bucket is of {home}, and {HOME} is configured. Run harvester upload --attest."
    )


def test_an_old_look_is_refused_though_another_one_is_fresh() -> None:
    old = look((NOON - timedelta(hours=24, minutes=5)).isoformat())
    for order in ([old, look(NOON.isoformat())], [look(NOON.isoformat()), old]):
        with pytest.raises(HarvesterError, match="counts for 10 minutes"):
            accept(order, SETTINGS, NOON)


def test_a_pull_and_a_look_must_name_the_same_content() -> None:
    both = UploadSettings(bucket="market-data", prefix="lake/", proof="both")
    fresh = look(NOON.isoformat())
    same, other = Receipt("y", {"depth/x": "a" * 64}), Receipt("z", {"depth/x": "b" * 64})
    assert accept([same, fresh], both, NOON).files == {"depth/x": "a" * 64}
    assert accept([other, fresh], both, NOON).files == {}
    assert accept([Receipt("z", {}), fresh], both, NOON).files == {}
    assert accept([same, fresh], both, NOON).sha256 == "y+x"
