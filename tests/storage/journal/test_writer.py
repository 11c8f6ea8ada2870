"""The writer: what acknowledged, durable and sealed mean, when segments roll, and what happens when the disk fails."""

import errno
import os
import threading
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.journal import JournalError, JournalWriter, RunInfo, read_segment, scan
from harvester.journal.format import DATA, MAX_PAYLOAD, Record, decode_control

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NEVER_MS = 3_600_000
DAY_NS = 86_400 * NS_PER_SECOND


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def open_writer(tmp_path: Path, clock: HandClock, **options: int) -> JournalWriter:
    return JournalWriter(tmp_path, clock=clock, run=RUN, **{"sync_interval_ms": NEVER_MS, **options})


def append(writer: JournalWriter, clock: HandClock, payload: bytes = b"x") -> int:
    return writer.append(1, 0, payload, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())


def data_of(path: Path) -> list[Record]:
    return [record for record in read_segment(path) if record.kind == DATA]


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


@pytest.mark.parametrize(
    ("payload_bytes", "apart_ns", "rolls"),
    [
        (1_000, 0, True),  # four records fill 4,000 bytes
        (1, 25 * NS_PER_SECOND, True),  # a segment is open for at most 60 s
        (1, 0, False),
    ],
)
def test_a_segment_is_rolled_at_its_bytes_and_at_its_age(
    tmp_path: Path, clock: HandClock, payload_bytes: int, apart_ns: int, rolls: bool
) -> None:
    with open_writer(tmp_path, clock, segment_bytes=4_000, segment_seconds=60) as writer:
        for number in range(4):
            assert append(writer, clock, bytes(payload_bytes)) == writer.seq
            assert len(segments(tmp_path)) == (2 if rolls and number == 3 else 1)
            clock.now_ns += apart_ns


@pytest.mark.parametrize(
    "moments",
    [(-1, 0), (0, -1), (-1, 0, -1, 0), (0, -DAY_NS - 1, DAY_NS - 1, DAY_NS)],
    ids=["on", "set back", "back and forth", "by days"],
)
def test_each_record_lies_under_its_own_date_in_india_whichever_way_the_clock_goes(
    tmp_path: Path, clock: HandClock, moments: tuple[int, ...]
) -> None:
    midnight_ns = OPEN_NS + 14 * 3_600 * NS_PER_SECOND + 45 * 60 * NS_PER_SECOND
    with open_writer(tmp_path, clock, segment_seconds=7 * 86_400) as writer:
        for moment in moments:
            clock.now_ns = midnight_ns + moment
            append(writer, clock)

    found = [(path.parent.name, each.wall_ns) for path in segments(tmp_path) for each in data_of(path)]
    assert sorted(found) == sorted(
        (to_local(at).date().isoformat(), at) for at in (midnight_ns + each for each in moments)
    )


def test_what_came_before_midnight_and_is_written_after_it_lies_under_the_day_on_which_it_came(
    tmp_path: Path, clock: HandClock
) -> None:
    midnight_ns = OPEN_NS + 14 * 3_600 * NS_PER_SECOND + 45 * 60 * NS_PER_SECOND
    clock.now_ns = midnight_ns - 5
    with open_writer(tmp_path, clock, segment_seconds=7 * 86_400) as writer:
        writer.seal()
        clock.now_ns = midnight_ns + 5
        for moment in (-2, -1, 0, 1):
            writer.append(1, 0, b"x", wall_ns=midnight_ns + moment, mono_ns=clock.mono_ns())

    found = [(path.parent.name, [each.wall_ns - midnight_ns for each in data_of(path)]) for path in segments(tmp_path)]
    assert found == [("2026-11-23", []), ("2026-11-23", [-2, -1]), ("2026-11-24", [0, 1])]


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
