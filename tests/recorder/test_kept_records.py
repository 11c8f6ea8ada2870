"""Nothing of a recorder's account is lost without a word: large checkpoints, long failures of the disk, slow disks."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.bench import Bench, hand_over, running
from tests.recorder.fakes import make_calendar, make_settings
from tests.recorder.minute import DAY, OPEN_NS, at, record
from tests.recorder.test_windows import Socket

from harvester.brokers.protocol import PollResult
from harvester.capture.backlog import MOST, ROOM, Backlog
from harvester.capture.history import DayHistory
from harvester.capture.sink import JournalSink
from harvester.commands.run import THREADS
from harvester.config.settings import Settings
from harvester.journal.format import CONTROL, FYERS_HSM, RunInfo, decode_control
from harvester.journal.reader import read_segment
from harvester.ledger.outage import Outage
from harvester.ledger.streams import StreamLedger

RUN = RunInfo("test1", "test", "0", {})


def calendar_of_a_minute(directory: Path) -> dict[str, Any]:
    """The settings of a calendar whose window is `minute.WINDOW`."""
    file = make_calendar(directory / "minute.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    return {"file": str(file)}


def controls(settings: Settings) -> list[dict[str, Any]]:
    paths = sorted(settings.journal_dir.glob("2*/*.seg"))
    records = [record for path in paths for record in read_segment(path) if record.kind == CONTROL]
    return [decode_control(record.payload) or {} for record in records]


def gap(number: int, detail: str = "") -> dict[str, Any]:
    symbol = f"NSE:S{number:05}-EQ"
    return {
        "type": "gap_open",
        "gap_id": f"r-{number}",
        "symbols": [symbol],
        "from_ns": OPEN_NS,
        "cause": "disk_full",
    } | {"detail": detail}


def test_a_checkpoint_of_thousands_of_open_gaps_is_read_by_the_next_start(tmp_path: Path) -> None:
    clock, socket = at(-5), Socket()
    settings = make_settings(tmp_path, journal={"segment_seconds": 20}, calendar=calendar_of_a_minute(tmp_path))
    names = [f"NSE:S{number:05}-EQ" for number in range(5_000)]
    socket.ledger = StreamLedger("run", FYERS_HSM, names)

    async def story(bench: Bench) -> None:
        await clock.advance(6)
        cause = Outage("disconnect", "the server closed with code 1011 " + "x" * 260)
        bench.sink.write_all(socket.ledger.mark_cause(names, clock.wall_ns(), cause))
        await clock.advance(44)

    hand_over(settings, clock)
    record(settings, clock, story, None, socket)
    *earlier, last = sorted(settings.journal_dir.glob("2*/*.seg"))
    for path in earlier:
        path.unlink()

    history = DayHistory(1)
    history.read(last.parent)

    assert len(history.feed(FYERS_HSM).opened) == 5_000


def test_what_is_dropped_in_a_long_failure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(tmp_path)
    sink = JournalSink(settings, clock=at(0), run=RUN)
    sink.open()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: os.close(-1))
        sink.write({"type": "note"})
        assert sink.failure
    sink.write_all([gap(number) for number in range(60_000)])
    sink.write_all([{"type": "gap_close", "gap_id": f"r-{number}", "to_ns": OPEN_NS + 1} for number in range(50_000)])
    sink.write({"type": "last"})
    sink.reopen()
    sink.close()

    found = controls(settings)

    still_open = {one["gap_id"] for one in found if one["type"] == "gap_open"}
    assert {f"r-{number}" for number in range(50_000, 60_000)} <= still_open
    (dropped,) = [one for one in found if one["type"] == "dropped"]
    kept = sum(one["type"].startswith("gap_") for one in found)
    assert sum(dropped["records"].values()) == 110_000 - kept
    assert dropped["records"]["gap_open"] == dropped["records"]["gap_close"]
    assert [one["type"] for one in found if one["type"] in ("note", "last")] == ["note", "last"]


def test_a_failure_of_hours_is_kept_in_bounded_memory(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    sink = JournalSink(settings, clock=at(0), run=RUN)
    for number in range(3):
        sink.write_all([{"type": "text", "text": str(number)}] * 80_000)
    sink.open()
    sink.failure = "as if"
    sink.reopen()
    sink.close()

    found = [one["type"] for one in controls(settings)]

    assert 50_000 < found.count("text") <= 100_000
    assert found[-2] == "dropped"


def test_of_too_many_records_the_newest_are_kept_in_their_order() -> None:
    backlog = Backlog()
    backlog.keep([{"type": "text", "number": number} for number in range(MOST + 1)])

    *kept, dropped = backlog.take()

    assert [each["number"] for each in kept] == list(range(ROOM + 1, MOST + 1))
    assert dropped == {"type": "dropped", "records": {"text": ROOM + 1}}
    assert backlog.take() == []


def test_a_control_record_that_the_journal_refuses_stops_nothing(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    sink = JournalSink(settings, clock=at(0), run=RUN)
    sink.open()
    sink.write({"type": "state", "open": "x" * (17 << 20)})
    sink.write({"type": "note"})
    assert sink.failure is None
    sink.close()
    assert [one["type"] for one in controls(settings)] == ["segment", "note", "seal"]


def test_a_disk_that_syncs_slowly_leaves_the_threads_that_resolve_names(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = at(-5)
    goes_on = threading.Event()

    async def story(bench: Bench) -> None:
        await clock.advance(6)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", lambda descriptor: goes_on.wait(60))
            try:
                for number in range(8):
                    bench.sink.write_all([gap(number)])
                    await clock.advance(1)
                await asyncio.wait_for(asyncio.to_thread(lambda: None), 20)
            finally:
                goes_on.set()

    async def play() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        async with running(settings, clock) as bench:
            await story(bench)
            await bench.stop()

    asyncio.run(play())


def test_a_doubt_about_the_token_outlasts_the_time_in_which_nothing_may_be_asked(settings: Settings) -> None:
    clock = at(5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(2)
        before, token = bench.client.proofs, bench.access.token
        assert token
        limited = PollResult("", 0, 0, clock.wall_ns(), clock.mono_ns(), 429, b"", Outage("rate_limited", ""), 5)
        bench.access.note_result(limited, token)
        bench.trading.is_token_doubted = True
        await clock.advance(3)
        assert bench.client.proofs == before
        await clock.advance(5)
        assert bench.client.proofs == before + 1
        await clock.advance(3)
        assert bench.client.proofs == before + 1, "one answer is enough"

    record(settings, clock, story)
