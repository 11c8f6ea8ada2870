"""What a run says about itself, control records, and segments that end by themselves."""

import os
import threading
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.journal import JournalWriter, Record, RunInfo, read_segment
from harvester.journal.format import CONTROL, decode_control, segment_header

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ", 7: "NSE:INFY-EQ"}, run_id="run", boot_id="boot")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_writer(journal: Path, clock: HandClock, **options: int) -> JournalWriter:
    return JournalWriter(journal, clock=clock, run=RUN, **{"sync_interval_ms": 3_600_000, **options})


def wait_for_seal(writer: JournalWriter) -> bool:
    for _ in range(2000):
        if writer.segment is None:
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
