"""The recorder in fake time: whatever happens, every slot has its data or lies in exactly one gap."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.unit.harvester.bench import GOOD, Behaviour, Bench, Ledger, hand_over, running
from tests.unit.harvester.fakes import SYMBOLS, FakeClock, make_calendar, make_settings

from harvester.clock import NS_PER_SECOND, midnight_ns
from harvester.errors import HarvesterError
from harvester.runsettings import RunSettings

DAY = date(2026, 8, 5)
OPEN_NS = midnight_ns(DAY) + 10 * 3600 * NS_PER_SECOND
WINDOW = (OPEN_NS, OPEN_NS + 60 * NS_PER_SECOND)
SECOND = NS_PER_SECOND
SBIN, INFY = SYMBOLS


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    return make_settings(tmp_path, calendar={"file": str(file)})


def at(seconds: float) -> FakeClock:
    """A clock so many seconds after the open."""
    return FakeClock(OPEN_NS + int(seconds * SECOND))


def record(settings: RunSettings, clock: FakeClock, story: Callable[[Bench], Awaitable[None]], script=None) -> Ledger:  # type: ignore[no-untyped-def]
    """Run a recorder through a story to its regular stop, and read what it journalled."""

    async def play() -> None:
        async with running(settings, clock, script) as bench:
            await story(bench)
            await bench.stop()

    asyncio.run(play())
    return Ledger(settings.journal_dir)


def words(ledger: Ledger, symbol: str = SBIN) -> dict[str, int]:
    """How many slots of the window have which fate."""
    return dict(Counter(ledger.table(symbol, WINDOW, SECOND)))


def test_a_whole_session_is_recorded_slot_by_slot(settings: RunSettings) -> None:
    clock = at(-30)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(120)
        assert {slot - sent for _, slot, sent, _ in bench.feed.polls} == {0}, "no poll early or late, no drift"

    ledger = record(settings, clock, story)

    assert words(ledger, SBIN) == words(ledger, INFY) == {"data": 60}
    assert [control["type"] for control in ledger.controls if control["type"].startswith("window")] == [
        "window_open",
        "window_close",
    ]


def test_nothing_is_polled_outside_the_window(settings: RunSettings) -> None:
    clock = at(-3600)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(3599)
        assert bench.feed.polls == []
        assert bench.feed.proofs == 2, "the token is proven on arrival and again before the open"
        await clock.advance(7200)
        assert len(bench.feed.polls) == 120

    record(settings, clock, story)


@pytest.mark.parametrize("cause", ["timeout", "disconnect", "server_error", "bad_response"])
def test_a_failing_stretch_is_one_gap_with_its_cause(settings: RunSettings, cause: str) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    bad = range(OPEN_NS + 10 * SECOND, OPEN_NS + 20 * SECOND)

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause=cause, status=500) if symbol == SBIN and slot_ns in bad else GOOD  # type: ignore[arg-type]

    ledger = record(settings, clock, story, script)

    assert words(ledger, SBIN) == {"data": 50, cause: 10}
    assert words(ledger, INFY) == {"data": 60}
    assert len(ledger.gaps) == 1


def test_a_change_of_cause_begins_a_new_gap(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        second = (slot_ns - OPEN_NS) // SECOND
        return (
            Behaviour(cause="disconnect") if second in (5, 6) else Behaviour(cause="timeout") if second == 7 else GOOD
        )

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    ledger = record(settings, clock, story, script)

    assert words(ledger) == {"data": 57, "disconnect": 2, "timeout": 1}


def test_without_a_token_nothing_is_sent_and_the_gap_says_so(settings: RunSettings) -> None:
    clock = at(-5)

    async def story(bench: Bench) -> None:
        await clock.advance(34.5)
        assert bench.feed.polls == []
        hand_over(settings, clock)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"no_token": 30, "data": 30}


def test_a_refused_token_is_tried_once_a_minute_and_a_new_one_at_once(settings: RunSettings) -> None:
    clock = at(-5)
    dead = hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        bench.feed.script = lambda symbol, slot: (
            Behaviour(cause="token_refused", status=401) if bench.feed.polls[-1][3] == dead else GOOD
        )
        await clock.advance(45.5)
        assert len([poll for poll in bench.feed.polls if poll[3] == dead]) <= 2, "one for each symbol of the first slot"
        living = hand_over(settings, clock, version="file:00000002")
        await clock.advance(1)
        assert bench.feed.polls[-1][3] == living
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"token_refused": 41, "data": 19}
    assert [token["version"] for token in ledger.of_type("token")] == ["file:00000001", "file:00000002"]


def test_rate_limiting_pauses_all_symbols(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause="rate_limited", status=429) if slot_ns == OPEN_NS + 10 * SECOND else GOOD

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    ledger = record(settings, clock, story, script)

    assert set(words(ledger)) == {"data", "rate_limited"}
    assert 3 <= words(ledger)["rate_limited"] <= 8, "about five seconds of backoff"
    assert words(ledger, INFY)["rate_limited"] == words(ledger, SBIN)["rate_limited"]


def test_polls_never_pile_up(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(seconds=1000) if slot_ns < OPEN_NS + 20 * SECOND else GOOD

    async def story(bench: Bench) -> None:
        await clock.advance(90)
        assert bench.feed.most_in_flight <= 2 * len(SYMBOLS)

    ledger = record(settings, clock, story, script)

    assert words(ledger) == {"timeout": 20, "data": 40}


def test_a_frozen_process_accounts_for_the_slots_it_slept_through(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(15.5)
        clock.freeze(20)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 41, "stall": 19}


def test_a_freeze_over_the_close_leaves_no_silent_slot(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(45.5)
        clock.freeze(100)
        await clock.advance(10)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 41, "stall": 19}
    assert len(ledger.of_type("window_close")) == 1


def test_a_freeze_over_the_whole_window_is_noticed_by_the_next_start_of_accounting(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        clock.freeze(30)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"stall": 25, "data": 35}


def test_a_clock_set_forward_is_recorded_with_its_slots(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(15.5)
        clock.step(20)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 40, "clock_step": 20}
    assert [round(step["delta_ns"] / SECOND) for step in ledger.of_type("clock_step")] == [20]


def test_a_clock_set_back_repeats_slots_and_loses_none(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(25.5)
        clock.step(-10)
        await clock.advance(60)
        assert len([poll for poll in bench.feed.polls if poll[0] == SBIN]) == 70

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}


def test_a_start_inside_the_window_says_not_started(settings: RunSettings) -> None:
    clock = at(20.5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"not_started": 21, "data": 39}


def test_a_stop_opens_a_gap_that_the_next_run_goes_on_with(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def until_twenty(bench: Bench) -> None:
        await clock.advance(25.5)

    async def to_the_end(bench: Bench) -> None:
        await clock.advance(60)

    record(settings, clock, until_twenty)
    clock.freeze(9)
    ledger = record(settings, clock, to_the_end)

    assert words(ledger) == {"data": 51, "stopped": 9}
    assert [gap["to_ns"] is None for gap in ledger.gaps.values()] == [False, False]


def test_a_killed_run_is_told_from_a_stopped_one(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def die(bench: Bench) -> None:
        await clock.advance(25.5)
        bench.capture.write = lambda record: None  # type: ignore[method-assign]

    async def to_the_end(bench: Bench) -> None:
        await clock.advance(60)

    record(settings, clock, die)
    clock.freeze(9)
    ledger = record(settings, clock, to_the_end)

    assert words(ledger) == {"data": 51, "not_running": 9}


def test_a_run_that_dies_in_a_gap_hands_its_cause_over(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause="server_error", status=500) if slot_ns >= OPEN_NS + 15 * SECOND else GOOD

    async def die(bench: Bench) -> None:
        await clock.advance(25.5)
        bench.capture.write = lambda record: None  # type: ignore[method-assign]

    async def to_the_end(bench: Bench) -> None:
        await clock.advance(60)

    record(settings, clock, die, script)
    clock.freeze(9)
    ledger = record(settings, clock, to_the_end)

    assert words(ledger) == {"data": 45, "server_error": 6, "not_running": 9}


def test_a_second_recorder_is_refused_and_the_first_goes_on(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        with pytest.raises(HarvesterError, match="another"):
            async with running(settings, clock) as second:
                await second.task
        await clock.advance(90)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}


def test_a_nearly_full_disk_pauses_recording_until_there_is_room(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    real = os.statvfs

    def statvfs(path: str) -> os.statvfs_result:
        full = OPEN_NS + 10 * SECOND <= clock.wall_ns() < OPEN_NS + 30 * SECOND
        values = list(real(path))
        return os.statvfs_result([*values[:4], 1 if full else 1 << 30, *values[5:]])

    monkeypatch.setattr(os, "statvfs", statvfs)

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    ledger = record(settings, clock, story)

    assert set(words(ledger)) == {"data", "disk_full"}
    assert 19 <= words(ledger)["disk_full"] <= 21


def test_a_journal_that_fails_is_reopened_and_the_gap_is_written_later(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
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
        assert bench.capture.failure
        failing = False
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert set(words(ledger)) == {"data", "disk_full"}
    assert 10 <= words(ledger)["disk_full"] <= 16


def test_a_changed_calendar_is_followed_without_a_restart(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    assert settings.calendar.file is not None
    path = settings.calendar.file

    async def story(bench: Bench) -> None:
        await clock.advance(30.5)
        make_calendar(path, DAY, {"continuous": [["10:00:00", "10:00:40"], ["10:00:50", "10:01:00"]]}, "2099-01-01")
        await clock.advance(60)

    ledger = record(settings, clock, story)

    polled = ["data"] * 40 + ["SILENT"] * 10 + ["data"] * 10
    assert ledger.table(SBIN, WINDOW, SECOND) == polled, "the ten seconds are no longer part of a window"
    assert len(ledger.of_type("calendar_reload")) == 1


def test_a_broken_calendar_changes_nothing_but_is_shown(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    assert settings.calendar.file is not None
    path = settings.calendar.file

    async def story(bench: Bench) -> None:
        await clock.advance(30)
        path.write_text("{ broken")
        await clock.advance(60)
        assert "calendar.json" in bench.recorder.calendars.problem

    assert words(record(settings, clock, story)) == {"data": 60}


def test_many_symbols_start_in_batches_that_the_broker_allows(tmp_path: Path) -> None:
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

    async def story(bench: Bench) -> None:
        await clock.advance(90)
        starts = sorted(sent for _, _, sent, _ in bench.feed.polls)
        busiest = max(sum(1 for other in starts if start <= other <= start + SECOND) for start in starts)
        assert busiest <= 10

    ledger = record(settings, clock, story)

    assert all(ledger.table(symbol, WINDOW, 5 * SECOND) == ["data"] * 12 for symbol in symbols)


def test_gaps_are_made_durable_when_they_open(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        bench.feed.script = lambda symbol, slot: Behaviour(cause="disconnect")
        await clock.advance(6.5)
        await asyncio.sleep(0.05)
        writer = bench.capture._writer
        assert writer is not None
        assert writer.durable_seq == writer.seq

    slow = replace(settings, journal=replace(settings.journal, sync_interval_ms=10_000))
    record(slow, clock, story)


def test_the_service_survives_a_feed_that_raises(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        if slot_ns == OPEN_NS + 5 * SECOND:
            raise RuntimeError("a bug in a feed")
        return GOOD

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    assert words(record(settings, clock, story, script)) == {"data": 59, "unknown": 1}


def test_a_clock_off_by_minutes_is_recorded_when_the_broker_shows_it(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        bench.feed.clock_off_ns = 180 * SECOND
        await clock.advance(20)
        assert bench.recorder._watch.is_off
        bench.feed.clock_off_ns = 0
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}
    assert [note["off"] for note in ledger.of_type("clock")] == [True, False]


def test_the_window_record_says_how_slots_lie(settings: RunSettings) -> None:
    clock = at(-5)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(90)

    (window,) = record(settings, clock, story).of_type("window_open")

    assert (window["open_ns"], window["close_ns"], window["interval_ns"]) == (*WINDOW, SECOND)
