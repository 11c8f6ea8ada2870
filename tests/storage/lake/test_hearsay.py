"""What a run wrote down of the time before its own start counts only where nothing else is known."""

from typing import Any

import pytest

from harvester.journal.format import FYERS_HSM, FYERS_REST
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.events import Events, Run
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.day.records import Polling, WindowOpen
from harvester.lake.day.slots import build_grid
from harvester.lake.gaps.polls import PollGaps
from harvester.lake.gaps.streams import Reception, StreamGaps

S = "NSE:SBIN-EQ"
FIRST, SECOND = Run("1", 0, 100, {S}, "r", "b", True), Run("2", 200, 300, {S}, "r", "b", True)


def gap(run: Run, from_ns: int, to_ns: int, cause: str, **feed: Any) -> KnownGap:
    return KnownGap(f"{run.run_id}-{from_ns}", run.run_id, frozenset({S}), from_ns, cause, "", from_ns, to_ns, **feed)


@pytest.mark.parametrize("opened_at", [0, 99])
def test_frames_and_causes_of_an_earlier_run_outlast_the_gap_of_a_later_one(opened_at: int) -> None:
    connections = Connections()
    connection = connections.open(Connection(FYERS_HSM, 0, "1", 1, 5, frozenset({S}), last_ns=90))
    early = gap(FIRST, 40, 60, "disk_full", feed=FYERS_HSM)
    late = gap(SECOND, 0, 250, "not_running", feed=FYERS_HSM)
    late.opened_at = opened_at
    events = Events(runs=[FIRST, SECOND], gaps=KnownGaps([early, late]), connections=connections)

    coverage = StreamGaps(FYERS_HSM, [(0, 250)], events).account(S, Reception({connection.number: 10}))

    assert coverage.covered_ns == 60
    assert sorted((row.from_ns, row.to_ns, row.cause, row.source) for row in coverage.gaps) == [
        (0, 10, "not_running", "recorded"),
        (40, 60, "disk_full", "recorded"),
        (90, 250, "not_running", "recorded"),
    ]


def test_of_its_own_time_the_gap_opened_last_holds() -> None:
    gaps = [gap(FIRST, 0, 60, "mute", feed=FYERS_HSM), gap(FIRST, 40, 60, "disk_full", feed=FYERS_HSM)]
    coverage = StreamGaps(FYERS_HSM, [(0, 60)], Events(runs=[FIRST], gaps=KnownGaps(gaps))).account(S, Reception())
    assert [(row.from_ns, row.to_ns, row.cause) for row in coverage.gaps] == [(0, 40, "mute"), (40, 60, "disk_full")]


def test_a_slot_keeps_the_cause_that_its_own_run_wrote_down() -> None:
    late = gap(SECOND, 0, 240, "not_running", feed=FYERS_REST)
    late.opened_at = 999
    own = gap(SECOND, 200, 220, "timeout", feed=FYERS_REST)
    events = Events(runs=[FIRST, SECOND], gaps=KnownGaps([gap(FIRST, 20, 60, "no_token", feed=FYERS_REST), own, late]))

    rows = PollGaps(build_grid([], [(0, 260)], 20), events, 1).rows(S, {0, 240}, {})

    assert [(row.from_ns, row.to_ns, row.cause) for row in rows] == [(20, 60, "no_token"), (60, 240, "not_running")]


def test_a_run_is_there_from_the_slot_at_its_very_start_on() -> None:
    late = gap(SECOND, 180, 240, "timeout", feed=FYERS_REST)
    late.opened_at = 999
    events = Events(runs=[FIRST, SECOND], gaps=KnownGaps([gap(FIRST, 180, 220, "no_token", feed=FYERS_REST), late]))

    rows = PollGaps(build_grid([], [(180, 240)], 20), events, 1).rows(S, set(), {})

    assert [(row.from_ns, row.to_ns, row.cause) for row in rows] == [(180, 200, "no_token"), (200, 240, "timeout")]


def test_polls_of_a_fallback_are_due_in_each_window_that_has_no_others() -> None:
    windows = [WindowOpen(0, 0, 40, 20), WindowOpen(100, 100, 140, None), WindowOpen(200, 200, 220, None)]
    assert build_grid(windows, [], None, [Polling(10, 210, 15)]).slots == (0, 20, 100, 115, 130, 205)


def test_stretches_come_in_the_order_of_time_whether_the_calendar_or_a_record_tells_of_them() -> None:
    stretches = build_grid([WindowOpen(100, 100, 140, 20)], [(0, 40), (200, 240)], 10).stretches
    assert [(each.from_ns, each.to_ns) for each in stretches] == [(0, 40), (100, 140), (200, 240)]


def test_a_window_within_another_leaves_what_comes_after_it() -> None:
    windows = [WindowOpen(0, 0, 100, 20), WindowOpen(30, 30, 60, 10)]
    assert build_grid(windows, [], None).slots == (0, 20, 30, 40, 50, 60, 80)
