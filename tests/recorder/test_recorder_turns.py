"""What a recorder does turn by turn: when it connects, what counts as trading, when it tries a broken journal again."""

import asyncio
import os
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs
from tests.recorder.bench import Bench, hand_over, running
from tests.recorder.fakes import FakeClock, make_calendar, make_settings
from tests.recorder.minute import DAY, OPEN_NS, SBIN, SECOND, at, lasting, record, words
from tests.recorder.test_windows import Socket

from harvester.base.monitors import ClockMonitor, DiskMonitor
from harvester.base.systemd import Notifier
from harvester.capture.feed import Turn
from harvester.capture.history import DayHistory, ReplayedFeed
from harvester.capture.session_accounting import write_checkpoint
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM, FYERS_REST, Poll, RunInfo, day_directory, encode_poll
from harvester.journal.writer import JournalWriter
from harvester.ledger.outage import Outage

BOTH = {"pre_open": [["09:59:30", "10:00:00"]], "continuous": [["10:00:00", "10:01:00"]]}


class Watcher(Socket):
    """Keeps the turns that it is given, by seconds from the open."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[tuple[float, Turn]] = []
        self.stuck = False

    def follow(self, turn: Turn) -> None:
        self.turns.append(((turn.wall_ns - OPEN_NS) / SECOND, turn))

    @property
    def is_stuck(self) -> bool:
        return self.stuck


def test_connections_are_wanted_from_a_while_before_the_window_to_its_end(tmp_path: Path) -> None:
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    settings = make_settings(tmp_path, calendar={"file": str(file)}, connect_before_seconds=30)
    clock, watcher = at(-60), Watcher()
    hand_over(settings, clock)

    record(settings, clock, lasting(130), None, watcher)

    near = [seconds for seconds, turn in watcher.turns if turn.is_near]
    far = [seconds for seconds, turn in watcher.turns if not turn.is_near]
    assert -30 <= min(near) <= -29 and 59 <= max(near) <= 60.5
    assert not [seconds for seconds in far if -29 < seconds < 59.9], "without a break"
    assert max(far) > 65


def test_only_continuous_trading_in_a_window_makes_a_silence_worth_asking_about(tmp_path: Path) -> None:
    file = make_calendar(tmp_path / "calendar.json", DAY, BOTH)
    settings = make_settings(tmp_path, calendar={"file": str(file), "phases": ["pre_open", "continuous"]})
    clock = at(-40)
    hand_over(settings, clock)
    began_ns = clock.mono_ns()

    async def story(bench: Bench) -> None:
        for seconds in (5, 25):
            await clock.advance(seconds)
            assert bench.trading.since_ns == {}, "before the window, and in the auction"
        assert bench.recorder.window
        await clock.advance(12)
        since = bench.trading.since_ns
        assert list(since) == ["nse_cash"] and 40 <= (since["nse_cash"] - began_ns) / SECOND <= 41
        await clock.advance(30)
        assert bench.trading.since_ns == since
        await clock.advance(35)
        assert bench.trading.since_ns == {}

    record(settings, clock, story)


def test_trading_that_is_not_recorded_is_none(tmp_path: Path) -> None:
    file = make_calendar(tmp_path / "calendar.json", DAY, BOTH)
    settings = make_settings(tmp_path, calendar={"file": str(file), "phases": ["pre_open"]})
    clock = at(5)

    async def story(bench: Bench) -> None:
        await clock.advance(5)
        assert (bench.recorder.window, bench.trading.since_ns) == (None, {})

    record(settings, clock, story)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_broken_journal_is_tried_again_each_five_seconds_once_there_is_room(
    settings: Settings, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    tries: list[float] = []

    async def story() -> None:
        async with running(settings, clock) as bench:
            await clock.advance(10)
            began = clock.mono_ns()
            monkeypatch.setattr(DiskMonitor, "check", lambda self: False)
            monkeypatch.setattr(bench.sink, "reopen", lambda: tries.append((clock.mono_ns() - began) / SECOND))
            bench.recorder.disk.is_full, bench.sink.failure = is_full, "no space"
            await clock.advance(17)
            bench.sink.failure = None

    asyncio.run(story())

    assert len(tries) == (0 if is_full else 4)
    assert all(later - earlier >= 5 for earlier, later in pairwise(tries))


def test_systemd_hears_nothing_while_a_feed_is_stuck(
    settings: Settings, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(Notifier, "alive", lambda self, status: heard.append(status))
    watcher = Watcher()

    async def story(bench: Bench) -> None:
        await clock.advance(3)
        assert heard
        watcher.stuck = True
        await clock.advance(1)
        heard.clear()
        await clock.advance(20)
        assert heard == []
        watcher.stuck = False
        await clock.advance(2)
        assert "2 symbols" in heard[-1]

    record(settings, clock, story, None, watcher)


def test_a_token_is_proven_before_the_window_and_a_new_one_outside_of_it(settings: Settings) -> None:
    clock = at(-1500)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        assert bench.client.proofs == 1, "it is new"
        await clock.advance(890)
        assert bench.client.proofs == 1
        await clock.advance(20)
        assert bench.client.proofs == 2, "ten minutes ahead"
        await clock.advance(600)
        hand_over(settings, clock, "file:00000002")
        await clock.advance(5)
        assert bench.client.proofs == 2, "in the window the polls prove it"

    record(settings, clock, story)


def test_what_is_accounted_for_is_accounted_for_once_however_often_the_recorder_starts(settings: Settings) -> None:
    clock = at(-5)
    hand_over(settings, clock)
    record(settings, clock, lasting(70))

    for _ in range(3):
        ledger = record(settings, clock, lasting(5))

    assert words(ledger) == {"data": 60}
    assert [gap for gap in ledger.gaps.values() if gap["to_ns"] != gap["from_ns"]] == []
    assert len(ledger.of_type("window_close")) == 1
    states = ledger.of_type("state")
    assert all([OPEN_NS, OPEN_NS + 60 * SECOND] in state["settled"] for state in states[1:])


def test_a_window_that_nobody_recorded_is_one_gap_however_often_the_recorder_starts(settings: Settings) -> None:
    clock = at(80)
    hand_over(settings, clock)

    for _ in range(3):
        ledger = record(settings, clock, lasting(5))

    assert words(ledger) == {"not_started": 60}
    assert len([gap for gap in ledger.gaps.values() if gap["symbols"] == [SBIN]]) == 1


class Kept:
    """A sink that keeps what a checkpoint holds."""

    failure = None

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.lost = type("Lost", (), {"checkpoint": lambda self: {"lost": 1}})()

    def has_new_segment(self) -> bool:
        return True

    def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)


class Stated:
    def __init__(self, number: int, state: dict[str, Any]) -> None:
        self.number, self.state = number, state

    def checkpoint(self) -> dict[str, Any]:
        return dict(self.state)


def test_a_checkpoint_holds_what_this_run_knows_and_beside_it_what_earlier_ones_left() -> None:
    sink: Any = Kept()
    feeds: list[Any] = [Stated(FYERS_REST, {"open": [], "accounted": {"S": 9}})]
    past = {
        FYERS_REST: ReplayedFeed(accounted={"S": 5, "GONE": 3}),
        FYERS_HSM: ReplayedFeed(accounted={"S": 4}, topics={"S": ["sf|1"]}),
    }

    write_checkpoint(sink, feeds, [], past, 7)

    [state] = sink.records
    assert (state["accounted"], state["interval_ns"], state["lost"]) == ({"S": 9, "GONE": 3}, 7, 1)
    assert state["feeds"] == {str(FYERS_HSM): {"open": [], "topics": {"S": ["sf|1"]}, "accounted": {"S": 4}}}


def test_a_checkpoint_names_the_settled_windows_of_each_segment() -> None:
    """Those of NSE cash where they have always been, so that an earlier release reads them."""
    sink: Any = Kept()
    feeds: list[Any] = [Stated(FYERS_REST, {"open": []})]
    cash, gold = Mock(segment="nse_cash", settled=[(1, 2)]), Mock(segment="mcx", settled=[(1, 2), (3, 4)])

    for sessions in ([cash], [gold, cash]):
        write_checkpoint(sink, feeds, sessions, {}, 7)

    assert [(each["settled"], each.get("settled_segments")) for each in sink.records] == [
        ([(1, 2)], None),
        ([(1, 2)], {"mcx": [(1, 2), (3, 4)]}),
    ]


def test_work_beside_the_loop_that_fails_is_told_and_the_recorder_goes_on(settings: Settings, clock: FakeClock) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def story(bench: Bench) -> None:
        bench.recorder.run_background(fail())
        await clock.advance(70)

    with capture_logs() as said:
        ledger = record(settings, clock, story)

    assert [type(line["exc_info"]) for line in said if line["event"] == "background_work_failed"] == [ZeroDivisionError]
    assert words(ledger) == {"data": 60}


@pytest.mark.parametrize("seconds", [-50, 50])
def test_of_a_day_whose_clock_was_set_back_all_segments_count(tmp_path: Path, seconds: int) -> None:
    """The segment that sorts last may have been written first, with a checkpoint that knows nothing of the others."""
    clock = FakeClock(OPEN_NS)
    state = {"type": "state", "accounted": {}, "open": [], "settled": [], "feeds": {}}

    def write(*records: dict[str, Any] | Poll) -> None:
        writer = JournalWriter(tmp_path, clock=clock, run=RunInfo("h", "r", "0", {0: "S"}))
        for each in records:
            if isinstance(each, Poll):
                writer.append(FYERS_REST, 0, encode_poll(each), wall_ns=clock.wall_ns(), mono_ns=0)
            else:
                writer.append_control(each)
        writer.close()

    write(state)
    clock.step(seconds)
    write(Poll(OPEN_NS + 5, OPEN_NS + 5, 200, b"{}"))
    day = day_directory(tmp_path, DAY)
    for age, path in enumerate(sorted(day.iterdir(), reverse=seconds < 0)):
        os.utime(path, ns=(OPEN_NS + age, OPEN_NS + age))

    history = DayHistory(7)
    history.read(day)

    assert history.feed(FYERS_REST).accounted == {"S": OPEN_NS + 12}


@pytest.mark.parametrize(
    ("ahead_ms", "offset_ms", "is_off"),
    [(0, -500, False), (700, 200, False), (10_500, 10_000, False), (10_501, 10_001, True), (-9_500, -10_000, False),
     (-9_501, -10_001, True), (-300_000, -300_500, True)],
)  # fmt: skip
def test_the_offset_is_against_the_middle_of_the_second_that_the_broker_names(
    ahead_ms: int, offset_ms: int, is_off: bool
) -> None:
    watch = ClockMonitor()
    for _ in range(2):
        watch.compare(OPEN_NS, OPEN_NS + ahead_ms * 1_000_000)

    assert (watch.offset_ns, watch.is_off) == (offset_ms * 1_000_000, is_off)


def test_an_offset_that_is_believed_is_followed_and_forgotten_with_a_step() -> None:
    watch = ClockMonitor()
    for seconds in (60, 60, 70):
        watch.compare(OPEN_NS, OPEN_NS + seconds * SECOND)
    assert watch.offset_ns == 69_500_000_000
    watch.compare(None, OPEN_NS)
    assert watch.is_off, "an answer without a date says nothing"

    watch.check(OPEN_NS, 0)
    assert watch.check(OPEN_NS + SECOND + 50_000_000, SECOND) == 0
    assert watch.check(OPEN_NS + 2 * SECOND + 100_000_001, 2 * SECOND) == 50_000_001
    assert (watch.offset_ns, watch.is_off, watch.steps) == (None, False, 1)


def test_a_hold_is_told_to_the_feeds_with_its_figures(
    settings: Settings, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()

    async def story() -> None:
        async with running(settings, clock, None, [watcher]) as bench:
            await clock.advance(10)
            monkeypatch.setattr(DiskMonitor, "check", lambda self: False)
            bench.recorder.disk.is_full, bench.recorder.disk.free_bytes = True, 77
            await clock.advance(3)
            bench.sink.failure = "no space"
            await clock.advance(1)
            bench.sink.failure, bench.recorder.disk.is_full = None, False
            await clock.advance(2)

    asyncio.run(story())

    holds = list(dict.fromkeys(turn.hold for _, turn in watcher.turns))
    reserve = settings.disk_reserve_bytes
    full = Outage("disk_full", f"77 bytes free, reserve {reserve}")
    assert holds == [None, full, Outage("disk_full", "no space")]
    assert watcher.turns[-1][1].hold is None
