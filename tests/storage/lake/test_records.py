"""Manifests, records of clean-ups and receipts: what is written, what is believed, and what is not."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.storage.lake.conftest import PARTITION

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.settings import UploadSettings
from harvester.lake.cleanup import delete_files, judge_files, removable
from harvester.lake.layout import Partition, find_partitions, parse_partition
from harvester.lake.manifest import (
    FileEntry,
    Manifest,
    SegmentEntry,
    encode_manifest,
    load_manifest,
    parse_manifest,
    read_earlier,
    read_removals,
    self_hash,
    self_hash_of,
    write_manifest,
    write_removals,
)
from harvester.lake.prune import SegmentFinding, delete_segments, judge_segments
from harvester.lake.publish.files import locked
from harvester.lake.publish.receipts import PULL, S3, Receipt, accept, demanded, load_receipt

FOLDER = "date=2026-11-23/host=lab1"
ENTRY = FileEntry(f"depth/{FOLDER}/depth.parquet", 5, "ab", 7)
MANIFEST = Manifest("2026-11-23", "lab1", 3, "r9", (ENTRY,), (SegmentEntry("5-a", 11, "cd", 13),), "ef")


def test_a_manifest_is_written_with_the_hash_of_its_canonical_form() -> None:
    value = json.loads(encode_manifest(MANIFEST))

    claimed = value.pop("self_sha256")
    assert value == {
        "format": 2, "schema": 3, "date": "2026-11-23", "host": "lab1", "generation": 3, "built_by": "r9",
        "files": [{"path": ENTRY.path, "bytes": 5, "sha256": "ab", "rows": 7}],
        "segments": [{"name": "5-a", "bytes": 11, "sha256": "cd", "records": 13}], "supersedes": "ef",
    }  # fmt: skip
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert claimed == self_hash(value) == hashlib.sha256(plain.encode()).hexdigest()
    assert encode_manifest(MANIFEST).endswith(b"\n}\n") and encode_manifest(MANIFEST).startswith(b'{\n "format": 2,')
    assert parse_manifest(encode_manifest(MANIFEST), PARTITION) == MANIFEST
    assert MANIFEST.find("depth") == [ENTRY] and MANIFEST.find("dep") == []


def test_the_hash_is_of_ascii_sorted_by_name() -> None:
    """docs/formats.md: others compute it, too."""
    value = {"b": "ä", "a": [1, {"d": None, "c": True}]}
    assert self_hash(value) == hashlib.sha256(b'{"a":[1,{"c":true,"d":null}],"b":"\\u00e4"}').hexdigest()


def forge(**changes: Any) -> bytes:
    value = {**json.loads(encode_manifest(MANIFEST)), **changes}
    value.pop("self_sha256")
    return json.dumps({**value, "self_sha256": self_hash(value)}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (forge(format=0), "it has another format than this release reads"),
        (forge(schema=1), "it states the schema '1', which there never was"),
        (forge(schema="new"), "it states the schema 'new', which there never was"),
        (forge(schema="a" * 99), f"it states the schema '{'a' * 20}', which there never was"),
        (forge(date="2026-11-24"), "it is of another day or host"),
        (forge(host="lab2"), "it is of another day or host"),
        (encode_manifest(MANIFEST).replace(b'"rows": 7', b'"rows": 8'), "its own hash does not match"),
        (b"[]", "it is not a JSON object"),
        (b"{}", "self_sha256"),
        (b"", "Expecting value"),
        (forge(files=[{"path": ENTRY.path}]), "missing 3 required"),
        (forge(extra=1), "unexpected keyword"),
        (b"[" * 100_000, ""),
    ],
)
def test_a_manifest_that_cannot_be_trusted_says_why_and_what_to_do(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / PARTITION.manifest
    path.parent.mkdir(parents=True)
    path.write_bytes(data)

    with pytest.raises(HarvesterError, match=r"the manifest cannot be trusted") as caught:
        load_manifest(tmp_path, PARTITION)
    assert words in str(caught.value) and str(caught.value).startswith(f"{path}: ")
    assert "Nothing that it lists is deleted or replaced. Restore it from its other copy" in str(caught.value)


@pytest.mark.parametrize("changes", [{"format": 3, "schema": 4}, {"schema": 4}])
def test_a_day_that_a_newer_release_closed_asks_for_that_release(tmp_path: Path, changes: dict[str, int]) -> None:
    path = tmp_path / PARTITION.manifest
    path.parent.mkdir(parents=True)
    path.write_bytes(forge(**changes))

    with pytest.raises(
        HarvesterError, match=r"a newer release closed the day \(schema 4, and this one reads up to 3\)"
    ):
        load_manifest(tmp_path, PARTITION)
    assert read_earlier(tmp_path, PARTITION) == []


def test_a_manifest_of_before_schema_3_is_of_schema_2() -> None:
    value = json.loads(encode_manifest(MANIFEST))
    del value["schema"], value["self_sha256"]
    value["format"] = 1
    data = json.dumps({**value, "self_sha256": self_hash(value)}).encode()
    assert parse_manifest(data, PARTITION) == replace(MANIFEST, schema=2)


def test_a_manifest_that_cannot_be_read_is_told_and_none_is_none(tmp_path: Path) -> None:
    assert load_manifest(tmp_path, PARTITION) is None
    (tmp_path / PARTITION.manifest).mkdir(parents=True)
    with pytest.raises(HarvesterError, match=r"cannot be read \(Is a directory\). Correct its owner and mode"):
        load_manifest(tmp_path, PARTITION)


@pytest.mark.parametrize(
    "path",
    [
        "", "depth", f"depth/{FOLDER}", f"/depth/{FOLDER}/x", f"depth/{FOLDER}/../x", f"depth/{FOLDER}/a/b",
        f"depth//{FOLDER}/x", f"depth/./{FOLDER}/x", "depth/date=2026-11-23/host=lab2/x", f"depth/{FOLDER}/..",
        f"../{FOLDER}/x",
    ],
)  # fmt: skip
def test_a_path_that_is_not_in_the_partition_is_not_believed(path: str) -> None:
    with pytest.raises(ValueError, match="which is not in its partition"):
        parse_manifest(forge(files=[{"path": path, "bytes": 1, "sha256": "", "rows": 1}]), PARTITION)


def test_the_manifest_before_stays_beside_it_under_its_number(tmp_path: Path) -> None:
    for generation in (1, 2, 3):
        before = self_hash_of(tmp_path, PARTITION) if generation > 1 else None
        made = Manifest("2026-11-23", "lab1", generation, "r", (), (), before)
        assert write_manifest(tmp_path, PARTITION, made) == tmp_path / PARTITION.manifest
        assert load_manifest(tmp_path, PARTITION) == made
    folder = (tmp_path / PARTITION.manifest).parent
    assert sorted(path.name for path in folder.iterdir()) == ["manifest-1.json", "manifest-2.json", "manifest.json"]
    chain = [parse_manifest((folder / f"manifest-{number}.json").read_bytes(), PARTITION) for number in (1, 2)]
    assert [each.generation for each in chain] == [1, 2]
    assert (tmp_path / PARTITION.manifest).stat().st_mode & 0o777 == 0o640


def test_removals_are_written_one_after_the_other_and_read_as_one(tmp_path: Path) -> None:
    (tmp_path / PARTITION.path("manifest")).mkdir(parents=True)
    other = FileEntry(f"raw/{FOLDER}/5-a.seg.zst", 1, "x", 2)
    assert read_removals(tmp_path, PARTITION) == []

    write_removals(tmp_path, PARTITION, [ENTRY], "proof 1")
    write_removals(tmp_path, PARTITION, [other], "proof 2")

    folder = tmp_path / PARTITION.path("manifest")
    first, second = (json.loads((folder / f"removed-{number}.json").read_bytes()) for number in (1, 2))
    row = {"path": ENTRY.path, "bytes": 5, "sha256": "ab", "rows": 7}
    assert first == {"format": 1, "receipt_sha256": "proof 1", "files": [row]}
    assert second["receipt_sha256"] == "proof 2"
    assert read_removals(tmp_path, PARTITION) == [ENTRY, other]


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"files": [{"path": "x"}]}', '{"files": 5}'])
def test_a_damaged_record_of_a_clean_up_is_told(tmp_path: Path, data: str) -> None:
    path = tmp_path / PARTITION.path("manifest") / "removed-1.json"
    path.parent.mkdir(parents=True)
    path.write_text(data)
    with pytest.raises(HarvesterError, match="the record of a clean-up cannot be read") as caught:
        read_removals(tmp_path, PARTITION)
    assert str(path) in str(caught.value) and "the files it names then count as missing" in str(caught.value)


def test_partitions_are_the_folders_that_are_named_so(tmp_path: Path) -> None:
    good = ["date=2026-11-24/host=a", "date=2026-11-23/host=b-1", "date=2026-11-23/host=a"]
    odd = ["date=2026-11-23/host=", "date=2026-11-23/host=A", "date=2026-1-23/host=a", "day=2026-11-23/host=a"]
    odd += ["date=2026-11-23/host=-a", f"date=2026-11-23/host={'a' * 64}"]
    for name in (*good, *odd):
        (tmp_path / "manifest" / name).mkdir(parents=True)
        (tmp_path / "manifest" / name / "manifest.json").write_bytes(b"")
    (tmp_path / "manifest" / "date=2026-11-25/host=a").mkdir(parents=True)

    assert find_partitions(tmp_path) == [
        Partition(date(2026, 11, 23), "a"), Partition(date(2026, 11, 23), "b-1"), Partition(date(2026, 11, 24), "a")
    ]  # fmt: skip
    assert Partition(date(2026, 11, 3), "h").path("raw").as_posix() == "raw/date=2026-11-03/host=h"
    for name in odd:
        with pytest.raises(ValueError, match=f"^'{name}' is no folder of a day and host$"):
            parse_partition(name)


def receipt_file(path: Path, **changes: Any) -> Path:
    value = {"format": 1, "files": [{"path": "p", "sha256": "s", "bytes": 3}, {"path": "q", "sha256": "t"}], **changes}
    path.write_text(json.dumps(value))
    return path


def test_a_receipt_is_of_a_pull_or_of_the_bucket_it_names(tmp_path: Path) -> None:
    pulled = receipt_file(tmp_path / "pull.json", verified_at="2026-11-28T10:00:00Z")
    seen = receipt_file(tmp_path / "s3.json", home="s3://b/p", verified_at="2026-11-28T10:00:00Z")

    digest = hashlib.sha256(pulled.read_bytes()).hexdigest()
    assert load_receipt(pulled) == Receipt(digest, {"p": "s", "q": "t"}, PULL, "", "")
    assert load_receipt(seen)[1:] == ({"p": "s", "q": "t"}, S3, "s3://b/p", "2026-11-28T10:00:00Z")
    with pytest.raises(ConfigError, match=r"the receipt cannot be read \(No such file"):
        load_receipt(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="not a receipt of a pull") as caught:
        load_receipt(receipt_file(tmp_path / "odd.json", home="s3://b/p"))
    assert "Nothing is deleted without one" in str(caught.value)
    with pytest.raises(ConfigError, match="format 2 is not 1"):
        load_receipt(receipt_file(tmp_path / "two.json", format=2))


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def upload(proof: str | None) -> UploadSettings:
    return UploadSettings(bucket="b" if proof else None, prefix="p", **({"proof": proof} if proof else {}))  # type: ignore[arg-type]


def look(age: timedelta = MINUTE, home: str = "s3://b/p", **files: str) -> Receipt:
    return Receipt("look", files or {"x": "1", "y": "2"}, S3, home, (NOW - age).isoformat())


def pulled(**files: str) -> Receipt:
    return Receipt("pull", files or {"x": "1", "y": "2"})


@pytest.mark.parametrize(("proof", "kinds"), [(None, {PULL}), ("s3", {S3}), ("pull", {PULL}), ("both", {PULL, S3})])
def test_the_settings_say_which_proofs_are_demanded(proof: str | None, kinds: set[str]) -> None:
    assert demanded(upload(proof)) == kinds
    given = {PULL: pulled(), S3: look()}
    for have in ({PULL}, {S3}, {PULL, S3}, set()):
        if S3 in have and not proof:
            continue  # a look at a bucket that is not configured
        receipts = [given[kind] for kind in have]
        if kinds <= have:
            assert accept(receipts, upload(proof), NOW).files == {"x": "1", "y": "2"}
            continue
        with pytest.raises(ConfigError, match=r"upload\.proof demands a receipt") as caught:
            accept(receipts, upload(proof), NOW)
        assert ("of a pull" in str(caught.value)) == (PULL in kinds - have)
        assert ("of the bucket (harvester upload --attest)" in str(caught.value)) == (S3 in kinds - have)


def test_of_two_proofs_both_must_have_the_same_content() -> None:
    receipts = [pulled(x="1", y="2", z="3"), look(x="1", y="9", w="4")]

    accepted = accept(receipts, upload("both"), NOW)

    assert accepted.files == {"x": "1"} and accepted.sha256 == "pull+look"
    assert accept(receipts, upload("pull"), NOW).files == receipts[0].files
    assert accept(receipts, upload("s3"), NOW).files == receipts[1].files
    more = [pulled(x="1"), pulled(y="2")]
    assert accept(more, upload(None), NOW).files == {"x": "1", "y": "2"}, "of several of a kind each names its files"


@pytest.mark.parametrize("home", ["s3://b/q", "s3://c/p", "s3://b", "s3://b/p/", "b/p", "https://b/p"])
def test_a_receipt_of_another_place_is_not_believed(home: str) -> None:
    for proof in ("s3", "both", "pull"):
        with pytest.raises(HarvesterError, match="The receipt of the bucket is of") as caught:
            accept([pulled(), look(home=home)], upload(proof), NOW)
        assert home in str(caught.value) and "s3://b/p is configured. Run harvester upload --attest." in str(
            caught.value
        )


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(0), True), (timedelta(minutes=9, seconds=59), True), (timedelta(minutes=10), False),
        (timedelta(hours=24, minutes=5), False), (timedelta(days=1), False), (timedelta(days=400), False),
        (-timedelta(minutes=9), True), (-timedelta(minutes=10), False), (-timedelta(days=1, minutes=-5), False),
    ],
)  # fmt: skip
def test_ages_of_any_size_and_sign(age: timedelta, fresh: bool) -> None:
    if fresh:
        assert accept([look(age)], upload("s3"), NOW).files
        return
    with pytest.raises(HarvesterError, match="counts for 10 minutes") as caught:
        accept([look(age)], upload("s3"), NOW)
    assert "Run harvester upload --attest again, then the clean-up; nothing was deleted." in str(caught.value)
    assert (NOW - age).isoformat() in str(caught.value)


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-28T12:00:00"])
def test_a_receipt_without_a_time_is_not_believed(time: str) -> None:
    with pytest.raises(ConfigError, match="has no time"):
        accept([look()._replace(verified_at=time)], upload("s3"), NOW)


def whole_receipt(place: Any) -> Receipt:
    manifest = load_manifest(place.lake, PARTITION)
    assert manifest is not None
    return Receipt("whole", {entry.path: entry.sha256 for entry in manifest.files})


def test_only_tables_and_archives_are_removable(closed) -> None:
    manifest = load_manifest(closed.lake, PARTITION)
    assert manifest is not None
    kinds = [entry.path.split("/")[0] for entry in removable(manifest)]
    assert kinds == ["depth_v3", "quotes_v3", "trades_v3", "raw", "raw"]


@pytest.mark.parametrize(("keep", "kept"), [(0, set()), (1, {25}), (2, {24, 25}), (3, {23, 24, 25}), (9, {23, 24, 25})])
def test_the_newest_days_stay_whatever_the_receipt(closed, keep: int, kept: set[int]) -> None:
    for day in (24, 25):
        entry = FileEntry(f"depth/date=2026-11-{day}/host=lab1/depth.parquet", 1, hashlib.sha256(b"x").hexdigest(), 1)
        path = closed.lake / entry.path
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        partition = Partition(date(2026, 11, day), "lab1")
        write_manifest(closed.lake, partition, Manifest(f"2026-11-{day}", "lab1", 1, "r", (entry,), ()))

    found = judge_files(closed.lake, closed.journal, Receipt("", {}), keep)

    assert {each.partition.date.day for each in found if each.keep_because == "it is of the newest days"} == kept
    assert {each.partition.date.day for each in found} == {23, 24, 25}
    others = {each.keep_because for each in found if each.partition.date.day not in kept}
    assert others <= {"the receipt does not name it"}
    with pytest.raises(ConfigError, match="--keep-days is -1, and must not be negative"):
        judge_files(closed.lake, closed.journal, Receipt("", {}), -1)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda place, path: path.write_bytes(path.read_bytes() + b"x"),
            "it is not what its manifest says; run harvester verify",
        ),
        (
            lambda place, path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
            "it is not what its manifest says; run harvester verify",
        ),
        (lambda place, path: (path.unlink(), path.mkdir()), "it cannot be read (Is a directory)"),
    ],
)
def test_a_file_that_is_not_the_manifests_stays(closed, harm: Callable[[Any, Path], object], words: str) -> None:
    """The same size with another content, another size, or no file at all."""
    delete_segments(judge_segments(closed.journal, closed.lake))
    path = closed.current("depth")
    harm(closed, path)

    found = {
        each.entry.path: each.keep_because
        for each in judge_files(closed.lake, closed.journal, whole_receipt(closed), 0)
    }

    assert found.pop(path.relative_to(closed.lake).as_posix()) == words
    assert set(found.values()) == {None}


def test_what_went_is_counted_and_noted_by_the_receipt_it_went_by(closed) -> None:
    receipt = whole_receipt(closed)
    findings = judge_files(closed.lake, closed.journal, receipt, 0)
    sizes = {each.entry.path: each.entry.bytes for each in findings if each.keep_because is None}
    assert list(sizes) == [
        closed.current(kind).relative_to(closed.lake).as_posix() for kind in ("depth", "quotes", "trades")
    ]

    assert delete_files(closed.lake, findings, receipt) == sum(sizes.values())

    assert [entry.path for entry in read_removals(closed.lake, PARTITION)] == list(sizes)
    note = json.loads((closed.lake / PARTITION.path("manifest") / "removed-1.json").read_bytes())
    assert note["receipt_sha256"] == "whole"
    size = sum(path.stat().st_size for path in closed.journal.glob("2*/*.seg"))
    assert delete_segments(judge_segments(closed.journal, closed.lake)) == size
    again = judge_files(closed.lake, closed.journal, receipt, 0)
    assert delete_files(closed.lake, again, receipt) == sum(each.entry.bytes for each in again)
    assert len(read_removals(closed.lake, PARTITION)) == 5
    assert delete_files(closed.lake, judge_files(closed.lake, closed.journal, receipt, 0), receipt) == 0


def test_a_clean_up_that_cannot_write_stops_and_says_where(closed) -> None:
    receipt = whole_receipt(closed)
    findings = judge_files(closed.lake, closed.journal, receipt, 0)
    (closed.lake / findings[0].entry.path).unlink()
    with pytest.raises(
        HarvesterError,
        match=r"depth_v3-g1-\w{16}.parquet: clean-up stopped at 2026-11-23 \(No such file or directory\). Free"
        " some disk space for the note of what goes, or be the user that owns the lake, then run the command again.$",
    ):
        delete_files(closed.lake, findings, receipt)


def test_one_at_a_time_changes_a_lake(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with locked(lake):
        assert (lake / ".lock").stat().st_mode & 0o777 == 0o640
        words = r"\.lock: another close or clean-up is at work here\. Run the command"
        with pytest.raises(HarvesterError, match=words), locked(lake):
            raise AssertionError("two at once")
    with locked(lake):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HarvesterError, match="the lake cannot be written"), locked(tmp_path / "file"):
        raise AssertionError("no lake")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("other day", "its day is not closed"),
        ("unlisted", "its day was closed without it"),
        ("longer", "it is not what it was when its day was closed"),
        ("same size", "it is not what it was when its day was closed"),
        ("copy longer", "its archived copy is not what the manifest says"),
        ("copy gone", "its archived copy cannot be read (No such file or directory)"),
        ("copy unlisted", "its archived copy is not what the manifest says"),
    ],
)
def test_a_segment_stays_with_the_reason(closed, harm: str, words: str) -> None:
    path = max(closed.journal.glob("2*/*.seg"), key=lambda each: each.stat().st_size)
    data = path.read_bytes()
    copy = closed.lake / PARTITION.path("raw") / f"{path.name}.zst"
    if harm == "other day":
        path = (
            path.rename(closed.journal / "2026-11-24" / path.name)
            if (closed.journal / "2026-11-24").mkdir() is None
            else path
        )
    elif harm == "unlisted":
        path = path.rename(path.with_name("1-x.seg"))
    elif harm == "longer":
        path.write_bytes(data + b"x")
    elif harm == "same size":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "copy longer":
        copy.write_bytes(copy.read_bytes() + b"x")
    elif harm == "copy gone":
        copy.unlink()
    else:
        manifest = load_manifest(closed.lake, PARTITION)
        assert manifest is not None
        files = tuple(entry for entry in manifest.files if entry.path != copy.relative_to(closed.lake).as_posix())
        changed = Manifest("2026-11-23", "lab1", 1, "r", files, manifest.segments)
        (closed.lake / PARTITION.manifest).write_bytes(encode_manifest(changed))

    found = {each.path: each for each in judge_segments(closed.journal, closed.lake)}

    assert found[path].keep_because == words
    assert found[path].bytes == path.stat().st_size
    assert [each.keep_because for other, each in found.items() if other != path] == [None]


def test_of_today_a_segment_stays_that_a_later_start_of_the_recorder_reads(closed) -> None:
    def kept(today: date) -> set[str | None]:
        return {each.keep_because for each in judge_segments(closed.journal, closed.lake, today)}

    assert kept(PARTITION.date) == {"a start of the recorder today reads it"}
    assert kept(PARTITION.date + timedelta(days=1)) == {None}


def test_a_segment_may_go_by_the_manifest_of_any_host_of_its_day(closed) -> None:
    for host in ("a", "z"):
        write_manifest(closed.lake, Partition(PARTITION.date, host), Manifest("2026-11-23", host, 1, "r", (), ()))

    assert [each.keep_because for each in judge_segments(closed.journal, closed.lake)] == [None, None]


def test_a_segment_that_cannot_be_deleted_is_named_and_those_after_it_stay(tmp_path: Path) -> None:
    (tmp_path / "1.seg").write_bytes(b"a")
    (tmp_path / "2.seg").mkdir()
    (tmp_path / "3.seg").write_bytes(b"b")
    findings = [SegmentFinding(tmp_path / f"{number}.seg", 1, None) for number in (1, 2, 3)]
    with pytest.raises(
        HarvesterError, match=r"/2\.seg: the segment cannot be deleted \(Is a directory\). Run .* as the"
    ):
        delete_segments(findings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.seg", "3.seg"]
