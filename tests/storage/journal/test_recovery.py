"""Recovery: dead segments become whole ones, damage is kept for a look, and nothing can keep a start from going on."""

import errno
import os
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock

from harvester.journal import JournalError, JournalWriter, Record, RecoveryReport, RunInfo, read_segment, recover, scan
from harvester.journal.format import CONTROL, DATA, decode_control, encode

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NAME = f"{OPEN_NS}-77"


@pytest.fixture
def day(tmp_path: Path) -> Path:
    folder = tmp_path / "2026-11-23"
    folder.mkdir()
    return folder


def frames(count: int, first: int = 1) -> list[bytes]:
    head = Record(CONTROL, 0, 0, first, OPEN_NS, 5, b'{"type":"segment","format":1,"run_id":"r","streams":{}}')
    rest = [Record(DATA, 1, 0, seq, OPEN_NS + seq, 6, b"p%d" % seq * 5) for seq in range(first + 1, first + count)]
    return [encode(record) for record in (head, *rest)]


def payloads(path: Path) -> list[bytes]:
    return [record.payload for record in read_segment(path) if record.kind == DATA]


def controls(path: Path) -> list[dict[str, object]]:
    return [decode_control(record.payload) or {} for record in read_segment(path) if record.kind == CONTROL][1:]


def recover_once(tmp_path: Path) -> RecoveryReport:
    report = recover(tmp_path, clock=HandClock())
    again = recover(tmp_path, clock=HandClock())
    assert not again.changed and not again.problems, "a second recovery finds nothing to do"
    return report


def test_a_torn_tail_is_cut_at_every_byte_of_a_record_and_kept(tmp_path: Path, day: Path) -> None:
    whole = frames(4)
    head, last = b"".join(whole[:-1]), whole[-1]
    for length in range(len(last)):
        path = day / f"{OPEN_NS + length}-77.open"
        path.write_bytes(head + last[:length])
    report = recover_once(tmp_path)
    for length in range(len(last)):
        sealed = day / f"{OPEN_NS + length}-77.seg"
        found = scan(sealed)
        assert found.sealed and not found.damaged and found.valid_end == found.size
        assert payloads(sealed) == [b"p2" * 5, b"p3" * 5]
        kept = tmp_path / "quarantine" / f"2026-11-23_{sealed.stem}_{len(head)}-{len(head) + length}"
        assert not length or kept.read_bytes() == last[:length]
    assert len(report.sealed) == len(last) and not report.problems


def test_a_cut_is_told_in_the_segment_itself(tmp_path: Path, day: Path) -> None:
    whole = frames(3)
    (day / f"{NAME}.open").write_bytes(b"".join(whole) + b"torn")
    recover_once(tmp_path)
    size = sum(map(len, whole))
    assert controls(day / f"{NAME}.seg") == [
        {"type": "damage", "file": NAME, "from": size, "to": size + 4, "bytes": 4},
        {"type": "seal", "records": 4, "first_seq": 1, "last_seq": 4, "recovered": True},
    ]
    assert [record.seq for record in read_segment(day / f"{NAME}.seg")] == [1, 2, 3, 4, 5]


def test_damage_in_the_middle_is_copied_skipped_and_left_in_place(tmp_path: Path, day: Path) -> None:
    whole = frames(6)
    start = sum(map(len, whole[:3]))
    data = bytearray(b"".join(whole))
    data[start + 20 : start + 30] = bytes(10)
    (day / f"{NAME}.open").write_bytes(data)
    report = recover_once(tmp_path)
    end = start + len(whole[3])
    assert [(a, b) for _, a, b in report.damaged] == [(start, end)]
    assert (tmp_path / "quarantine" / f"2026-11-23_{NAME}_{start}-{end}").read_bytes() == data[start:end]
    assert payloads(day / f"{NAME}.seg") == [b"p%d" % seq * 5 for seq in (2, 3, 5, 6)]


def test_a_tail_of_zeros_is_no_record(tmp_path: Path, day: Path) -> None:
    (day / f"{NAME}.open").write_bytes(b"".join(frames(3)) + bytes(8192))
    assert recover_once(tmp_path).damaged_bytes == 8192
    assert payloads(day / f"{NAME}.seg") == [b"p2" * 5, b"p3" * 5]


def test_files_without_a_record_go_to_quarantine_whole(tmp_path: Path, day: Path) -> None:
    (day / f"{OPEN_NS}-1.open").write_bytes(b"")
    (day / f"{OPEN_NS}-2.open").write_bytes(b"nonsense" * 100)
    recover_once(tmp_path)
    assert list(day.iterdir()) == []
    assert (tmp_path / "quarantine" / f"2026-11-23_{OPEN_NS}-2").read_bytes() == b"nonsense" * 100


def test_twenty_kinds_of_rubbish_block_nothing(tmp_path: Path, day: Path) -> None:
    good = b"".join(frames(3))
    (day / f"{NAME}.open").write_bytes(good)
    (day / "notes.txt").write_text("hello")
    (day / "x.open").write_bytes(good)
    (day / "12-.open").write_bytes(good)
    (day / f"{OPEN_NS}-5.open").mkdir()
    (day / f"{OPEN_NS}-6.open").symlink_to("/etc/hostname")
    (day / f"{OPEN_NS}-7.open").symlink_to(day / "missing")
    os.mkfifo(day / f"{OPEN_NS}-8.open")
    (day / f"{OPEN_NS}-9.OPEN").write_bytes(good)
    (day / f"{OPEN_NS}-10.seg").write_bytes(b"not a segment")
    (day / f"{OPEN_NS}-11.seg").write_bytes(b"")
    (day / f"{OPEN_NS}-12.suspect").write_bytes(b"")
    (day / ".hidden").write_bytes(b"")
    (tmp_path / "2026-11-24").write_bytes(b"a file where a day should be")
    (tmp_path / "2026-11-25").symlink_to(day)
    (tmp_path / "20261126").mkdir()
    (tmp_path / "stray.open").write_bytes(good)
    (tmp_path / "lost+found").mkdir()
    (day / f"{OPEN_NS}-13.open").write_bytes(b"\xf5AHJ" * 50)
    (day / f"{OPEN_NS}-14.open").write_bytes(b"\xf5AHJ\xff\xff\xff\xff" + bytes(60))
    report = recover_once(tmp_path)
    assert report.sealed == [day / f"{NAME}.seg"]
    assert len(report.strays) == 14
    with JournalWriter(tmp_path, clock=HandClock(), run=RUN) as writer:
        assert writer.append(1, 0, b"on", wall_ns=OPEN_NS, mono_ns=1) == 2


def test_a_name_that_is_taken_is_never_overwritten(tmp_path: Path, day: Path) -> None:
    (day / f"{NAME}.seg").write_bytes(b"".join(frames(2)))
    (day / f"{NAME}.open").write_bytes(b"".join(frames(3, first=10)))
    recover_once(tmp_path)
    assert payloads(day / f"{NAME}.seg") == [b"p2" * 5]
    assert payloads(day / f"{OPEN_NS + 1}-77.seg") == [b"p11" * 5, b"p12" * 5]


def test_a_file_whose_sync_failed_is_written_anew_and_the_old_one_kept(tmp_path: Path, day: Path) -> None:
    path = day / f"{NAME}.open"
    path.write_bytes(b"".join(frames(3)))
    inode = path.stat().st_ino
    path.with_suffix(".suspect").touch()
    recover_once(tmp_path)
    assert payloads(day / f"{NAME}.seg") == [b"p2" * 5, b"p3" * 5]
    assert (day / f"{NAME}.seg").stat().st_ino != inode
    assert (tmp_path / "quarantine" / f"2026-11-23_{NAME}.suspect").stat().st_ino == inode
    assert not path.with_suffix(".suspect").exists()


def test_with_the_disk_full_the_segment_is_sealed_with_its_damage_in_it(
    tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (day / f"{NAME}.open").write_bytes(b"".join(frames(3)) + b"torn")

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("harvester.journal.quarantine.make_directory", fail)
    report = recover(tmp_path, clock=HandClock())
    assert report.sealed == [day / f"{NAME}.seg"]
    assert "No space left" in report.problems[0]
    assert (day / f"{NAME}.seg").read_bytes() == b"".join(frames(3)) + b"torn"
    assert payloads(day / f"{NAME}.seg") == [b"p2" * 5, b"p3" * 5]


def test_one_unreadable_file_does_not_keep_the_others(
    tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        (day / f"{OPEN_NS}-{number}.open").write_bytes(b"".join(frames(2)))
    real = Path.open

    def refuse(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == f"{OPEN_NS}-2.open":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    report = recover(tmp_path, clock=HandClock())
    assert [path.name for path in report.sealed] == [f"{OPEN_NS}-1.seg", f"{OPEN_NS}-3.seg"]
    assert len(report.problems) == 1 and f"{OPEN_NS}-2.open" in report.problems[0]


def test_the_journal_of_a_living_recorder_is_left_alone(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, clock=HandClock(), run=RUN) as writer:
        with pytest.raises(JournalError, match="another recorder"):
            recover(tmp_path, clock=HandClock())
        assert writer.segment is not None and writer.segment.exists()


def test_an_empty_journal_is_nothing_to_do(tmp_path: Path) -> None:
    assert not recover(tmp_path / "journal", clock=HandClock()).changed
