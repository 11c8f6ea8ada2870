"""Time that does not pass as planned: frozen processes, clocks that are set or off, calendars that change."""

from tests.recorder.bench import Bench
from tests.recorder.fakes import FakeClock, make_calendar
from tests.recorder.minute import DAY, SBIN, SECOND, WINDOW, record, words

from harvester.config.settings import Settings


def test_a_frozen_process_accounts_for_the_slots_it_slept_through(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        await clock.advance(15.5)
        clock.freeze(20)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 41, "stall": 19}


def test_a_freeze_over_the_close_leaves_no_silent_slot(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        await clock.advance(45.5)
        clock.freeze(100)
        await clock.advance(10)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 41, "stall": 19}
    assert len(ledger.of_type("window_close")) == 1


def test_a_freeze_over_the_opening_is_noticed_after_it(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        clock.freeze(30)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"stall": 25, "data": 35}


def test_a_clock_set_forward_is_recorded_with_its_slots(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        await clock.advance(15.5)
        clock.step(20)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 40, "clock_step": 20}
    assert [round(step["delta_ns"] / SECOND) for step in ledger.of_type("clock_step")] == [20]


def test_a_clock_set_back_repeats_slots_and_loses_none(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        await clock.advance(25.5)
        clock.step(-10)
        await clock.advance(60)
        assert len([poll for poll in bench.client.polls if poll[0] == SBIN]) == 70

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}


def test_a_changed_calendar_is_followed_without_a_restart(settings: Settings, clock: FakeClock) -> None:
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


def test_a_broken_calendar_changes_nothing_but_is_shown(settings: Settings, clock: FakeClock) -> None:
    assert settings.calendar.file is not None
    path = settings.calendar.file

    async def story(bench: Bench) -> None:
        await clock.advance(30)
        path.write_text("{ broken")
        await clock.advance(60)
        assert "calendar.json" in bench.recorder.calendars.problem

    assert words(record(settings, clock, story)) == {"data": 60}


def test_a_clock_off_by_minutes_is_recorded_when_the_broker_shows_it(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        bench.client.clock_off_ns = 180 * SECOND
        await clock.advance(20)
        assert bench.watch.is_off
        bench.client.clock_off_ns = 0
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 60}
    assert [note["off"] for note in ledger.of_type("clock")] == [True, False]
