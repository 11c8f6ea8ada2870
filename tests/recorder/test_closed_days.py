"""What is seen of closed days: a real lake, receipts as the uploader writes them, files that clean-up took."""

import json
from datetime import date
from pathlib import Path

import pytest
from tests.operator.support.made_lake import LakeMaker

from harvester.deliver.receipts import DayReceipt, save
from harvester.health.seen_days import look_at_days, recorded_days
from harvester.lake.layout import Partition
from harvester.lake.manifest import load_manifest, self_hash_of, write_removals

HOST, FIRST, LAST = "lab1", "2026-11-26", "2026-11-27"
HOME = "s3://bucket/lake/"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("host") / "data"
    (data / "lake").mkdir(parents=True)
    for day in (FIRST, LAST):
        LakeMaker(data / "lake", HOST).add_day(day)
    for day in (FIRST, LAST):
        (data / "journal" / day).mkdir(parents=True)
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(made, tmp_path / "data"))


def note_upload(data: Path, day: str) -> None:
    partition = Partition(date.fromisoformat(day), HOST)
    seal = self_hash_of(data / "lake", partition)
    save(data / "uploads", partition, DayReceipt(day, HOST, HOME, manifest=seal))


def uploaded(data: Path) -> list[bool]:
    return [day.uploaded for day in look_at_days(data, HOST, uploads=True)]


def test_a_day_is_up_when_the_receipt_names_its_manifest(data: Path) -> None:
    assert uploaded(data) == [False, False]
    note_upload(data, FIRST)

    assert uploaded(data) == [True, False]
    assert [day.date for day in look_at_days(data, HOST, uploads=True)] == [FIRST, LAST]


@pytest.mark.parametrize("content", ["", "{", '{"manifest": "of another build"}'])
def test_a_receipt_that_cannot_be_used_is_none(data: Path, content: str) -> None:
    note_upload(data, FIRST)
    (data / f"uploads/{FIRST}_{HOST}.json").write_text(content)

    assert uploaded(data) == [False, False]


def test_a_day_whose_files_were_cleaned_up_before_is_left_out(data: Path) -> None:
    lake, partition = data / "lake", Partition(date.fromisoformat(FIRST), HOST)
    manifest = load_manifest(lake, partition)
    assert manifest
    gone = manifest.find("raw")[:1]
    write_removals(lake, partition, gone, "0" * 64)
    assert [day.left_out for day in look_at_days(data, HOST, uploads=True)] == [False, False]
    (lake / gone[0].path).unlink()

    assert [day.left_out for day in look_at_days(data, HOST, uploads=True)] == [True, False]
    receipt = {"manifest": "of another build", "files": [{"path": gone[0].path}]}
    (data / "uploads").mkdir()
    (data / f"uploads/{FIRST}_{HOST}.json").write_text(json.dumps(receipt))
    assert [day.left_out for day in look_at_days(data, HOST, uploads=True)] == [False, False], "that file is up"


def certificate(data: Path, day: str) -> Path:
    return next((data / "lake/certificate" / f"date={day}").rglob("*.json"))


def test_the_certificate_of_the_last_day_is_read(data: Path) -> None:
    assert [day.problem for day in look_at_days(data, HOST, uploads=False)] == ["", ""]
    certificate(data, FIRST).unlink()
    assert [day.problem for day in look_at_days(data, HOST, uploads=False)] == ["", ""]
    certificate(data, LAST).write_text(certificate(data, LAST).read_text().replace("1", "2", 1))

    assert "is not what its manifest says" in look_at_days(data, HOST, uploads=False)[-1].problem
    certificate(data, LAST).unlink()
    assert "cannot be read" in look_at_days(data, HOST, uploads=False)[-1].problem


def test_a_manifest_that_is_damaged_is_named(data: Path) -> None:
    path = data / "lake" / Partition(date.fromisoformat(LAST), HOST).manifest
    path.write_text("{")

    assert "cannot be trusted" in look_at_days(data, HOST, uploads=True)[-1].problem


def test_another_hosts_days_are_none_of_ours(data: Path) -> None:
    assert look_at_days(data, "lab2", uploads=True) == []


def test_what_was_recorded_is_known_by_its_folder(data: Path, tmp_path: Path) -> None:
    assert recorded_days(data) == [FIRST, LAST]
    with pytest.raises(FileNotFoundError):
        recorded_days(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        look_at_days(tmp_path / "none", HOST, uploads=True)
