"""Appending waits for no disk: batches, segments that end and begin during a sync, and the order of what is durable."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.descriptors import none_left_open
from tests.durability import watched
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.journal import JournalError, JournalWriter, RunInfo, read_segment, recover, scan
from harvester.journal.format import (
    CONTROL,
    DATA,
    MAX_CONTROL,
    MAX_PAYLOAD,
    Record,
    decode_control,
    encode,
    encode_control,
)

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NEVER_MS = 3_600_000
ROLL = 60 * NS_PER_SECOND
GAPS = [{"type": "gap_open", "gap_id": f"run-{number}", "detail": "\u20b9"} for number in range(1000)]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def open_writer(journal: Path, clock: HandClock, **options: int) -> JournalWriter:
    return JournalWriter(
        journal, clock=clock, run=RUN, **{"sync_interval_ms": NEVER_MS, "segment_seconds": 60, **options}
    )


def append(writer: JournalWriter, clock: HandClock, payload: bytes = b"x") -> int:
    return writer.append(1, 0, payload, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())


def until(condition: Callable[[], bool]) -> None:
    for _ in range(5000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("not within 5 s")


def prepare(writer: JournalWriter) -> None:
    """Have the next segment's file made."""
    writer.sync_soon()
    until(lambda: bool(writer._spare))


def files(journal: Path) -> list[str]:
    return sorted(path.suffix for path in journal.glob("2*/*"))


def numbers(journal: Path) -> list[int]:
    return [record.seq for path in sorted(journal.glob("2*/*")) for record in read_segment(path)]


@contextmanager
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Syncs of the writer's thread return at the end only; those of this thread are noted."""
    asked: list[str] = []
    goes_on = threading.Event()
    with monkeypatch.context() as patch:

        def wait(call: Callable[[int], None], descriptor: int) -> None:
            if threading.current_thread() is threading.main_thread():
                asked.append(call.__name__)
            else:
                goes_on.wait(60)
            call(descriptor)

        for call in (os.fsync, os.fdatasync):
            patch.setattr(os, call.__name__, partial(wait, call))
        try:
            yield asked
        finally:
            goes_on.set()


def test_a_segment_ends_and_the_next_begins_while_a_sync_hangs(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer(tmp_path, clock) as writer:
        prepare(writer)
        ahead = (tmp_path / ".next").stat().st_ino
        with hung_disk(monkeypatch) as asked:
            append(writer, clock)
            clock.now_ns += ROLL
            append(writer, clock, b"of the next")
            assert asked == []
            assert writer.segment is not None and writer.segment.stat().st_ino == ahead
            assert [record.payload for record in read_segment(writer.segment)][1:] == [b"of the next"]
            assert (files(tmp_path), writer.durable_seq) == ([".open", ".open"], 1)
        until(lambda: files(tmp_path) == [".open", ".seg"] and writer.durable_seq == writer.seq)
    assert numbers(tmp_path) == list(range(1, 7))
    assert {path.stat().st_mode & 0o7027 for path in tmp_path.glob("2*/*")} == {0}


def test_a_closed_window_is_sealed_without_waiting_for_it(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer(tmp_path, clock) as writer:
        with hung_disk(monkeypatch) as asked:
            append(writer, clock)
            assert writer.append_control({"type": "note"}, {"type": "window_close"}) == 4
            assert (asked, writer.segment, writer.segment_size) == ([], None, 0)
        until(lambda: files(tmp_path) == [".seg"] and writer.durable_seq == writer.seq == 5)


def test_what_must_be_durable_soon_waits_for_no_interval(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        seq = append(writer, clock)
        writer.sync_soon()
        until(lambda: writer.durable_seq == seq)


def test_control_records_are_written_with_one_call(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, []
    monkeypatch.setattr(os, "write", lambda descriptor, data: calls.append(len(data)) or write(descriptor, data))
    with open_writer(tmp_path, clock) as writer:
        calls.clear()
        assert writer.append_control(*GAPS) == 1001
        assert len(calls) == 1
        assert writer.append_control({"type": "note"}) == 1002
    (path,) = tmp_path.glob("2*/*")
    _, *records, note, seal = read_segment(path)
    assert [decode_control(record.payload) for record in records] == GAPS
    assert [record.seq for record in records] == list(range(2, 1002))
    assert scan(path).damaged == ()
    assert {record[:3] + record[4:6] for record in records} == {(CONTROL, 0, 0, clock.wall_ns(), clock.mono_ns())}
    assert decode_control(seal.payload) == {"type": "seal", "records": 1002, "first_seq": 1, "last_seq": 1002}
    assert note.seq == 1002


def test_records_that_come_together_stay_together(tmp_path: Path, clock: HandClock) -> None:
    two = [{"type": "note", "text": "x" * 400}] * 2
    with open_writer(tmp_path, clock, segment_bytes=1200) as writer:
        append(writer, clock)
        writer.append_control(*two)
        writer.append_control(*two)
    kinds = [[record.kind for record in read_segment(path)] for path in sorted(tmp_path.glob("2*/*"))]
    assert kinds == [[CONTROL, DATA, CONTROL], [CONTROL] * 4, [CONTROL] * 4]


def test_what_is_durable_has_no_hole(tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with none_left_open():
        writer = open_writer(tmp_path, clock)
        durable = append(writer, clock)
        writer.sync()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            append(writer, clock)
            clock.now_ns += ROLL
            with pytest.raises(JournalError):  # the next file cannot be made, nor the ended one be sealed
                append(writer, clock)
        until(lambda: not writer._thread.is_alive())
        with pytest.raises(JournalError):
            writer.sync()
        assert writer.durable_seq == durable
        writer.close()
    assert ".seg" not in files(tmp_path)


def test_an_ended_segment_that_cannot_be_sealed_stops_the_writer_and_is_marked(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with none_left_open():
        writer = open_writer(tmp_path, clock)
        prepare(writer)
        ended = writer.segment
        assert ended is not None
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: os.close(-1))
            clock.now_ns += ROLL
            append(writer, clock)
            until(lambda: writer.failure is not None)
        with pytest.raises(JournalError, match=f"{ended}: the journal cannot be sealed"):
            append(writer, clock)
        assert writer.segment is not None
        size = writer.segment.stat().st_size
        with pytest.raises(JournalError):
            writer.seal()
        assert writer.segment.stat().st_size == size
        writer.close()
    assert ended.with_suffix(".suspect").exists()
    assert files(tmp_path) == [".open", ".open", ".suspect"]
    recover(tmp_path, clock=clock)
    assert files(tmp_path) == [".seg", ".seg"]


def test_segments_become_durable_in_their_order(tmp_path: Path, clock: HandClock) -> None:
    with watched(tmp_path) as disk, open_writer(tmp_path / "journal", clock) as writer:
        prepare(writer)
        clock.now_ns += ROLL
        append(writer, clock)
        writer.sync()
        first, second = sorted(path.stem for path in (tmp_path / "journal").glob("2*/*"))
    place = f"journal/{DAY}"
    assert disk.first(f"synced {place}/{first}.open") < disk.first(f"synced {place}/{second}.open")
    assert disk.first(f"durable {place}/{second}.open") < disk.first(f"synced {place}/{second}.open"), (
        "name, then content"
    )
    assert disk.returning() == []


def test_a_name_is_durable_before_what_is_in_it(tmp_path: Path, clock: HandClock) -> None:
    with watched(tmp_path) as disk, open_writer(tmp_path / "journal", clock) as writer:
        writer.append_control({"type": "window_close"})
        writer.sync()
        prepare(writer)
        clock.now_ns += ROLL
        append(writer, clock)
        writer.sync()
        assert writer.segment is not None
        name = f"journal/{DAY}/{writer.segment.name}"
        assert disk.first(f"durable {name}") < disk.first(f"synced {name}")


def test_a_day_without_a_directory_gets_its_segment_all_the_same(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        prepare(writer)
        clock.now_ns += 86_400 * NS_PER_SECOND
        append(writer, clock)
        assert writer.segment is not None and writer.segment.parent.name == "2026-11-24"
        assert (tmp_path / ".next").exists(), "it waits for the next"
        clock.now_ns += ROLL
        append(writer, clock)
    assert [path.parent.name for path in sorted(tmp_path.glob("2*/*"))] == ["2026-11-23", "2026-11-24", "2026-11-24"]


def test_a_clock_that_stands_still_gives_each_segment_a_name(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock, segment_bytes=100) as writer:
        for _ in range(4):
            prepare(writer)
            append(writer, clock)
            append(writer, clock)
    assert len({path.name for path in tmp_path.glob("2*/*")}) == 8
    assert numbers(tmp_path) == list(range(1, 25))


def test_a_file_that_cannot_be_made_ahead_is_made_when_it_is_needed(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".next").mkdir()
    with none_left_open(), open_writer(tmp_path, clock) as writer:
        writer.sync_soon()
        until(lambda: writer.durable_seq == writer.seq)
        clock.now_ns += ROLL
        append(writer, clock)
        writer.sync()
        assert files(tmp_path) == [".open", ".seg"]
        seq = append(writer, clock)
        writer.sync_soon()
        until(lambda: writer.durable_seq == seq)


def test_a_file_made_ahead_that_cannot_be_synced_is_left_closed(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with none_left_open(), open_writer(tmp_path, clock) as writer:
        tried = threading.Event()

        def fail(descriptor: int) -> None:
            tried.set()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            writer.sync_soon()
            assert tried.wait(60)
        prepare(writer)
        clock.now_ns += ROLL
        append(writer, clock)
        assert not (tmp_path / ".next").exists()


def test_a_file_made_ahead_that_is_gone_keeps_nothing_from_ending(tmp_path: Path, clock: HandClock) -> None:
    with none_left_open():
        writer = open_writer(tmp_path, clock)
        prepare(writer)
        (tmp_path / ".next").unlink()
        writer.close()
        open_writer(tmp_path, clock).close()


def test_between_its_tasks_the_thread_rests(tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_writer(tmp_path, clock) as writer:
        prepare(writer)
        rounds = []
        monkeypatch.setattr(clock, "mono_ns", lambda: rounds.append(1) or OPEN_NS)
        threading.Event().wait(0.05)
        assert len(rounds) <= 2
        monkeypatch.undo()


def test_nothing_is_left_of_a_file_made_ahead(tmp_path: Path, clock: HandClock) -> None:
    with none_left_open(), open_writer(tmp_path, clock) as writer:
        prepare(writer)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", DAY.isoformat()]


def test_the_file_that_a_killed_run_had_made_ahead_is_taken_over(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / ".next").touch()
    before = (tmp_path / ".next").stat().st_ino
    report = recover(tmp_path, clock=clock)
    assert not report.changed and report.strays == report.problems == []
    with open_writer(tmp_path, clock) as writer:
        prepare(writer)
        clock.now_ns += ROLL
        append(writer, clock)
        assert writer.segment is not None and writer.segment.stat().st_ino == before


def test_records_in_it_are_set_aside(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / ".next").write_bytes(b"what a power cut left")
    report = recover(tmp_path, clock=clock)
    (kept,) = report.quarantined
    assert kept.read_bytes() == b"what a power cut left" and report.changed
    assert not (tmp_path / ".next").exists()
    assert not recover(tmp_path, clock=clock).changed


def test_records_in_it_that_cannot_be_set_aside_are_a_problem(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / ".next").write_bytes(b"what a power cut left")
    monkeypatch.setattr("harvester.journal.recovery.keep_whole", fail)
    report = recover(tmp_path, clock=clock)
    assert report.problems == [f"{tmp_path / '.next'}: Input/output error; it is left as it is."]


def test_a_control_record_may_be_larger_than_a_message(tmp_path: Path, clock: HandClock) -> None:
    state = {"type": "state", "open": "x" * (2 * MAX_PAYLOAD)}
    with open_writer(tmp_path, clock) as writer:
        writer.append_control(state)
        append(writer, clock, b"behind it")
        with pytest.raises(JournalError, match="at most 16777216 bytes"):
            writer.append_control({"type": "x" * MAX_CONTROL})
        assert writer.failure is None
    (path,) = tmp_path.glob("2*/*")
    _, large, behind, _ = read_segment(path)
    assert (decode_control(large.payload), behind.payload) == (state, b"behind it")
    assert scan(path).damaged == ()


@pytest.mark.parametrize(("kind", "most"), [(DATA, MAX_PAYLOAD), (CONTROL, MAX_CONTROL), (7, MAX_PAYLOAD)])
def test_each_kind_has_its_limit_for_writers_and_readers(tmp_path: Path, kind: int, most: int) -> None:
    path = tmp_path / "1-1.seg"
    good = Record(kind, 0, 0, 1, 2, 3, bytes(most))
    path.write_bytes(encode(good))
    assert list(read_segment(path)) == [good]
    with pytest.raises(JournalError, match=f"at most {most} bytes, not {most + 1}"):
        encode(good._replace(payload=bytes(most + 1)))
    head = encode(good)[:40]
    path.write_bytes(head[:4] + (most + 1).to_bytes(4, "little") + head[8:] + bytes(most + 1))
    assert list(read_segment(path)) == []


def test_half_of_a_surrogate_pair_is_written_as_compactly_as_any_text() -> None:
    assert encode_control({"type": "x", "text": "\u20b9\udc80"}) == b'{"type":"x","text":"\xe2\x82\xb9\xed\xb2\x80"}'
