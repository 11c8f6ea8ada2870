"""The ledger of polls, record by record."""

import pytest
from tests.recorder.gap_records import PAIRS, closed, opened

from harvester.ledger.gaps import FeedHistory, Gap, close_record
from harvester.ledger.outage import STALL, Outage
from harvester.ledger.polls import EARLY_NS, PollLedger, next_slot

INTERVAL = 10
WINDOW = (100, 155)
"""Its slots are 100 to 150."""
TIMEOUT = Outage("timeout", "no answer in 5 s")
REFUSED = Outage("server_error", "HTTP 503")
SECOND = 1_000_000_000


def of(symbols: str = "S", interval_ns: int = INTERVAL, *, always: bool = True) -> PollLedger:
    return PollLedger("run", symbols, interval_ns, always=always)


def in_window(symbols: str = "S", *, always: bool = True) -> PollLedger:
    ledger = of(symbols, always=always)
    assert ledger.open_window(WINDOW) == []
    return ledger


@pytest.mark.parametrize(
    ("wall_ns", "slot"),
    [(-50, 100), (99, 100), (100, 100), (101, 110), (110, 110), (141, 150), (150, 150), (151, None), (999, None)],
)
def test_the_next_slot_is_on_the_grid_of_the_window_and_before_its_close(wall_ns: int, slot: int | None) -> None:
    assert next_slot(WINDOW, INTERVAL, wall_ns) == slot


def test_the_moment_of_the_close_is_no_slot() -> None:
    assert next_slot((100, 150), INTERVAL, 141) is None
    assert next_slot((100, 151), INTERVAL, 141) == 150


def test_a_gap_never_ends_before_it_began() -> None:
    gap = Gap("g", "S", 100, "timeout", "")
    assert [close_record(gap, to_ns) for to_ns in (-5, 100, 101)] == [closed("g", max(100, to)) for to in (0, 0, 101)]


def test_what_is_accounted_for_never_shrinks() -> None:
    history = FeedHistory()
    for symbol, until_ns in [("A", 5), ("A", 3), ("B", -5), ("C", 1), ("C", 2)]:
        history.account(symbol, until_ns)
    assert history.accounted == {"A": 5, "B": 0, "C": 2}


def test_a_new_ledger_hands_out_nothing() -> None:
    ledger = of("AB")
    assert (ledger.window, ledger.next_ns, ledger.is_polling, ledger.open_gaps) == (None, None, False, [])
    assert ledger.checkpoint() == {"accounted": {"A": 0, "B": 0}, "open": []}
    assert ledger.take_due(10**18) == ((), None)
    state = ledger.states["A"]
    assert (state.slots, state.outage, state.latest_ns) == (0, None, None)


def test_an_open_window_begins_with_its_first_slot_and_a_closed_one_has_none() -> None:
    ledger = in_window()
    assert (ledger.window, ledger.next_ns, ledger.is_polling) == (WINDOW, 100, True)
    assert ledger.close_window(155) == []
    assert (ledger.window, ledger.next_ns, ledger.is_polling) == (None, None, False)


def test_polls_in_place_of_a_socket_wait_until_they_are_started() -> None:
    ledger = of(always=False)
    assert ledger.start_polling(100) == []
    ledger.open_window(WINDOW)
    assert (ledger.window, ledger.next_ns, ledger.is_polling) == (WINDOW, None, False)
    assert ledger.stop_polling() == []
    assert ledger.start_polling(151) == []
    assert not ledger.is_polling
    assert ledger.start_polling(111) == [{"type": "polling", "from_ns": 120, "interval_ns": 10}]
    assert (ledger.next_ns, ledger.is_polling) == (120, True)
    assert ledger.start_polling(131) == []
    assert ledger.next_ns == 120
    assert ledger.stop_polling() == [{"type": "polling_end", "to_ns": 120}]
    assert (ledger.next_ns, ledger.is_polling) == (None, False)
    assert ledger.stop_polling() == []


def test_a_stop_of_polling_ends_the_open_gaps_with_the_window_at_the_latest() -> None:
    ledger = in_window(always=False)
    ledger.start_polling(100)
    assert ledger.miss("S", [150], TIMEOUT) == [opened("run-1", "S", 150, TIMEOUT)]
    ledger.next_ns = None
    assert ledger.stop_polling() == [closed("run-1", 155), {"type": "polling_end", "to_ns": 155}]


def test_a_stop_of_polling_after_the_window_says_nothing() -> None:
    ledger = in_window(always=False)
    ledger.start_polling(100)
    ledger.close_window(155)
    assert ledger.stop_polling() == []


def test_a_slot_is_due_from_just_before_its_moment_and_until_just_before_the_next() -> None:
    window = (100 * SECOND, 155 * SECOND)
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window(window)
    assert ledger.take_due(100 * SECOND - EARLY_NS - 1) == ((), None)
    assert ledger.next_ns == 100 * SECOND
    missed, slot = ledger.take_due(100 * SECOND - EARLY_NS)
    assert (list(missed), slot, ledger.next_ns) == ([], 100 * SECOND, 110 * SECOND)
    assert ledger.take_due(110 * SECOND - EARLY_NS - 1) == ((), None)
    missed, slot = ledger.take_due(140 * SECOND - EARLY_NS - 1)
    assert (list(missed), slot) == ([110 * SECOND, 120 * SECOND], 130 * SECOND)
    missed, slot = ledger.take_due(160 * SECOND - EARLY_NS - 1)
    assert (list(missed), slot, ledger.next_ns) == ([140 * SECOND], 150 * SECOND, None)
    assert ledger.take_due(10**18) == ((), None)


def test_a_slot_is_due_a_millisecond_early_for_two_clocks_never_agree() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 155 * SECOND))

    assert ledger.take_due(100 * SECOND - 1_000_001).slot_ns is None
    assert ledger.take_due(100 * SECOND - 1_000_000).slot_ns == 100 * SECOND


def test_after_the_next_slot_would_be_due_the_last_one_is_missed() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 121 * SECOND))
    missed, slot = ledger.take_due(130 * SECOND - EARLY_NS)
    assert (list(missed), slot) == ([100 * SECOND, 110 * SECOND, 120 * SECOND], None)


@pytest.mark.parametrize(("close_ns", "slots"), [(110 * SECOND, 1), (110 * SECOND + 1, 2), (110 * SECOND + 2, 2)])
def test_a_slot_at_the_close_is_never_due(close_ns: int, slots: int) -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, close_ns))
    missed, slot = ledger.take_due(200 * SECOND)
    assert (list(missed), slot, ledger.next_ns) == ([100 * SECOND, 110 * SECOND][:slots], None, None)


def test_the_following_slot_is_handed_out_only_before_the_close() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 110 * SECOND))
    ledger.take_due(100 * SECOND)
    assert ledger.next_ns is None


def test_slots_are_handed_out_once_when_a_window_opens_again() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 155 * SECOND))
    ledger.take_due(111 * SECOND)
    ledger.close_window(115 * SECOND)
    ledger.open_window((100 * SECOND, 200 * SECOND))
    assert ledger.next_ns == 120 * SECOND


def test_slots_of_one_nanosecond_are_handed_out_once_too() -> None:
    ledger = of(interval_ns=1)
    ledger.open_window((0, 2 * EARLY_NS))
    ledger.take_due(0)
    ledger.close_window(1)
    ledger.open_window((0, 2 * EARLY_NS))
    assert ledger.next_ns == EARLY_NS + 1
    passed = of(interval_ns=1)
    passed.miss_window((0, 5), STALL)
    passed.close_window(5)
    passed.open_window((0, 9))
    assert passed.next_ns == 5


def test_a_window_that_went_by_is_one_gap_of_each_symbol() -> None:
    ledger = of("AB")
    assert ledger.miss_window(WINDOW, STALL) == [opened("run-1", "A", 100, STALL), opened("run-2", "B", 100, STALL)]
    assert [state.slots for state in ledger.states.values()] == [6, 6]
    assert ledger.close_window(155) == [closed("run-1", 155), closed("run-2", 155)]


def test_a_window_that_went_by_is_no_gap_of_polls_that_were_off() -> None:
    ledger = of(always=False)
    assert ledger.miss_window(WINDOW, STALL) == []
    assert ledger.states["S"].slots == 0


def test_a_window_whose_slots_were_all_handed_out_is_not_missed() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 110 * SECOND))
    ledger.take_due(100 * SECOND)
    ledger.close_window(110 * SECOND)
    assert ledger.miss_window((100 * SECOND, 110 * SECOND), STALL) == []


def test_data_after_a_gap_ends_it_and_counts() -> None:
    ledger = in_window()
    assert ledger.record("S", 100) == []
    assert ledger.miss("S", [110, 120], TIMEOUT) == [opened("run-1", "S", 110, TIMEOUT)]
    state = ledger.states["S"]
    assert (state.slots, state.outage, state.accounted_ns, state.latest_ns) == (3, TIMEOUT, 130, 120)
    assert ledger.open_gaps == [Gap("run-1", "S", 110, *TIMEOUT)]
    assert ledger.checkpoint() == {
        "accounted": {"S": 130},
        "open": [["run-1", "S", 110, "timeout", "no answer in 5 s"]],
    }
    assert ledger.record("S", 130) == [closed("run-1", 130)]
    assert (state.slots, state.outage, state.accounted_ns, state.latest_ns) == (4, None, 140, 130)
    assert ledger.open_gaps == []


def test_a_gap_goes_on_in_the_next_slot_and_not_beyond_one_that_nobody_reported() -> None:
    ledger = in_window()
    assert ledger.miss("S", [100], TIMEOUT) == [opened("run-1", "S", 100, TIMEOUT)]
    assert ledger.miss("S", [110], Outage("timeout", "other words")) == []
    assert ledger.states["S"].latest_ns == 110
    assert ledger.miss("S", [130], TIMEOUT) == [closed("run-1", 120), opened("run-2", "S", 130, TIMEOUT)]
    assert ledger.record("S", 150) == [closed("run-2", 140)]


def test_another_cause_is_another_gap_for_all_pairs_of_causes() -> None:
    for before, after in PAIRS:
        ledger = in_window()
        first, second = Outage(before, "one"), Outage(after, "two")
        assert ledger.miss("S", [100], first) == [opened("run-1", "S", 100, first)]
        assert ledger.miss("S", [110], second) == [closed("run-1", 110), opened("run-2", "S", 110, second)]
        assert ledger.states["S"].outage == second


def test_the_same_slot_again_is_decided_by_its_last_report() -> None:
    ledger = in_window()
    ledger.miss("S", [100, 110], TIMEOUT)
    assert ledger.miss("S", [110], REFUSED) == [closed("run-1", 110), opened("run-2", "S", 110, REFUSED)]
    assert ledger.record("S", 110) == [closed("run-2", 110)]


def test_a_late_report_is_a_gap_of_its_own_and_leaves_the_open_one() -> None:
    ledger = in_window()
    ledger.miss("S", [130], TIMEOUT)
    assert ledger.miss("S", [100, 110], REFUSED) == [opened("run-2", "S", 100, REFUSED), closed("run-2", 120)]
    assert ledger.record("S", 120) == []
    state = ledger.states["S"]
    assert (state.slots, state.accounted_ns, state.latest_ns) == (4, 140, 130)
    assert [gap.gap_id for gap in ledger.open_gaps] == ["run-1"]
    assert ledger.record("S", 140) == [closed("run-1", 140)]


@pytest.mark.parametrize("at_ns", [155, 900])
def test_no_gap_ends_after_its_last_slot(at_ns: int) -> None:
    ledger = in_window()
    ledger.miss("S", [120], TIMEOUT)
    assert ledger.close_window(at_ns) == [closed("run-1", 130)]


def test_no_gap_ends_after_the_close_and_those_opened_first_end_first() -> None:
    ledger = in_window("ABC")
    ledger.miss("C", [150], TIMEOUT)
    ledger.miss("A", [150], REFUSED)
    ledger.record("B", 150)
    assert ledger.close_window(155) == [closed("run-1", 155), closed("run-2", 155)]
    assert [state.latest_ns for state in ledger.states.values()] == [None] * 3


def test_a_second_day_begins_anew() -> None:
    ledger = in_window()
    ledger.miss("S", [150], TIMEOUT)
    assert ledger.close_window(155) == [closed("run-1", 155)]
    assert ledger.open_window((1100, 1155)) == []
    assert ledger.next_ns == 1100
    assert ledger.miss("S", [1100], TIMEOUT) == [opened("run-2", "S", 1100, TIMEOUT)]
    assert ledger.record("S", 1110) == [closed("run-2", 1110)]
    assert ledger.states["S"].slots == 3


def test_a_step_forward_ends_gaps_with_the_window_and_hands_out_nothing_again() -> None:
    ledger = in_window()
    ledger.take_due(100)
    before = ledger.next_ns
    ledger.miss("S", [150], TIMEOUT)
    assert ledger.step_clock(1, 102) == [closed("run-1", 155)]
    assert ledger.next_ns == before
    assert ledger.states["S"].latest_ns is None


def test_a_step_outside_a_window_ends_a_gap_behind_its_last_slot() -> None:
    ledger = of()
    ledger.miss("S", [150], TIMEOUT)
    assert ledger.step_clock(5, 1000) == [closed("run-1", 160)]
    assert ledger.next_ns is None


@pytest.mark.parametrize(("delta_ns", "next_s"), [(1, 130), (0, 130), (-1, 120)])
def test_only_after_a_step_back_slots_are_handed_out_again(delta_ns: int, next_s: int) -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 155 * SECOND))
    ledger.take_due(121 * SECOND)
    ledger.step_clock(delta_ns, 112 * SECOND)
    assert ledger.next_ns == next_s * SECOND
    ledger.close_window(115 * SECOND)
    ledger.open_window((100 * SECOND, 200 * SECOND))
    assert ledger.next_ns == next_s * SECOND


def test_a_small_step_back_before_the_window_skips_no_slot() -> None:
    ledger = in_window()
    assert ledger.step_clock(-5, 60) == []
    assert ledger.next_ns == 100
    ledger.step_clock(-5, 145)
    assert ledger.next_ns == 100, "those that are due already stay due"


def test_a_step_back_over_the_last_slot_hands_it_out_again() -> None:
    ledger = of(interval_ns=10 * SECOND)
    ledger.open_window((100 * SECOND, 155 * SECOND))
    ledger.take_due(151 * SECOND)
    assert ledger.next_ns is None
    ledger.step_clock(-1, 152 * SECOND)
    assert ledger.next_ns is None
    ledger.step_clock(-4, 148 * SECOND)
    assert ledger.next_ns == 150 * SECOND


def test_a_step_back_starts_no_polling_and_lets_a_later_step_back_hand_out_no_less() -> None:
    ledger = in_window(always=False)
    ledger.step_clock(-5, 110)
    assert (ledger.next_ns, ledger.is_polling) == (None, False)
    passed = of()
    passed.miss_window(WINDOW, STALL)
    passed.close_window(155)
    passed.step_clock(-90, 112)
    passed.step_clock(-1, 140)
    passed.open_window(WINDOW)
    assert passed.next_ns == 120
