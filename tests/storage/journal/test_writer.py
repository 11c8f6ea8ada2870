"""The writer: what acknowledged, durable and sealed mean, when segments roll, and what happens when the disk fails."""

import errno
import os
import random
import threading
from datetime import date
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.journal import Frame, JournalError, JournalWriter, RunInfo, read_segment, scan
from harvester.journal.format import MAX_PAYLOAD, decode_control

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NEVER_MS = 3_600_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def open_writer(tmp_path: Path, clock: HandClock, **options: int) -> JournalWriter:
    return JournalWriter(tmp_path, clock=clock, run=RUN, **{"sync_interval_ms": NEVER_MS, **options})


def append(writer: JournalWriter, clock: HandClock, payload: bytes = b"x") -> int:
    return writer.append(1, 0, payload, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())


def segments(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("2*/*"))


def test_a_segment_begins_with_who_wrote_it_and_ends_with_a_seal(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        assert append(writer, clock, b"payload") == 2
    (path,) = segments(tmp_path)
    assert path.parent.name == "2026-11-23" and path.name == f"{OPEN_NS}-{os.getpid()}.seg"
    first, data, last = read_segment(path)
    header = decode_control(first.payload)
    assert header is not None and header["run_id"] == "run" and header["streams"] == {"0": "NSE:SBIN-EQ"}
    assert data == (0, 1, 0, 2, clock.wall_ns(), clock.mono_ns(), b"payload")
    assert decode_control(last.payload) == {"type": "seal", "records": 2, "first_seq": 1, "last_seq": 2}


def test_a_record_is_readable_by_others_as_soon_as_append_returns(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        for number in range(2, 50):
            assert append(writer, clock, b"y" * number) == number
            assert writer.segment is not None
            assert scan(writer.segment).last_seq == number


def frames(clock: HandClock, payloads: list[bytes], apart_ns: int = 0) -> list[Frame]:
    return [
        (payload, clock.wall_ns() + at * apart_ns, clock.mono_ns() + at * apart_ns)
        for at, payload in enumerate(payloads)
    ]


def test_frames_at_hand_together_are_written_with_one_call(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, []
    with open_writer(tmp_path, clock) as writer:
        monkeypatch.setattr(os, "write", lambda descriptor, data: calls.append(len(data)) or write(descriptor, data))
        assert writer.append_many(2, 7, frames(clock, [b"a", b"", b"ccc"])) == 4
        assert len(calls) == 1
        assert writer.append_many(2, 7, []) == 4
        assert writer.segment is not None and scan(writer.segment).last_seq == 4
    (path,) = segments(tmp_path)
    data = [record for record in read_segment(path) if record.kind == 0]
    assert [(record.feed, record.stream, record.seq, record.payload) for record in data] == [
        (2, 7, 2, b"a"),
        (2, 7, 3, b""),
        (2, 7, 4, b"ccc"),
    ]


def journal_of(
    path: Path, clock: HandClock, payloads: list[bytes], apart_ns: int, batch: int
) -> list[tuple[str, int, int, bytes]]:
    """Where each record of data ended up, written so many at once: folder, number, wall clock, payload."""
    made = frames(clock, payloads, apart_ns)
    with open_writer(path, clock, segment_bytes=4_000, segment_seconds=60) as writer:
        for start in range(0, len(made), batch):
            if batch > 1:
                writer.append_many(1, 0, made[start : start + batch])
            else:
                payload, wall_ns, mono_ns = made[start]
                writer.append(1, 0, payload, wall_ns=wall_ns, mono_ns=mono_ns)
    return sorted(
        (found.parent.name, record.seq, record.wall_ns, record.payload)
        for found in segments(path)
        for record in read_segment(found)
        if record.kind == 0
    )


@pytest.mark.parametrize("apart_ns", [0, 11 * NS_PER_SECOND])
def test_a_batch_ends_up_as_single_records_would(tmp_path: Path, clock: HandClock, apart_ns: int) -> None:
    clock.now_ns = OPEN_NS + 53_000 * NS_PER_SECOND  # India's midnight is 100 s away
    chance = random.Random(4)
    payloads = [chance.randbytes(chance.choice([0, 1, 133, 900, 5_000])) for _ in range(40)]
    alone = journal_of(tmp_path / "alone", clock, payloads, apart_ns, 1)
    together = journal_of(tmp_path / "together", clock, payloads, apart_ns, 40)
    few = journal_of(tmp_path / "few", clock, payloads, apart_ns, 7)
    for found in (together, few):
        assert [(day, wall_ns, payload) for day, _, wall_ns, payload in found] == [
            (day, wall_ns, payload) for day, _, wall_ns, payload in alone
        ]
    assert len(segments(tmp_path / "together")) > 3


def test_a_batch_with_a_payload_over_the_limit_is_refused_whole(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        with pytest.raises(JournalError, match="at most 1048576 bytes"):
            writer.append_many(1, 0, frames(clock, [b"first", bytes(MAX_PAYLOAD + 1)]))
        assert writer.failure is None
        assert writer.append_many(1, 0, frames(clock, [b"x", b"y"])) == 3


def test_of_a_batch_cut_by_a_full_disk_nothing_is_acknowledged(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def fill(descriptor: int, data: bytes) -> int:
        if len(data) < 200:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, bytes(data[:200]))

    writer = open_writer(tmp_path, clock)
    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(JournalError, match="No space left on device"):
        writer.append_many(1, 0, frames(clock, [b"p" * 80] * 3))
    monkeypatch.undo()
    assert writer.seq == 1
    writer.close()
    (path,) = segments(tmp_path)
    assert [record.seq for record in read_segment(path)] == [1, 2]  # what the disk took whole is read, though


def test_numbers_go_on_without_a_hole_over_all_segments(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock, segment_bytes=65_536) as writer:
        for _ in range(300):
            append(writer, clock, b"z" * 1000)
    found = sorted(record.seq for path in segments(tmp_path) for record in read_segment(path))
    assert len(segments(tmp_path)) > 3
    assert found == list(range(1, len(found) + 1))
    assert all(path.stat().st_size <= 65_536 + 200 for path in segments(tmp_path))


def test_a_segment_is_sealed_when_it_is_old_enough(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock, segment_seconds=300) as writer:
        append(writer, clock)
        clock.now_ns += 299 * NS_PER_SECOND
        append(writer, clock)
        assert len(segments(tmp_path)) == 1
        clock.now_ns += NS_PER_SECOND
        append(writer, clock)
        assert [path.suffix for path in segments(tmp_path)] == [".seg", ".open"]


def test_a_segment_that_gets_no_more_records_is_sealed_when_it_is_old(tmp_path: Path, clock: HandClock) -> None:
    sealed = threading.Event()
    with open_writer(tmp_path, clock, segment_seconds=300, sync_interval_ms=1) as writer:
        append(writer, clock)
        clock.now_ns += 300 * NS_PER_SECOND
        for _ in range(2000):
            if writer.segment is None:
                break
            sealed.wait(0.001)
        assert [path.suffix for path in segments(tmp_path)] == [".seg"]
        append(writer, clock)
        assert [path.suffix for path in segments(tmp_path)] == [".seg", ".open"]


def test_midnight_in_india_begins_a_segment_in_the_next_days_folder(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock, segment_seconds=86_400) as writer:
        clock.now_ns = OPEN_NS + 53_099 * NS_PER_SECOND  # 23:59:59
        append(writer, clock)
        clock.now_ns += NS_PER_SECOND
        append(writer, clock)
    assert [path.parent.name for path in segments(tmp_path)] == ["2026-11-23", "2026-11-24"]


def test_a_closed_window_is_sealed_and_durable_at_once(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        append(writer, clock)
        writer.append_control({"type": "window_close"})
        assert writer.segment is None
        assert writer.durable_seq == writer.seq
        assert [path.suffix for path in segments(tmp_path)] == [".seg"]


def test_roll_begins_a_segment_under_the_date_given(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        append(writer, clock)
        clock.now_ns += 86_400 * NS_PER_SECOND
        writer.roll(date(2026, 11, 24))
        assert writer.segment is not None
        assert writer.segment.parent.name == "2026-11-24"


def test_nothing_is_called_durable_before_a_sync(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        append(writer, clock)
        assert (writer.seq, writer.durable_seq) == (2, 0)
        writer.sync()
        assert writer.durable_seq == 2


def test_the_sync_thread_makes_records_durable_unasked(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock, sync_interval_ms=1) as writer:
        seq = append(writer, clock)
        for _ in range(2000):
            if writer.durable_seq >= seq:
                break
            threading.Event().wait(0.001)
        assert writer.durable_seq == seq


def test_a_second_recorder_is_refused_and_the_first_goes_on(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        with pytest.raises(JournalError, match="another recorder is writing"):
            open_writer(tmp_path, clock)
        append(writer, clock)
    with open_writer(tmp_path, clock):
        pass


def test_a_clock_that_steps_back_never_reuses_a_name(tmp_path: Path, clock: HandClock) -> None:
    for _ in range(3):
        clock.now_ns = OPEN_NS
        with open_writer(tmp_path, clock) as writer:
            append(writer, clock)
    assert len(segments(tmp_path)) == 3


def test_a_payload_over_the_limit_is_refused_and_harms_nothing(tmp_path: Path, clock: HandClock) -> None:
    with open_writer(tmp_path, clock) as writer:
        with pytest.raises(JournalError, match="at most 1048576 bytes"):
            append(writer, clock, bytes(MAX_PAYLOAD + 1))
        assert writer.failure is None
        assert append(writer, clock, bytes(MAX_PAYLOAD)) == 2


def test_short_writes_are_continued(tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with open_writer(tmp_path, clock) as writer:
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
        append(writer, clock, b"a long payload")
        monkeypatch.undo()
    (path,) = segments(tmp_path)
    assert [record.payload for record in read_segment(path)][1] == b"a long payload"


def test_a_full_disk_stops_the_writer_loudly_and_for_good(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    budget = 30

    def fill(descriptor: int, data: bytes) -> int:
        nonlocal budget
        if budget == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, bytes(data[:budget]))
        budget -= written
        return written

    writer = open_writer(tmp_path, clock)
    append(writer, clock, b"kept")
    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(JournalError, match=r"cannot be written [(]No space left on device"):
        append(writer, clock, b"torn")
    monkeypatch.undo()
    with pytest.raises(JournalError):
        append(writer, clock, b"after")
    writer.close()
    (path,) = segments(tmp_path)
    assert path.suffix == ".open"
    assert [record.payload for record in read_segment(path)][1:] == [b"kept"]


@pytest.mark.parametrize("call", ["sync", "seal"])
def test_a_failed_sync_is_never_tried_again(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = open_writer(tmp_path, clock)
    append(writer, clock)
    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JournalError, match="Input/output error"):
        getattr(writer, call)()
    for again in (writer.sync, writer.seal, lambda: append(writer, clock)):
        with pytest.raises(JournalError):
            again()
    monkeypatch.undo()
    writer.close()
    assert len(calls) == 1
    assert writer.durable_seq == 0
    assert [path.suffix for path in segments(tmp_path)] == [".open", ".suspect"]


def test_a_failure_in_the_sync_thread_reaches_the_next_append(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = open_writer(tmp_path, clock, sync_interval_ms=1)
    monkeypatch.setattr(os, "fdatasync", fail)
    append(writer, clock)
    for _ in range(2000):
        if writer.failure:
            break
        threading.Event().wait(0.001)
    with pytest.raises(JournalError, match="Input/output error"):
        append(writer, clock)
    monkeypatch.undo()
    writer.close()


def test_a_directory_that_cannot_be_written_is_one_paragraph(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "journal").write_bytes(b"a file, not a directory")
    with pytest.raises(JournalError, match="lock cannot be opened"):
        open_writer(tmp_path / "journal", clock)
