"""What a run says about itself, control records, and segments that end by themselves."""

import os
import threading
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.journal import JournalError, JournalWriter, Record, RunInfo, read_segment, scan
from harvester.journal.format import (
    BACKFILL,
    CONTROL,
    HEADER,
    BackfillAnswer,
    decode_backfill,
    decode_control,
    encode_backfill,
    encode_control,
    segment_header,
)

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ", 7: "NSE:INFY-EQ"}, run_id="run", boot_id="boot")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_writer(journal: Path, clock: HandClock, **options: int) -> JournalWriter:
    return JournalWriter(journal, clock=clock, run=RUN, **{"sync_interval_ms": 3_600_000, **options})


def wait_for_seal(writer: JournalWriter) -> bool:
    for _ in range(2000):
        if writer.segment is None and writer.durable_seq == writer.seq:
            return True
        threading.Event().wait(0.001)
    return False


def test_a_run_names_its_boot_and_itself() -> None:
    first, second = (RunInfo("lab1", "r1", "c0ffee", {}) for _ in range(2))
    assert first.boot_id == BOOT_ID.read_text().strip()
    assert first.run_id != second.run_id and len(first.run_id) == 32


def test_where_the_kernel_does_not_say_it_the_boot_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert RunInfo("lab1", "r1", "c0ffee", {}).boot_id == ""


def test_the_header_of_a_segment_says_who_wrote_it_when_and_which_symbols() -> None:
    assert segment_header(RUN, 5, 6) == {
        "type": "segment",
        "format": 1,
        "run_id": "run",
        "boot_id": "boot",
        "host_id": "lab1",
        "release": "r1",
        "config_hash": "c0ffee",
        "wall_ns": 5,
        "mono_ns": 6,
        "streams": {"0": "NSE:SBIN-EQ", "7": "NSE:INFY-EQ"},
    }


def test_a_control_record_is_of_no_feed_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock) as writer:
        assert writer.append_control({"type": "note", "text": "₹"}) == 2
        path = writer.segment
        assert path is not None
        note = list(read_segment(path))[1]
    payload = '{"type":"note","text":"₹"}'.encode()
    assert note == Record(CONTROL, 0, 0, 2, clock.wall_ns(), clock.mono_ns(), payload)


def test_an_idle_segment_is_sealed_when_it_is_as_old_as_it_may_be(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock, sync_interval_ms=1, segment_seconds=60) as writer:
        writer.append_control({"type": "note"})
        clock.now_ns += 60 * NS_PER_SECOND
        assert wait_for_seal(writer)
        assert (writer.durable_seq, writer.segment_size) == (writer.seq, 0)
    (path,) = tmp_path.glob("2*/*")
    *_, last = read_segment(path)
    assert (path.suffix, decode_control(last.payload)) == (
        ".seg",
        {"type": "seal", "records": 2, "first_seq": 1, "last_seq": 2},
    )


def test_a_sync_with_nothing_new_asks_the_disk_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    asked: list[int] = []
    with open_writer(tmp_path, clock) as writer:
        monkeypatch.setattr(os, "fdatasync", asked.append)
        writer.sync()
        writer.sync()
        assert len(asked) == 1
        writer.append_control({"type": "window_close"})
        writer.sync()
        assert (len(asked), writer.segment) == (1, None)


def test_the_second_segment_goes_on_with_the_numbers(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock) as writer:
        writer.append_control({"type": "window_close"})
        clock.now_ns = OPEN_NS + NS_PER_SECOND
        assert writer.append_control({"type": "note"}) == 5
    seals = [decode_control(list(read_segment(path))[-1].payload) for path in sorted(tmp_path.glob("2*/*"))]
    assert seals == [
        {"type": "seal", "records": 2, "first_seq": 1, "last_seq": 2},
        {"type": "seal", "records": 2, "first_seq": 4, "last_seq": 5},
    ]


def test_header_and_seal_are_control_records_of_no_feed_at_their_moments(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock):
        began = clock.wall_ns(), clock.mono_ns()
        clock.now_ns += NS_PER_SECOND
    (path,) = tmp_path.glob("2*/*")
    seal = {"type": "seal", "records": 1, "first_seq": 1, "last_seq": 1}
    assert list(read_segment(path)) == [
        Record(CONTROL, 0, 0, 1, *began, encode_control(segment_header(RUN, *began))),
        Record(CONTROL, 0, 0, 2, clock.wall_ns(), clock.mono_ns(), encode_control(seal)),
    ]


def test_a_scan_tells_the_header_the_numbers_and_the_last_moment(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock) as writer:
        writer.append(1, 0, b"x", wall_ns=OPEN_NS + 1, mono_ns=1)
        path = writer.segment
        assert path is not None
        found = scan(path)
    assert found.header == segment_header(RUN, OPEN_NS, clock.mono_ns())
    assert (found.records, found.data_records, found.first_seq, found.last_seq) == (2, 1, 1, 2)
    assert (found.last_wall_ns, found.sealed) == (OPEN_NS + 1, False)


def test_half_a_character_in_a_control_record_is_kept() -> None:
    record = {"type": "note", "text": "\ud800"}
    assert decode_control(encode_control(record)) == record


@pytest.mark.parametrize("payload", [b"[1]", b'"note"', b"{}", b'{"type":1}', b'{"type":', b"\xff"])
def test_what_is_no_object_with_a_type_is_no_control_record(payload: bytes) -> None:
    assert decode_control(payload) is None


def sizes(tmp_path: Path) -> list[int]:
    """Records in each sealed segment, in order."""
    return [scan(path).records for path in sorted(tmp_path.glob("2*/*.seg"))]


def test_a_segment_takes_what_fills_it_to_the_byte_and_not_one_more(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path / "measured", clock) as writer:
        header = writer.segment_size
    for room, expected in ((0, [4]), (-1, [3, 3])):
        journal = tmp_path / str(room)
        with open_writer(journal, clock, segment_bytes=header + 2 * (HEADER.size + 50) + room) as writer:
            for _ in range(2):
                writer.append(1, 0, bytes(50), wall_ns=OPEN_NS, mono_ns=clock.mono_ns())
                clock.now_ns += 1
        assert sizes(journal) == expected


def test_a_record_larger_than_a_segment_has_one_for_itself(tmp_path: Path) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock, segment_bytes=1) as writer:
        for _ in range(3):
            writer.append(1, 0, b"large", wall_ns=OPEN_NS, mono_ns=clock.mono_ns())
            clock.now_ns += 1
    assert sizes(tmp_path) == [3, 3, 3]


@pytest.mark.parametrize(("apart_ns", "expected"), [(60 * NS_PER_SECOND - 1, [4]), (60 * NS_PER_SECOND, [3, 3])])
def test_a_record_at_the_end_of_its_age_is_of_the_next_segment(
    tmp_path: Path, apart_ns: int, expected: list[int]
) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock, segment_seconds=60) as writer:
        for _ in range(2):
            writer.append(1, 0, b"x", wall_ns=OPEN_NS, mono_ns=clock.mono_ns())
            clock.now_ns += apart_ns
    assert sizes(tmp_path) == expected


def test_a_record_of_the_first_nanosecond_of_a_day_is_of_that_day(tmp_path: Path) -> None:
    clock = HandClock(midnight_ns(DAY))
    with open_writer(tmp_path, clock) as writer:
        writer.append(1, 0, b"x", wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
    assert sizes(tmp_path) == [3]


def test_a_closed_writer_has_no_thread_left_though_a_sync_was_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, release = threading.Event(), threading.Event()

    def wait(descriptor: int) -> None:
        started.set()
        release.wait(10)

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", wait)
    writer = open_writer(tmp_path, HandClock(), sync_interval_ms=1)
    assert started.wait(10)
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(JournalError):
        writer.append_control({"type": "note"})
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "journal-sync"] == [True]
    threading.Timer(0.05, release.set).start()
    writer.close()
    assert [thread for thread in threading.enumerate() if thread.name == "journal-sync"] == []


def test_unless_told_otherwise_it_syncs_every_100_ms_and_seals_after_300_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, wait, waits = HandClock(), threading.Event.wait, []

    def record(event: threading.Event, timeout: float | None = None) -> bool:
        waits.append(timeout)
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", record)
    with JournalWriter(tmp_path, clock=clock, run=RUN) as writer:
        opened = clock.mono_ns()
        for age_s in (299, 300):
            writer.append(1, 0, b"x", wall_ns=OPEN_NS, mono_ns=opened + age_s * NS_PER_SECOND)
            clock.now_ns += 1
    assert 0.1 in waits
    assert sizes(tmp_path) == [3, 3]


def test_the_size_of_a_segment_is_that_of_its_file(tmp_path: Path) -> None:
    with open_writer(tmp_path, HandClock()) as writer:
        for _ in range(2):
            assert writer.segment is not None
            assert writer.segment_size == writer.segment.stat().st_size
            writer.append_control({"type": "note"})


def test_a_backfills_answer_reads_as_it_was_written_and_one_of_no_date_or_no_resolution_is_none() -> None:
    answer = BackfillAnswer(OPEN_NS, 200, DAY, DAY, "1D", b"body")
    written, first = encode_backfill(answer), DAY.toordinal()

    assert decode_backfill(written) == answer
    assert decode_backfill(written[: BACKFILL.size - 1]) is None
    for begin, end, name in ((0, first, b"1D"), (first, 2**32 - 1, b"1D"), (first, first, b"\xff")):
        assert decode_backfill(BACKFILL.pack(OPEN_NS, 200, begin, end, name) + b"body") is None
