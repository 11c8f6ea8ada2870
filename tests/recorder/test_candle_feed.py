"""The feed of the broker's own candles in a running recorder: rounds, pace, restarts, and what is said of failures."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.bench import GOOD, Behaviour, Bench, JournalView, Script, hand_over, running
from tests.recorder.fakes import SYMBOLS, FakeClock, make_calendar, make_settings
from tests.recorder.minute import DAY

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.base.monitors import DiskMonitor
from harvester.brokers.access import USED_UP
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health.candles import check_candles
from harvester.journal.format import DATA, FYERS_HISTORY, day_directory, decode_candles
from harvester.journal.reader import read_segment
from harvester.journal.segment import SEALED
from harvester.lake.close import close_day, expect_day
from harvester.lake.layout import Partition
from harvester.lake.prune import delete_segments, judge_segments

OPEN_NS = midnight_ns(DAY) + 10 * 3600 * NS_PER_SECOND
MINUTE = 60 * NS_PER_SECOND
ASK_AFTER = 5 * NS_PER_SECOND
FAILED = Behaviour(cause="timeout")
REFUSED = Behaviour(cause="bad_response", status=400)
Story = Callable[[Bench], Awaitable[None]]


def settings_of(tmp_path: Path, **changes: Any) -> Settings:
    """Candles of a minute in a session of 10:00 to 10:04, settled at 10:05."""
    calendar = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00", "10:04"]]})
    candles = {"resolution": 1, "every_seconds": 60, "final_after_seconds": 60}
    given: dict[str, Any] = {
        "feeds": ["fyers-history"],
        "calendar": {"file": str(calendar)},
        "candles": candles | changes.pop("candles", {}),
    }
    return make_settings(tmp_path, **(given | changes))


def record(settings: Settings, clock: FakeClock, story: Story, script: Script | None = None) -> Bench:
    """A recorder that lives through a story and stops."""

    async def play() -> Bench:
        async with running(settings, clock, candle_script=script) as bench:
            await story(bench)
            if not bench.task.done():
                await bench.stop()
        return bench

    return asyncio.run(play())


def for_minutes(minutes: float) -> Story:
    async def story(bench: Bench) -> None:
        await bench.clock.advance(minutes * 60)

    return story


def early() -> FakeClock:
    return FakeClock(OPEN_NS - 30 * NS_PER_SECOND)


def rounds(bench: Bench, symbol: str = SYMBOLS[0]) -> list[float]:
    """When the symbol was asked for, in minutes after the opening."""
    return [(due_ns - OPEN_NS) / MINUTE for name, due_ns, _ in bench.candles.asked if name == symbol]


def bars_of(minutes: int) -> list[float]:
    return [end + ASK_AFTER / MINUTE for end in range(1, minutes + 1)]


def test_each_bar_is_asked_for_after_its_end_and_the_day_once_more_when_it_settles(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    bench = record(settings, clock, for_minutes(8))

    for symbol in SYMBOLS:
        assert rounds(bench, symbol) == [*bars_of(4), 5]
    settled = JournalView(settings.journal_dir).of_type("settled")
    assert sorted(name for record in settled for name in record["symbols"]) == sorted(SYMBOLS)


def test_answers_are_journalled_raw_with_the_number_of_their_symbol(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, candles={"symbols": ["NSE:NIFTY50-INDEX", SYMBOLS[1]]})
    hand_over(settings, clock := early())
    record(settings, clock, for_minutes(2.9))

    found, names = [], {}
    for path in sorted(settings.journal_dir.glob("*/*.seg")):
        for one in read_segment(path):
            if one.kind == DATA:
                poll = decode_candles(one.payload)
                assert poll and one.feed == FYERS_HISTORY
                found.append((one.stream, poll.status, poll.bar_seconds, poll.body))
    names = JournalView(settings.journal_dir).of_type("segment")[0]["candles"]
    assert names == {"0": "NSE:NIFTY50-INDEX", "1": SYMBOLS[1]}
    assert found == [(number, 200, 60, b'{"s":"no_data","candles":[]}') for number in (0, 1)] * 2


def test_a_failed_round_is_healed_by_the_next_and_noted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    failing = {OPEN_NS + 2 * MINUTE + ASK_AFTER}
    bench = record(settings, clock, for_minutes(4), lambda _, due_ns: FAILED if due_ns in failing else GOOD)

    noted = JournalView(settings.journal_dir).of_type("unanswered")
    assert [record["cause"] for record in noted] == ["timeout"] * 2
    assert rounds(bench) == bars_of(3)


def test_a_day_that_does_not_settle_is_asked_again_until_it_does(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    last_ns = OPEN_NS + 8 * MINUTE
    bench = record(settings, clock, for_minutes(10.5), lambda _, due_ns: GOOD if due_ns >= last_ns else REFUSED)

    assert rounds(bench)[-4:] == [5, 6, 7, 8]


@pytest.mark.parametrize("feed", ["fyers-rest", "fyers-history"])
def test_a_symbols_counters_keep_the_last_status_and_say_the_last_error_until_data_comes(
    tmp_path: Path, feed: str
) -> None:
    settings = settings_of(tmp_path, feeds=[feed], poll={"interval_seconds": 60})
    hand_over(settings, clock := early())
    told = [REFUSED, FAILED, GOOD, FAILED]
    first_ns = OPEN_NS + (MINUTE + ASK_AFTER if feed == "fyers-history" else 0)
    found = []

    def script(_: str, due_ns: int) -> Behaviour:
        return told[(due_ns - first_ns) // MINUTE % len(told)]

    async def play() -> None:
        async with running(settings, clock, script=script, candle_script=script) as bench:
            counting = bench.candle_feed or bench.recorder.feeds[0]
            await clock.advance((first_ns - clock.wall_ns()) / NS_PER_SECOND + 10)
            for _ in told:
                counters = counting.count(SYMBOLS[0])
                found.append((counters.updates, counters.last_http, counters.last_error.partition(":")[0]))
                await clock.advance(60)

    asyncio.run(play())

    assert found == [(0, 400, "bad_response"), (0, 400, "timeout"), (1, 200, ""), (1, 200, "timeout")]


def test_requests_are_spaced_and_none_is_sent_twice(tmp_path: Path) -> None:
    names = [f"NSE:S{number}-EQ" for number in range(20)]
    settings = settings_of(tmp_path, symbols=names)
    hand_over(settings, clock := early())
    bench = record(settings, clock, for_minutes(2.9))

    assert [name for name, *_ in bench.candles.asked] == names * 2
    sent = [sent_ns for *_, sent_ns in bench.candles.asked[:20]]
    gaps = [later - before for before, later in pairwise(sent)]
    assert min(gaps) >= settings.candle_spacing_ns() >= 300_000_000 and sent[-1] - sent[0] < MINUTE


def test_an_answer_brings_what_had_ended_when_it_was_asked_for_and_meanwhile_nothing_is_asked_twice(
    tmp_path: Path,
) -> None:
    """Asked for at 10:04, before the day settles at 10:05, and answered after: the day is asked for once more."""
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    slow_ns = OPEN_NS + 4 * MINUTE + ASK_AFTER
    bench = record(settings, clock, for_minutes(8), lambda _, due: Behaviour(seconds=80) if due == slow_ns else GOOD)

    for symbol in SYMBOLS:
        assert rounds(bench, symbol) == [*bars_of(4), 6]


def test_the_polls_go_first_where_the_limits_are_used_up(tmp_path: Path) -> None:
    broker = {"app_id": "ABCDE12345-100", "requests_per_minute": 160}
    settings = settings_of(tmp_path, feeds=["fyers-rest", "fyers-history"], broker=broker)
    hand_over(settings, clock := early())
    bench = record(settings, clock, for_minutes(6.7))

    assert rounds(bench) == [*bars_of(4), 5]
    assert not JournalView(settings.journal_dir).of_type("gap_open")


def test_a_start_in_the_middle_asks_at_once_and_heals_what_came_before(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    clock = FakeClock(OPEN_NS + 2 * MINUTE + 20 * NS_PER_SECOND)
    hand_over(settings, clock)
    bench = record(settings, clock, for_minutes(5))

    assert rounds(bench) == [*bars_of(4)[1:], 5]


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_start_after_the_day_has_settled_asks_nothing(tmp_path: Path, how: str) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())

    async def story(bench: Bench) -> None:
        await bench.clock.advance(7 * 60)
        if how == "killed":
            await bench.kill()

    record(settings, clock, story)
    assert record(settings, clock, for_minutes(4)).candles.asked == []


def test_a_day_that_has_settled_can_be_closed_at_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, journal={"segment_seconds": 3600})
    hand_over(settings, clock := early())
    found: list[tuple[str, bool]] = []

    async def story(bench: Bench) -> None:
        await bench.clock.advance(7 * 60)
        assert bench.sink.writer
        bench.sink.writer.sync()
        day = day_directory(settings.journal_dir, DAY)
        found.extend((path.suffix, has_data(path)) for path in sorted(day.iterdir()))

    record(settings, clock, story)

    assert {suffix for suffix, holds_data in found if holds_data} == {SEALED}


def has_data(path: Path) -> bool:
    return any(record.kind == DATA for record in read_segment(path))


def test_a_start_after_the_day_was_closed_and_pruned_asks_nothing(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, feeds=["fyers-rest", "fyers-history"], journal={"segment_seconds": 60})
    hand_over(settings, clock := early())
    record(settings, clock, for_minutes(7))
    lake, partition = settings.lake_dir, Partition(DAY, settings.host_id)
    expected = expect_day(settings, TradingCalendar.load(settings.calendar.file), DAY)
    close_day(
        journal=settings.journal_dir, lake=lake, partition=partition, expectation=expected, now_ns=clock.wall_ns()
    )
    before = sorted(settings.journal_dir.glob("*/*.seg"))
    delete_segments(judge_segments(settings.journal_dir, settings.lake_dir, DAY))
    assert len(list(settings.journal_dir.glob("*/*.seg"))) < len(before)

    later = record(settings, clock, for_minutes(4))

    assert later.candles.asked == []
    assert JournalView(settings.journal_dir).of_type("gap_open") == []


def test_a_start_after_the_session_settles_the_day_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    record(settings, clock, for_minutes(5))
    assert rounds(record(settings, clock, for_minutes(4)))[-1:] == [5]
    assert len(JournalView(settings.journal_dir).of_type("settled")) == len(SYMBOLS)


def test_without_a_token_the_round_ends_with_one_note(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    bench = record(settings, early(), for_minutes(2.9))

    assert bench.candles.asked == []
    noted = JournalView(settings.journal_dir).of_type("unanswered")
    assert [(record["cause"], record["symbols"]) for record in noted] == [("no_token", [*SYMBOLS])] * 2


def fill(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DiskMonitor, "check", lambda self: False)
    bench.recorder.disk.is_full, bench.recorder.disk.free_bytes = True, 77


SPOILED: dict[str, tuple[int, str, str, Callable[[Bench, pytest.MonkeyPatch], None]]] = {
    "hold": (0, "disk_full", f"77 bytes free, reserve {1 << 20}", fill),
    "refused record": (1, "disk_full", "the journal refused the record",
                       lambda bench, patch: patch.setattr(bench.sink, "append", lambda *_: False)),
    "defect": (1, "unknown", "TypeError in the feed",
               lambda bench, patch: patch.setattr(bench.candles, "script", lambda: GOOD)),
}  # fmt: skip
"""What goes wrong in a round: how many requests go out, cause and detail, and how."""


@pytest.mark.parametrize("what", SPOILED)
def test_what_a_round_misses_is_noted_by_symbol_and_the_next_round_asks_again(tmp_path: Path, what: str) -> None:
    asked, cause, detail, spoil = SPOILED[what]
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())

    async def story(bench: Bench) -> None:
        assert bench.candle_feed
        with pytest.MonkeyPatch.context() as patch:
            spoil(bench, patch)
            await clock.advance(119)
            counters = bench.candle_feed.count(SYMBOLS[0])
            assert (len(rounds(bench)), counters.updates, counters.last_error) == (asked, 0, f"{cause}: {detail}")
        bench.recorder.disk.is_full = False
        await clock.advance(60)
        assert (counters.updates, counters.last_error) == (1, "")

    record(settings, clock, story)

    noted = JournalView(settings.journal_dir).of_type("unanswered")
    assert {(each["feed"], each["cause"], each["detail"]) for each in noted} == {(FYERS_HISTORY, cause, detail)}
    assert sorted(name for each in noted for name in each["symbols"]) == sorted(SYMBOLS)


def test_a_round_waits_while_the_polls_have_used_up_the_limits(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())

    async def story(bench: Bench) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench.access, "check_request", lambda *_: USED_UP)
            await clock.advance(119)
        assert bench.candles.asked == []
        await clock.advance(5)
        assert rounds(bench) == bars_of(1)

    record(settings, clock, story)

    assert JournalView(settings.journal_dir).of_type("unanswered") == []


def test_health_names_what_is_overdue_after_two_rounds_and_no_sooner(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    told: list[tuple[bool, str]] = []

    async def story(bench: Bench) -> None:
        for _ in range(5):
            await bench.clock.advance(60)
            assert bench.candle_feed
            (check,) = check_candles({"candles": bench.candle_feed.describe()})
            told.append((check.ok, check.detail))

    record(settings, clock, story, lambda symbol, _: FAILED if symbol == SYMBOLS[1] else GOOD)
    assert [ok for ok, _ in told] == [True, True, True, False, False]
    assert told[2][1] == "2 of 8 bars of today answered"
    assert told[4][1] == f"bars of 1 symbols ({SYMBOLS[1]}) are overdue; timeout: as the script says"


def test_a_stop_leaves_no_request_behind(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    hand_over(settings, clock := early())
    bench = record(settings, clock, for_minutes(1.8), lambda *_: Behaviour(seconds=50))

    assert bench.candle_feed and not bench.candle_feed.is_stuck
    assert not JournalView(settings.journal_dir).of_type("settled")
