"""Verify, prune and clean-up: nothing wrong goes unseen, and nothing goes that is not proven elsewhere."""

import argparse
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.storage.lake.relisting import forge, relist

from harvester.base.errors import ConfigError, HarvesterError
from harvester.commands import verify
from harvester.lake.cleanup import delete_files, judge_files
from harvester.lake.manifest import hash_file
from harvester.lake.prune import delete_segments, judge_segments
from harvester.lake.publish.receipts import load_receipt
from harvester.reader.verify import verify_lake


def problems(lake: Path) -> str:
    return "\n".join(problem for day in verify_lake(lake).days for problem in day.problems)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def test_a_whole_lake_verifies_here_and_where_it_was_copied_to(closed, tmp_path: Path) -> None:
    shutil.copytree(closed.lake, tmp_path / "pulled")
    for lake in (closed.lake, tmp_path / "pulled"):
        report = verify_lake(lake)
        assert report.ok and report.unlisted == []
        assert report.days[0].files == 9


@pytest.mark.parametrize("kind", ["depth", "gaps", "certificate", "raw"])
@pytest.mark.parametrize("harm", ["missing", "short", "flipped"])
def test_every_kind_of_harm_to_every_kind_of_file_is_found(closed, kind: str, harm: str) -> None:
    path = closed.current(kind)
    if harm == "missing":
        path.unlink()
    elif harm == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        flip(path)
    report = verify_lake(closed.lake)
    assert not report.ok
    assert path.relative_to(closed.lake).as_posix() in problems(closed.lake)
    assert verify.run(argparse.Namespace(lake=closed.lake, json=True, every_days=None), None) == 1


def test_wrong_accounts_are_found_although_every_hash_is_right(closed) -> None:
    path = closed.current("certificate")
    certificate = json.loads(path.read_bytes())
    certificate["symbols"]["NSE:SBIN-EQ"]["updates"] = 21
    path.write_text(json.dumps(certificate))
    relist(closed, path)
    assert "updates is 21, counted 20" in problems(closed.lake)


def test_a_missing_slot_is_found_although_every_hash_is_right(closed) -> None:
    import pyarrow.parquet as pq

    path = closed.current("depth")
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    relist(closed, path, rows=table.num_rows - 1)
    assert "1 slots have neither data nor a gap" in problems(closed.lake)


def test_a_directory_without_a_closed_day_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "market_depth_2026-11-23.csv").write_text("timestamp,symbol\n")
    for path in (tmp_path, tmp_path / "market_depth_2026-11-23.csv", tmp_path / "nowhere"):
        with pytest.raises(HarvesterError, match="not a lake"):
            verify_lake(path)


def test_files_in_no_manifest_are_told_and_are_no_fault(closed) -> None:
    (closed.current("depth").parent / "copy.parquet").write_bytes(b"")
    report = verify_lake(closed.lake)
    assert report.ok
    assert report.unlisted == ["depth_v3/date=2026-11-23/host=lab1/copy.parquet"]


def test_files_of_former_builds_are_known_wherever_they_lie(closed) -> None:
    first = closed.current("depth")
    content = first.read_bytes()
    late = closed.start(symbols=("NSE:TCS-EQ",))
    late.poll(3, "NSE:TCS-EQ")
    late.stop()
    closed.close()
    aside = [path for path in verify_lake(closed.lake).superseded if path.startswith("superseded/depth_v3/")]
    assert aside == [f"superseded/{first.relative_to(closed.lake)}"]

    first.write_bytes(content)  # as a lake of before December 2026 has it where it was pulled to
    report = verify_lake(closed.lake)
    assert (report.ok, report.unlisted) == (True, [])
    assert first.relative_to(closed.lake).as_posix() in report.superseded


def test_a_csv_in_place_of_a_table_is_told_in_a_sentence(closed) -> None:
    path = closed.current("depth")
    path.write_text("timestamp,symbol\n")
    relist(closed, path)
    assert "cannot be read" in problems(closed.lake)


def test_segments_go_only_when_the_lake_provably_holds_them(closed) -> None:
    assert [verdict.keep_because for verdict in judge_segments(closed.journal, closed.lake)] == [None, None]
    assert delete_segments(judge_segments(closed.journal, closed.lake)) > 0
    assert list(closed.journal.glob("2*/*")) == []
    assert verify_lake(closed.lake).ok
    assert closed.close().outcome == "unchanged"


def test_segments_of_an_open_day_stay(place) -> None:
    place.record_all()
    assert {verdict.keep_because for verdict in judge_segments(place.journal, place.lake)} == {"its day is not closed"}


def test_open_segments_are_never_even_considered(closed) -> None:
    recorder = closed.start()
    assert recorder.writer.segment not in [v.path for v in judge_segments(closed.journal, closed.lake)]
    recorder.stop()
    reasons = [verdict.keep_because for verdict in judge_segments(closed.journal, closed.lake)]
    assert reasons.count(None) == 2 and "its day was closed without it" in reasons


@pytest.mark.parametrize("harm", ["flip copy", "lose copy", "flip segment", "flip manifest"])
def test_without_proof_a_segment_stays(closed, harm: str) -> None:
    for path in (closed.lake / closed.partition.path("raw")).iterdir():
        if harm == "flip copy":
            flip(path)
        if harm == "lose copy":
            path.unlink()
    for path in closed.journal.glob("2*/*.seg"):
        if harm == "flip segment":
            flip(path)
    if harm == "flip manifest":
        flip(closed.lake / closed.partition.path("manifest") / "manifest.json")
    verdicts = judge_segments(closed.journal, closed.lake)
    assert [bool(verdict.keep_because) for verdict in verdicts] == [True, True]
    assert delete_segments(verdicts) == 0
    assert len(list(closed.journal.glob("2*/*.seg"))) == 2


def test_a_copy_with_other_bytes_stays_unproven_even_when_they_unpack_to_the_segment(closed) -> None:
    """Only the hash of the copy itself can tell."""
    import zstandard

    for path in (closed.lake / closed.partition.path("raw")).iterdir():
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        path.write_bytes(zstandard.compress(plain, level=1))
    assert [bool(verdict.keep_because) for verdict in judge_segments(closed.journal, closed.lake)] == [True, True]


def test_a_copy_that_the_manifest_vouches_for_must_still_unpack_to_the_segment(closed) -> None:
    import zstandard

    path = closed.current("raw")
    path.write_bytes(zstandard.compress(b"other bytes"))
    relist(closed, path)
    reasons = [verdict.keep_because for verdict in judge_segments(closed.journal, closed.lake)]
    assert "its archived copy does not unpack to it" in reasons
    assert "does not unpack" in problems(closed.lake)


def test_a_segment_that_the_manifest_describes_otherwise_stays(closed) -> None:
    def change(value: dict[str, Any]) -> None:
        for segment in value["segments"]:
            segment["sha256"] = "0" * 64

    forge(closed, change)
    reasons = {verdict.keep_because for verdict in judge_segments(closed.journal, closed.lake)}
    assert reasons == {"it is not what it was when its day was closed"}


def clean(place, receipt: Path, keep_days: int = 0) -> list[str]:
    proof = load_receipt(receipt)
    verdicts = judge_files(place.lake, place.journal, proof, keep_days)
    delete_files(place.lake, verdicts, proof)
    return sorted({verdict.keep_because for verdict in verdicts if verdict.keep_because})


def test_of_today_nothing_is_cleaned_up_although_no_day_is_to_be_kept(closed, receipt: Path) -> None:
    """Its newest segments are still in the journal, where a start of the recorder reads them."""
    proof, today = load_receipt(receipt), closed.partition.date
    findings = judge_files(closed.lake, closed.journal, proof, 0, today)
    assert {each.keep_because for each in findings} == {"it is of the newest days"}
    delete_segments(judge_segments(closed.journal, closed.lake))
    later = judge_files(closed.lake, closed.journal, proof, 0, today + timedelta(days=1))
    assert {each.keep_because for each in later} == {None}


def test_clean_up_takes_tables_and_archives_and_leaves_the_accounts(closed, receipt: Path) -> None:
    delete_segments(judge_segments(closed.journal, closed.lake))
    assert clean(closed, receipt) == []
    left = {path.relative_to(closed.lake).parts[0] for path in closed.lake.rglob("*") if path.is_file()}
    assert left == {".lock", "gaps_v3", "instruments_v3", "sessions_v3", "certificate", "manifest"}
    report = verify_lake(closed.lake)
    assert report.ok and report.days[0].removed == 5
    assert closed.close().outcome == "unchanged"


def test_clean_up_twice_is_clean_up_once(closed, receipt: Path) -> None:
    delete_segments(judge_segments(closed.journal, closed.lake))
    clean(closed, receipt)
    clean(closed, receipt)
    assert len(list((closed.lake / closed.partition.path("manifest")).glob("removed-*"))) == 1


def test_an_archive_stays_while_the_journal_has_its_segment(closed, receipt: Path) -> None:
    assert clean(closed, receipt) == ["the journal still has its segment; run harvester prune-journal --apply first"]
    assert not closed.current("depth").exists()


def test_the_newest_days_stay(closed, receipt: Path) -> None:
    assert clean(closed, receipt, keep_days=2) == ["it is of the newest days"]
    assert verify_lake(closed.lake).days[0].removed == 0


def test_a_receipt_that_proves_something_else_takes_nothing(closed, receipt: Path) -> None:
    value = json.loads(receipt.read_text())
    for entry in value["files"]:
        entry["sha256"] = "0" * 64
    receipt.write_text(json.dumps(value))
    assert clean(closed, receipt) == ["the receipt proves another content"]
    value["files"] = []
    receipt.write_text(json.dumps(value))
    assert clean(closed, receipt) == ["the receipt does not name it"]


def test_a_damaged_file_stays_for_a_look(closed, receipt: Path) -> None:
    flip(closed.current("depth"))
    assert any("run harvester verify" in reason for reason in clean(closed, receipt))


def test_a_receipt_cannot_name_files_outside_the_lake(closed, receipt: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    value = json.loads(receipt.read_text())
    value["files"] = [{"path": f"../{victim.name}", "bytes": 8, "sha256": hash_file(victim)[1]}]
    receipt.write_text(json.dumps(value))
    clean(closed, receipt)
    assert victim.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format":2,"files":[]}', '{"format":1,"files":[{}]}', "\x00"])
def test_what_is_no_receipt_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="not a receipt"):
        load_receipt(path)
