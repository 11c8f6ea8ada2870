"""The ledger of a streamed feed when the clock steps, record by record."""

import pytest
from tests.recorder.gap_records import closed
from tests.recorder.stream_ledgers import LOST, MUTE, WINDOW, live, of, opened, whole

from harvester.ledger.outage import Outage
from harvester.ledger.streams import NOT_YET, STEP


def test_a_step_forward_was_not_seen_by_who_is_live() -> None:
    ledger = of("AB")
    ledger.mark_live("A", 0, 900)
    ledger.open_window(WINDOW)
    assert ledger.step_clock(300, 1500) == [opened("run-2-2", "A", 1200, STEP), closed("run-2-2", 1500)]
    assert [gap.symbol for gap in ledger.open_gaps] == ["B"]
    assert ledger.mark_lost(0, 1400, LOST) == [opened("run-2-3", "A", 1500, LOST)]


def test_a_step_forward_of_one_nanosecond_is_one() -> None:
    assert live((0, 1100)).step_clock(1, 1500) == whole(2, 1499, 1500, STEP)


def test_what_ended_streams_brought_before_a_step_forward_counts_no_more() -> None:
    ledger = live((0, 1100), (1, 1150))
    ledger.mark_lost(0, 1600, LOST)
    ledger.step_clock(100, 1400)
    assert ledger.mark_lost(1, 1450, MUTE) == [opened("run-2-3", "A", 1450, MUTE)]


def test_a_step_back_begins_an_open_gap_again_with_its_cause() -> None:
    ledger = live((0, 1100))
    ledger.mark_lost(0, 1200, LOST)
    ledger.mark_cause("A", 1250, Outage(LOST.cause, "other words"))
    assert ledger.step_clock(-300, 1050) == [closed("run-2-2", 1350), opened("run-2-3", "A", 1050, LOST)]


def test_a_step_back_over_the_close_ends_the_gap_with_the_window() -> None:
    ledger = live((0, 1100))
    ledger.mark_lost(0, 1200, LOST)
    assert ledger.step_clock(-300, 1750) == [closed("run-2-2", 2000), opened("run-2-3", "A", 1750, LOST)]


def test_who_is_live_stays_so_in_the_moments_that_come_again() -> None:
    ledger = live((0, 1100))
    assert ledger.step_clock(-300, 1050) == []
    assert ledger.is_live("A")
    assert ledger.mark_lost(0, 1060, LOST) == [opened("run-2-2", "A", 1060, LOST)]


def test_a_small_step_back_leaves_what_was_before_it() -> None:
    ledger = live((0, 1100))
    assert ledger.step_clock(-1, 1300) == []
    assert ledger.mark_lost(0, 1050, LOST) == [opened("run-2-2", "A", 1100, LOST)]


@pytest.mark.parametrize(("wall_ns", "gap_ns"), [(1200, 1200), (1400, 1300)])
def test_what_ended_streams_brought_counts_up_to_a_step_back(wall_ns: int, gap_ns: int) -> None:
    ledger = live((0, 1100), (1, 1150))
    ledger.mark_lost(0, 1300, LOST)
    ledger.step_clock(-150, wall_ns)
    assert ledger.mark_lost(1, 1180, MUTE) == [opened("run-2-2", "A", gap_ns, MUTE)]


def test_after_a_step_back_a_window_that_was_left_is_counted_again_from_there() -> None:
    ledger = of()
    ledger.open_window(WINDOW)
    ledger.close_window(2000)
    assert ledger.step_clock(-50, 1950) == []
    assert ledger.step_clock(-1, 1980) == []
    assert ledger.open_window(WINDOW) == [opened("run-2-2", "A", 1950, NOT_YET)]


def test_each_symbol_of_several_has_its_records() -> None:
    ledger = of("ABC")
    ledger.mark_live("C", 0, 1200)
    names = ["run-2-1", "run-2-2", "run-2-3"]
    begun = [opened(name, symbol, 1000, NOT_YET) for name, symbol in zip(names, "ABC", strict=True)]
    assert ledger.open_window(WINDOW) == [*begun, closed("run-2-3", 1200)]
    assert ledger.step_clock(-10, 1300) == [
        closed("run-2-1", 1310),
        opened("run-2-4", "A", 1300, NOT_YET),
        closed("run-2-2", 1310),
        opened("run-2-5", "B", 1300, NOT_YET),
    ]
    assert ledger.mark_cause("AB", 1400, MUTE) == [
        closed("run-2-4", 1400),
        opened("run-2-6", "A", 1400, MUTE),
        closed("run-2-5", 1400),
        opened("run-2-7", "B", 1400, MUTE),
    ]
    ledger.mark_live("A", 1, 1500)
    assert ledger.step_clock(10, 1600) == [
        *(opened("run-2-8", "A", 1590, STEP), closed("run-2-8", 1600)),
        *(opened("run-2-9", "C", 1590, STEP), closed("run-2-9", 1600)),
    ]


def test_a_step_before_the_first_window_is_no_gap() -> None:
    ledger = of()
    ledger.mark_live("A", 0, 500)
    assert ledger.step_clock(100, 700) == []
