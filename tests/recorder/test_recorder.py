"""The recorder in fake time: whatever happens, every slot has its data or lies in exactly one gap."""

from pathlib import Path

import pytest
from tests.recorder.bench import GOOD, Behaviour, Bench, hand_over
from tests.recorder.fakes import SYMBOLS, FakeClock, make_calendar, make_settings
from tests.recorder.minute import DAY, INFY, OPEN_NS, SBIN, SECOND, WINDOW, at, lasting, record, words

from harvester.config.settings import Settings


def test_a_whole_session_is_recorded_slot_by_slot(settings: Settings) -> None:
    clock = at(-30)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(120)
        assert {slot - sent for _, slot, sent, _ in bench.client.polls} == {0}, "no poll early or late, no drift"

    ledger = record(settings, clock, story)

    assert words(ledger, SBIN) == words(ledger, INFY) == {"data": 60}
    assert [control["type"] for control in ledger.controls if control["type"].startswith("window")] == [
        "window_open",
        "window_close",
    ]


def test_nothing_is_polled_outside_the_window(settings: Settings) -> None:
    clock = at(-900)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(899)
        assert bench.client.polls == []
        assert bench.client.proofs == 2, "the token is proven on arrival and again before the open"
        await clock.advance(900)
        assert len(bench.client.polls) == 120

    record(settings, clock, story)


@pytest.mark.parametrize("cause", ["timeout", "disconnect", "server_error", "bad_response"])
def test_a_failing_stretch_is_one_gap_with_its_cause(settings: Settings, clock: FakeClock, cause: str) -> None:
    bad = range(OPEN_NS + 10 * SECOND, OPEN_NS + 20 * SECOND)

    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause=cause, status=500) if symbol == SBIN and slot_ns in bad else GOOD  # type: ignore[arg-type]

    ledger = record(settings, clock, lasting(90), script)

    assert words(ledger, SBIN) == {"data": 50, cause: 10}
    assert words(ledger, INFY) == {"data": 60}
    assert len(ledger.gaps) == 1


def test_a_change_of_cause_begins_a_new_gap(settings: Settings, clock: FakeClock) -> None:
    def script(symbol: str, slot_ns: int) -> Behaviour:
        second = (slot_ns - OPEN_NS) // SECOND
        return (
            Behaviour(cause="disconnect") if second in (5, 6) else Behaviour(cause="timeout") if second == 7 else GOOD
        )

    ledger = record(settings, clock, lasting(90), script)

    assert words(ledger) == {"data": 57, "disconnect": 2, "timeout": 1}


def test_without_a_token_nothing_is_sent_and_the_gap_says_so(settings: Settings) -> None:
    clock = at(-5)

    async def story(bench: Bench) -> None:
        await clock.advance(34.5)
        assert bench.client.polls == []
        hand_over(settings, clock)
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"no_token": 30, "data": 30}


def test_a_refused_token_is_tried_once_a_minute_and_a_new_one_at_once(settings: Settings) -> None:
    clock = at(-5)
    dead = hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        bench.client.script = lambda symbol, slot: (
            Behaviour(cause="token_refused", status=401) if bench.client.polls[-1][3] == dead else GOOD
        )
        await clock.advance(45.5)
        assert len([poll for poll in bench.client.polls if poll[3] == dead]) <= 2, (
            "one for each symbol of the first slot"
        )
        living = hand_over(settings, clock, version="file:00000002")
        await clock.advance(1)
        assert bench.client.polls[-1][3] == living
        await clock.advance(60)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"token_refused": 41, "data": 19}
    assert [token["version"] for token in ledger.of_type("token")] == ["file:00000001", "file:00000002"]


def test_rate_limiting_pauses_all_symbols(settings: Settings, clock: FakeClock) -> None:
    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(cause="rate_limited", status=429) if slot_ns == OPEN_NS + 10 * SECOND else GOOD

    ledger = record(settings, clock, lasting(90), script)

    assert set(words(ledger)) == {"data", "rate_limited"}
    assert 3 <= words(ledger)["rate_limited"] <= 8, "about five seconds of backoff"
    assert words(ledger, INFY)["rate_limited"] == words(ledger, SBIN)["rate_limited"]


def test_polls_never_pile_up(settings: Settings, clock: FakeClock) -> None:
    def script(symbol: str, slot_ns: int) -> Behaviour:
        return Behaviour(seconds=1000) if slot_ns < OPEN_NS + 20 * SECOND else GOOD

    async def story(bench: Bench) -> None:
        await clock.advance(90)
        assert bench.client.most_in_flight <= 2 * len(SYMBOLS)

    ledger = record(settings, clock, story, script)

    assert words(ledger) == {"timeout": 20, "data": 40}


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
        starts = sorted(sent for _, _, sent, _ in bench.client.polls)
        busiest = max(sum(1 for other in starts if start <= other <= start + SECOND) for start in starts)
        assert busiest <= 10

    ledger = record(settings, clock, story)

    assert all(ledger.table(symbol, WINDOW, 5 * SECOND) == ["data"] * 12 for symbol in symbols)


def test_the_service_survives_a_feed_that_raises(settings: Settings, clock: FakeClock) -> None:
    def script(symbol: str, slot_ns: int) -> Behaviour:
        if slot_ns == OPEN_NS + 5 * SECOND:
            raise RuntimeError("a bug in a feed")
        return GOOD

    assert words(record(settings, clock, lasting(90), script)) == {"data": 59, "unknown": 1}


def test_the_window_record_says_how_slots_lie(settings: Settings, clock: FakeClock) -> None:
    (window,) = record(settings, clock, lasting(90)).of_type("window_open")

    assert (window["open_ns"], window["close_ns"], window["interval_ns"]) == (*WINDOW, SECOND)
