"""harvester verify: each harm to each kind of file is named, in a sentence, and what is no fault is none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tests.storage.lake.conftest import Place
from tests.storage.lake.relisting import bring, forge, relist

from harvester.base.errors import HarvesterError
from harvester.lake.layout import Partition, table_of
from harvester.lake.manifest import FileEntry, write_removals
from harvester.reader.verify import LakeReport, describe, verify_lake

KINDS = ("certificate", "depth", "gaps", "raw")
FOLDERS = (
    "certificate", "depth_v3", "gaps_v3", "instruments_v3", "quotes_v3", "raw", "sessions_v3", "trades_v3",
)  # fmt: skip


def path_of(place: Place, kind: str) -> tuple[Path, str]:
    path = place.current(kind)
    return path, path.relative_to(place.lake).as_posix()


def problems(place: Place) -> list[str]:
    return verify_lake(place.lake).days[0].problems


def test_a_whole_day_is_told_with_its_files_and_bytes(closed: Place) -> None:
    report = verify_lake(closed.lake)
    (day,) = report.days
    sizes = [path.stat().st_size for kind in FOLDERS for path in (closed.lake / closed.partition.path(kind)).iterdir()]
    assert (day.date, day.host) == ("2026-11-23", "lab1")
    assert (day.files, day.bytes, day.removed, day.problems) == (len(sizes), sum(sizes), 0, [])
    assert report.ok and report.unlisted == []
    assert describe(report) == {
        "ok": True,
        "days": [
            {
                "date": "2026-11-23",
                "host": "lab1",
                "files": len(sizes),
                "bytes": sum(sizes),
                "removed": 0,
                "damage": [],
                "problems": [],
            }
        ],
        "unlisted": [],
        "superseded": [],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_missing_shorter_or_of_other_content_is_named(closed: Place, kind: str) -> None:
    path, name = path_of(closed, kind)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert problems(closed) == [f"{name}: it has {len(content) - 1} bytes, the manifest says {len(content)}"]
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert problems(closed) == [f"{name}: its content is not what the manifest says (SHA-256)"]
    path.unlink()
    assert problems(closed) == [f"{name}: it is missing"]
    path.mkdir()
    (problem,) = problems(closed)
    assert problem.startswith(f"{name}: it ")
    path.rmdir()
    path.symlink_to(path.name)
    assert problems(closed) == [f"{name}: it cannot be read (Too many levels of symbolic links)"]


def test_rows_are_counted_in_tables_and_records_in_archives(closed: Place) -> None:
    for kind, rows in (("depth", 40), ("raw", None), ("gaps", 0)):
        path, name = path_of(closed, kind)
        relist(closed, path, rows=99)
        expected = "records" if rows is None else f"it has {rows} rows, the manifest says 99"
        (problem,) = problems(closed)
        assert problem.startswith(f"{name}: it has ") and problem.endswith(" rows, the manifest says 99")
        assert rows is None or problem == f"{name}: {expected}"
        relist(closed, path, rows=_true_rows(closed, path, kind))
        assert problems(closed) == []
    path, _ = path_of(closed, "certificate")
    relist(closed, path, rows=99)
    assert problems(closed) == [], "what a certificate counts is in it"


def _true_rows(place: Place, path: Path, kind: str) -> int:
    if kind != "raw":
        return pq.read_metadata(path).num_rows
    manifest = json.loads((place.lake / place.partition.manifest).read_bytes())
    name = path.name.split(".", 1)[0]
    return next(segment["records"] for segment in manifest["segments"] if segment["name"] == name)


def test_what_is_no_table_and_what_does_not_unpack_is_told_although_the_hashes_are_right(closed: Place) -> None:
    path, name = path_of(closed, "depth")
    good = path.read_bytes()
    path.write_text("timestamp,symbol\n")
    relist(closed, path)
    (problem,) = problems(closed)
    assert problem.startswith(f"{name}: it cannot be read (Parquet magic bytes not found")
    assert len(problem) < len(name) + 150 and "\n" not in problem
    path.write_bytes(good)
    relist(closed, path)
    path, name = path_of(closed, "raw")
    path.write_bytes(zstandard.compress(b"other bytes"))
    relist(closed, path)
    assert problems(closed) == [
        f"{name}: it cannot be read (it does not unpack to the segment that the manifest names)"
    ]


def test_a_long_error_is_told_by_the_begin_of_its_first_line(closed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise pa.ArrowInvalid("x" * 200 + "\nmore")

    monkeypatch.setattr(pq, "read_metadata", refuse)
    assert problems(closed)[0].endswith(f": it cannot be read ({'x' * 120})")


def test_files_of_all_hosts_are_listed(closed: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", partition=closed.partition._replace(host="lab2"))
    other.record_all()
    other.close()
    bring(other, closed)
    report = verify_lake(closed.lake)
    assert report.ok and report.unlisted == []
    assert [(day.host, day.files) for day in report.days] == [("lab1", 9), ("lab2", 9)]


def test_an_archive_of_a_segment_that_the_manifest_does_not_name_is_told(closed: Place) -> None:
    _, name = path_of(closed, "raw")

    def forget(value: dict[str, Any]) -> None:
        value["segments"] = [each for each in value["segments"] if each["name"] not in name]

    forge(closed, forget)
    assert any(problem.startswith(f"{name}: it cannot be read (it does not unpack") for problem in problems(closed))


def test_a_removed_file_is_no_fault_while_it_is_away_and_is_checked_where_it_is_not(closed: Place) -> None:
    path, name = path_of(closed, "depth")
    write_removals(closed.lake, closed.partition, [FileEntry(name, 1, "0" * 64, 1)], "0" * 64)
    before = verify_lake(closed.lake).days[0]
    assert (before.removed, before.problems) == (0, [])
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert problems(closed) == [f"{name}: it has {len(content) + 1} bytes, the manifest says {len(content)}"]
    path.unlink()
    after = verify_lake(closed.lake).days[0]
    assert (after.removed, after.problems, after.files) == (1, [], before.files - 1)
    assert after.bytes == before.bytes - len(content)
    path, name = path_of(closed, "raw")
    write_removals(closed.lake, closed.partition, [FileEntry(name, 1, "0" * 64, 1)], "0" * 64)
    path.unlink()
    assert verify_lake(closed.lake).days[0].removed == 2


def change_certificate(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: b"[]", "the accounts cannot be checked ("),
        (lambda content: b"{", "the accounts cannot be checked ("),
        (change_certificate(lambda value: value.pop("symbols")), "the accounts cannot be checked ('symbols')"),
        (
            change_certificate(lambda value: value["symbols"]["NSE:SBIN-EQ"].update(updates=21)),
            "NSE:SBIN-EQ: updates is 21, counted 20",
        ),
    ],
)
def test_accounts_are_held_against_the_tables(closed: Place, change: Callable[[bytes], bytes], said: str) -> None:
    path, _ = path_of(closed, "certificate")
    path.write_bytes(change(path.read_bytes()))
    relist(closed, path)
    (problem,) = problems(closed)
    assert said in problem
    assert said.startswith("NSE") or problem.startswith(f"{path.name}: ")


def test_accounts_are_not_held_against_tables_that_clean_up_took_or_that_are_damaged(closed: Place) -> None:
    certificate, _ = path_of(closed, "certificate")
    certificate.write_bytes(b"{}")
    relist(closed, certificate)
    path, name = path_of(closed, "depth")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert len(problems(closed)) == 1, "one fault, not what follows from it"
    path.unlink()
    write_removals(closed.lake, closed.partition, [FileEntry(name, 1, "0" * 64, 1)], "0" * 64)
    assert problems(closed) == []


def test_damage_of_the_journal_is_told_by_the_certificate_and_is_no_problem(closed: Place) -> None:
    path, _ = path_of(closed, "certificate")
    lost = {"kind": "empty", "where": "7", "records": None, "bytes": 0, "from_ns": None, "to_ns": None, "symbols": []}
    lost |= {"slots": 0, "lost_ns": 0, "loses": False, "detail": "", "kept": None}
    path.write_bytes(change_certificate(lambda value: value["damage"].append(lost))(path.read_bytes()))
    relist(closed, path)
    [day] = verify_lake(closed.lake).days
    assert [each[:26] for each in day.damage] == ["Segment 7 has no record. W"] and day.problems == []


@pytest.mark.parametrize("kind", ["depth", "gaps", "certificate"])
def test_accounts_of_a_day_without_one_of_the_three_files_are_not_checked(closed: Place, kind: str) -> None:
    def forget(value: dict[str, Any]) -> None:
        value["files"] = [entry for entry in value["files"] if table_of(entry["path"].split("/")[0]) != kind]

    forge(closed, forget)
    report = verify_lake(closed.lake)
    assert report.days[0].problems == []
    assert [table_of(path.split("/")[0]) for path in report.unlisted] == [kind]


def test_a_damaged_manifest_or_record_of_a_clean_up_is_its_days_problem_and_the_others_are_checked(
    closed: Place,
) -> None:
    other = Partition(closed.partition.date, "lab0")
    target = closed.lake / other.manifest
    target.parent.mkdir(parents=True)
    target.write_bytes(b"{}")
    report = verify_lake(closed.lake)
    assert [day.host for day in report.days] == ["lab0", "lab1"]
    assert report.days[1].problems == [] and report.days[1].files > 0
    assert "the manifest cannot be trusted" in report.days[0].problems[0]
    assert not report.ok
    assert verify_lake(closed.lake, lambda _: "as explained").days[0].problems == ["as explained"]
    (closed.lake / closed.partition.path("manifest") / "removed-1.json").write_bytes(b"{}")
    first = verify_lake(closed.lake).days[1]
    assert first.files == 0 and "the record of a clean-up cannot be read" in first.problems[0]


def test_files_of_every_kind_in_no_manifest_are_told_and_folders_of_other_names_are_not(closed: Place) -> None:
    former = ["bars", "depth", "depth50", "gaps", "index", "quotes"]
    current = [f"{kind}_v3" for kind in (*former[:-2], "indices", "instruments", "quotes", "sessions", "trades")]
    kinds = sorted([*former, *current, "certificate", "raw"])
    for kind in kinds:
        folder = closed.lake / closed.partition.path(kind)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "copy").write_bytes(b"")
    (closed.lake / "depth" / "notes").write_bytes(b"")
    (closed.lake / "other").mkdir()
    report = verify_lake(closed.lake)
    assert report.ok
    assert report.unlisted == [f"{kind}/date=2026-11-23/host=lab1/copy" for kind in kinds]


def test_a_report_is_good_only_when_no_day_has_a_problem(closed: Place) -> None:
    good, bad = verify_lake(closed.lake).days[0], verify_lake(closed.lake).days[0]
    bad.problems.append("x")
    assert LakeReport([good], ["depth/x"], ["y"]).ok and not LakeReport([good, bad], [], []).ok


def test_what_is_no_lake_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for path in (tmp_path, file, tmp_path / "nowhere"):
        with pytest.raises(HarvesterError, match="not a lake") as caught:
            verify_lake(path)
        assert str(caught.value) == (
            f"{path}: no manifest under manifest/ here, so this is not a lake with a closed day. Name the directory"
            " that holds manifest/ and the folders of the tables."
        )
