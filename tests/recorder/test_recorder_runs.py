"""Runs that start late, stop, die or meet another one, and disks that are full or fail: no slot without its cause."""

import asyncio
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.recorder.bench import GOOD, Behaviour, Bench, hand_over, running
from tests.recorder.fakes import FakeClock, make_calendar, make_settings
from tests.recorder.minute import DAY, OPEN_NS, SECOND, WINDOW, at, lasting, record, words

from harvester.base.errors import HarvesterError
from harvester.config.settings import Settings


def test_a_start_inside_the_window_says_not_started(settings: Settings) -> None:
    clock = at(20.5)
    hand_over(settings, clock)

    ledger = record(settings, clock, lasting(60))

    assert words(ledger) == {"not_started": 21, "data": 39}


def test_a_stop_opens_a_gap_that_the_next_run_goes_on_with(settings: Settings, clock: FakeClock) -> None:
    record(settings, clock, lasting(25.5))
    clock.freeze(9)
    ledger = record(settings, clock, lasting(60))

    assert words(ledger) == {"data": 51, "stopped": 9}
    assert [gap["to_ns"] is None for gap in ledger.gaps.values()] == [False, False]


def test_both_polls_in_flight_at_a_stop_are_accounted_for(tmp_path: Path) -> None:
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    symbols = [f"NSE:SYM{number}-EQ" for number in range(25)]
    settings = make_settings(
        tmp_path,
        symbols=symbols,
        broker={"requests_per_minute": 600, "requests_per_day": 200_000},
        poll={"interval_seconds": 5.0, "timeout_seconds": 4.0},
        calendar={"file": str(file)},
    )
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(seconds=4.9) if slot_ns >= OPEN_NS + 10 * SECOND else GOOD

    async def story(bench: Bench) -> None:
        await clock.advance(5 + 15.5)
        assert bench.client.polls[-1][1] == OPEN_NS + 15 * SECOND, "a first batch has been sent again"
        await bench.stop()

    ledger = record(settings, clock, story, script)

    tables = [ledger.table(symbol, WINDOW, 5 * SECOND) for symbol in symbols]
    assert {fate for table in tables for fate in table} == {"data", "stopped"}
    assert ["data", "data", *["stopped"] * 10] in tables, "two were in flight"


def test_a_killed_run_is_told_from_a_stopped_one(settings: Settings, clock: FakeClock) -> None:
    record(settings, clock, lasting(25.5, killed=True))
    clock.freeze(9)
    ledger = record(settings, clock, lasting(60))

    assert words(ledger) == {"data": 51, "not_running": 9}


def test_a_run_that_dies_in_a_gap_hands_its_cause_over(settings: Settings, clock: FakeClock) -> None:
    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause="server_error", status=500) if slot_ns >= OPEN_NS + 15 * SECOND else GOOD

    record(settings, clock, lasting(25.5, killed=True), script)
    clock.freeze(9)
    ledger = record(settings, clock, lasting(60))

    assert words(ledger) == {"data": 45, "server_error": 6, "not_running": 9}


def test_a_second_recorder_is_refused_and_the_first_goes_on(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        with pytest.raises(HarvesterError, match="another"):
            async with running(settings, clock) as second:
                await second.task
        await clock.advance(90)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}


def test_a_nearly_full_disk_pauses_recording_until_there_is_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    real = os.statvfs

    def statvfs(path: str) -> os.statvfs_result:
        full = OPEN_NS + 10 * SECOND <= clock.wall_ns() < OPEN_NS + 30 * SECOND
        values = list(real(path))
        return os.statvfs_result([*values[:4], 1 if full else 1 << 30, *values[5:]])

    monkeypatch.setattr(os, "statvfs", statvfs)

    ledger = record(settings, clock, lasting(90))

    assert set(words(ledger)) == {"data", "disk_full"}
    assert 19 <= words(ledger)["disk_full"] <= 21


def test_a_journal_that_fails_is_reopened_and_the_gap_is_written_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    real = os.write
    failing = False

    def write(descriptor: int, data: bytes) -> int:
        if failing and "journal" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)

    async def story(bench: Bench) -> None:
        nonlocal failing
        await clock.advance(15.5)
        failing = True
        await clock.advance(10)
        assert bench.sink.failure
        failing = False
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert set(words(ledger)) == {"data", "disk_full"}
    assert 10 <= words(ledger)["disk_full"] <= 16


def test_gaps_are_made_durable_when_they_open(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        bench.client.script = lambda symbol, slot: Behaviour(cause="disconnect")
        await clock.advance(6.5)
        await asyncio.sleep(0.05)
        writer = bench.sink.writer
        assert writer is not None
        assert writer.durable_seq == writer.seq

    slow = replace(settings, journal=replace(settings.journal, sync_interval_ms=10_000))
    record(slow, clock, story)
