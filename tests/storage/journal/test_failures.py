"""What a person reads, and what is left, when the disk fails; what recovery reports of trouble."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.descriptors import none_left_open
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.journal import JournalError, JournalWriter, RunInfo, read_segment, recover, scan
from harvester.journal.format import CONTROL, DATA, Record, encode, encode_control
from harvester.journal.reader import ARCHIVED
from harvester.journal.repair import cut_and_close, seal_as

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NAME = f"{OPEN_NS}-77"
HEAD = Record(CONTROL, 0, 0, 1, OPEN_NS, 5, b'{"type":"segment"}')
BODY = [Record(DATA, 1, 0, seq, OPEN_NS + seq, 6, b"p%d" % seq) for seq in (2, 3)]
WHOLE = b"".join(map(encode, [HEAD, *BODY]))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    folder = tmp_path / DAY.isoformat()
    folder.mkdir()
    return folder


def fail(*_: object, **__: object) -> Any:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def open_writer(journal: Path) -> JournalWriter:
    return JournalWriter(journal, clock=HandClock(), run=RUN, sync_interval_ms=3_600_000)


def append(writer: JournalWriter, payload: bytes = b"x") -> int:
    return writer.append(1, 0, payload, wall_ns=OPEN_NS, mono_ns=1)


def told(place: Path, verb: str, durable: int) -> str:
    return (
        f"{place}: the journal cannot be {verb} (Input/output error). Recording stops; {durable} records of this run"
        " are durable, and the file is kept. Free disk space or repair the disk, then start the recorder: it recovers"
        " the rest."
    )


@pytest.mark.parametrize(
    ("verb", "call", "action", "marked"),
    [
        ("written", "write", append, False),
        ("synced", "fdatasync", JournalWriter.sync, True),
        ("sealed", "fsync", JournalWriter.seal, True),
    ],
)
def test_a_failure_names_the_file_and_marks_it_where_a_sync_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    call: str,
    action: Callable[[JournalWriter], object],
    marked: bool,
) -> None:
    before = os.umask(0)
    with none_left_open():
        writer = open_writer(tmp_path)
        append(writer)
        writer.sync()
        append(writer)
        path = writer.segment
        assert path is not None
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(JournalError) as failed:
            action(writer)
        monkeypatch.undo()
        assert str(failed.value) == told(path, verb, 2)
        with pytest.raises(JournalError) as again:
            append(writer)
        assert str(again.value) == str(failed.value)
        writer.close()
    os.umask(before)
    marker = path.with_suffix(".suspect")
    assert marker.exists() == marked
    assert {file.stat().st_mode & 0o7777 for file in path.parent.iterdir()} == {0o640}


def test_a_disk_that_refuses_the_marker_too_hides_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(tmp_path)
    append(writer)
    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(Path, "touch", fail)
    with pytest.raises(JournalError, match="cannot be synced"):
        writer.sync()
    monkeypatch.undo()
    writer.close()


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_journal_that_cannot_be_begun_leaves_nothing_open_and_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / DAY.isoformat()).mkdir()
    with none_left_open():
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(JournalError) as failed:
            open_writer(tmp_path)
        monkeypatch.undo()
        if call == "fsync":
            assert str(failed.value) == told(tmp_path, "created", 0)
        open_writer(tmp_path).close()


def test_a_segment_with_a_seal_gets_no_second_one(day: Path) -> None:
    seal = Record(CONTROL, 0, 0, 4, OPEN_NS, 6, encode_control({"type": "seal"}))
    (day / f"{NAME}.open").write_bytes(WHOLE + encode(seal) + b"torn")
    recover(day.parent, clock=HandClock())
    assert (day / f"{NAME}.seg").read_bytes() == WHOLE + encode(seal)


@pytest.mark.parametrize("first", [0, 1])
def test_what_recovery_adds_is_exact_however_little_the_disk_takes_at_once(
    day: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    clock = HandClock()
    head = encode(HEAD._replace(seq=first))
    tail = bytes(2_000)
    (day / f"{NAME}.open").write_bytes(head + tail)
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, at: write(descriptor, bytes(data[:7]), at))
    with none_left_open():
        recover(day.parent, clock=clock)
    controls = [
        {"type": "damage", "file": NAME, "from": len(head), "to": len(head) + 2_000, "bytes": 2_000},
        {"type": "seal", "records": 2, "first_seq": first, "last_seq": first + 1, "recovered": True},
    ]
    added = [
        encode(Record(CONTROL, 0, 0, first + at, clock.wall_ns(), clock.mono_ns(), encode_control(control)))
        for at, control in enumerate(controls, start=1)
    ]
    assert (day / f"{NAME}.seg").read_bytes() == head + b"".join(added)


@pytest.mark.parametrize("step", [seal_as, lambda path: cut_and_close(path, scan(path), HandClock())])
def test_a_link_in_place_of_a_segment_is_not_followed(tmp_path: Path, step: Callable[[Path], object]) -> None:
    (tmp_path / "other").write_bytes(WHOLE)
    (tmp_path / f"{NAME}.open").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        step(tmp_path / f"{NAME}.open")
    assert (tmp_path / "other").read_bytes() == WHOLE


def test_the_report_names_what_is_strange_and_all_that_was_damaged(day: Path) -> None:
    strange = [day.parent / "notes", day / "notes.txt"]
    for path in strange:
        path.touch()
    for number in (1, 2):
        (day / f"{OPEN_NS}-{number}.open").write_bytes(WHOLE + b"torn")
    report = recover(day.parent, clock=HandClock())
    assert sorted(report.strays) == sorted(strange)
    end = len(WHOLE)
    assert report.damaged == [(day / f"{OPEN_NS}-{number}.open", end, end + 4) for number in (1, 2)]
    assert report.sealed == [day / f"{OPEN_NS}-{number}.seg" for number in (1, 2)]
    assert [path.read_bytes() for path in report.quarantined] == [b"torn"] * 2
    assert report.changed and report.damaged_bytes == 8


def test_a_quarantine_that_cannot_be_written_is_a_problem_of_that_segment(
    day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (day / f"{NAME}.open").write_bytes(WHOLE + b"torn")
    monkeypatch.setattr("harvester.journal.quarantine.make_directory", fail)
    report = recover(day.parent, clock=HandClock())
    assert report.problems == [f"{day / NAME}.open: Input/output error; it is left as it is."]


@pytest.mark.parametrize("which", ["journal", "day"])
def test_a_directory_that_cannot_be_listed_is_a_problem_and_no_end(
    day: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    place = {"journal": day.parent, "day": day}[which]
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: fail() if Path(path) == place else scandir(path))
    report = recover(day.parent, clock=HandClock())
    assert report.problems == [f"{place}: Input/output error; it is left as it is."]
    assert not report.changed


def test_an_unreadable_segment_is_named_with_the_reason_and_left_closed(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.seg.zst"
    path.write_bytes(zstandard.compress(WHOLE)[:-9] + b"nonsense!")
    for read in (scan, lambda path: list(read_segment(path))):
        with none_left_open(), pytest.raises(JournalError) as failed:
            read(path)
        assert isinstance(failed.value.__cause__, OSError) and failed.value.__cause__.errno == errno.EBADMSG
        text = str(failed.value)
        assert text.startswith(f"{path}: the segment cannot be read (broken compression: ")
        assert text.endswith(
            "). Correct its owner and mode, or restore it from its other copy; the other segments are not touched by"
            " this."
        )


def test_an_archived_form_that_refuses_a_file_leaves_it_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1-1.seg.odd").write_bytes(WHOLE)
    monkeypatch.setitem(ARCHIVED, ".odd", fail)
    with none_left_open():
        with pytest.raises(JournalError) as failed:
            scan(tmp_path / "1-1.seg.odd")
        assert "Input/output error" in str(failed.value)


def test_a_segment_that_cannot_be_synced_is_left_as_it_is_and_named(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = day / f"{NAME}.open"
    path.write_bytes(WHOLE)
    monkeypatch.setattr(os, "fsync", fail)
    report = recover(day.parent, clock=HandClock())
    assert report.problems == [f"{path}: Input/output error; it is left as it is."] * 2
    assert path.exists() and not report.changed


def test_reading_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "1-1.seg").write_bytes(WHOLE)
    (tmp_path / "1-1.seg.zst").write_bytes(zstandard.compress(WHOLE))
    for path in tmp_path.iterdir():
        with none_left_open():
            assert scan(path).records == len(list(read_segment(path))) == 3
