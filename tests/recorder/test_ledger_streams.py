"""The ledger of a streamed feed, record by record."""

import pytest
from tests.recorder.gap_records import PAIRS, closed
from tests.recorder.stream_ledgers import LOST, MUTE, WINDOW, live, of, opened, whole

from harvester.ledger.outage import STALL, Outage
from harvester.ledger.streams import NOT_YET, Tail


def test_a_new_ledger_knows_its_symbols_and_no_gap() -> None:
    ledger = of("AB")
    assert ledger.symbols == ["A", "B"]
    assert (ledger.window, ledger.open_gaps, ledger.is_live("A")) == (None, [], False)
    assert ledger.checkpoint() == {"open": []}
    assert ledger.close_window(1500) == []


def test_who_is_not_live_at_the_opening_is_in_a_gap_until_its_snapshot() -> None:
    ledger = of("ABC")
    assert ledger.mark_live("B", 0, 900) == []
    assert ledger.open_window(WINDOW) == [opened("run-2-1", "A", 1000, NOT_YET), opened("run-2-2", "C", 1000, NOT_YET)]
    assert ledger.window == WINDOW
    assert [ledger.is_live(symbol) for symbol in "ABC"] == [False, True, False]
    assert ledger.checkpoint() == {"open": [["run-2-1", "A", 1000, *NOT_YET], ["run-2-2", "C", 1000, *NOT_YET]]}
    assert ledger.mark_live("A", 0, 1100) == [closed("run-2-1", 1100)]
    assert [gap.symbol for gap in ledger.open_gaps] == ["C"]


def test_open_gaps_are_in_the_order_of_the_symbols() -> None:
    ledger = of("AB")
    ledger.mark_live("A", 0, 900)
    ledger.open_window(WINDOW)
    ledger.mark_lost(0, 1100, LOST)
    assert [gap.gap_id for gap in ledger.open_gaps] == ["run-2-2", "run-2-1"]
    assert ledger.close_window(2000) == [closed("run-2-2", 2000), closed("run-2-1", 2000)]


def test_a_window_that_is_opened_late_lacks_what_came_before_the_snapshot() -> None:
    ledger = of()
    ledger.mark_live("A", 0, 1200)
    assert ledger.open_window(WINDOW) == whole(1, 1000, 1200, NOT_YET)
    early = of()
    early.mark_live("A", 0, 1001)
    assert early.open_window(WINDOW) == whole(1, 1000, 1001, NOT_YET)


def test_a_window_that_was_left_goes_on_where_it_was_left() -> None:
    ledger = of("AB")
    ledger.open_window(WINDOW)
    assert ledger.close_window(1500) == [closed("run-2-1", 1500), closed("run-2-2", 1500)]
    assert ledger.window is None
    assert ledger.close_window(1600) == []
    assert ledger.mark_live("A", 0, 1500) == []
    assert ledger.open_window(WINDOW) == [opened("run-2-3", "B", 1500, NOT_YET)]


@pytest.mark.parametrize("at_ns", [2000, 2001, 10**18])
def test_nothing_ends_after_the_close(at_ns: int) -> None:
    ledger = of()
    ledger.open_window(WINDOW)
    assert ledger.close_window(at_ns) == [closed("run-2-1", 2000)]
    assert ledger.open_window((1000, 2500)) == [opened("run-2-2", "A", 2000, NOT_YET)]


def test_a_snapshot_after_the_close_ends_a_gap_with_the_window() -> None:
    ledger = of()
    ledger.open_window(WINDOW)
    assert ledger.mark_live("A", 0, 2100) == [closed("run-2-1", 2000)]


def test_a_loss_at_the_close_or_later_begins_no_gap() -> None:
    assert live((0, 1100)).mark_lost(0, 2000, LOST) == []
    assert live((0, 1100)).mark_lost(0, 1999, LOST) == [opened("run-2-2", "A", 1999, LOST)]


def test_a_shorter_window_after_a_longer_one_is_not_counted_again() -> None:
    ledger = of()
    ledger.open_window((1000, 3000))
    ledger.close_window(3000)
    ledger.open_window((1000, 2000))
    assert ledger.close_window(2000) == []
    assert ledger.open_window((1000, 3500)) == [opened("run-2-2", "A", 3000, NOT_YET)]


def test_a_window_that_went_by_is_a_gap_of_every_symbol() -> None:
    ledger = of("AB")
    ledger.mark_live("A", 0, 900)
    ab = [
        [opened(f"run-2-{number}", symbol, 1000, STALL), closed(f"run-2-{number}", 2000)]
        for number, symbol in enumerate("AB", start=1)
    ]
    assert ledger.miss_window(WINDOW, STALL) == [*ab[0], *ab[1]]
    assert ledger.open_gaps == []
    assert ledger.miss_window(WINDOW, STALL) == [], "counted already"
    assert ledger.mark_lost(0, 1500, LOST) == [], "nothing of it is missed twice"


def test_the_rest_of_a_window_that_was_left_is_missed_and_no_more() -> None:
    ledger = of()
    ledger.open_window(WINDOW)
    ledger.close_window(1500)
    assert ledger.miss_window(WINDOW, STALL) == whole(2, 1500, 2000, STALL)
    assert ledger.open_window((1000, 2300)) == [opened("run-2-3", "A", 2000, NOT_YET)]


def test_a_window_missed_before_a_later_one_was_counted_takes_nothing_back() -> None:
    ledger = of()
    ledger.open_window((3000, 4000))
    ledger.close_window(4000)
    ledger.miss_window(WINDOW, STALL)
    assert ledger.open_window((3000, 5000)) == [opened("run-2-2", "A", 4000, NOT_YET)]


def test_a_symbol_seen_beyond_a_missed_window_stays_accounted_for() -> None:
    ledger = of()
    ledger.mark_live("A", 0, 2500)
    ledger.miss_window(WINDOW, STALL)
    assert ledger.open_window((2000, 3000)) == whole(2, 2000, 2500, NOT_YET)


def test_a_connection_that_ends_begins_a_gap_behind_its_last_frame() -> None:
    ledger = live((0, 1100))
    assert ledger.mark_lost(0, 1300, LOST) == [opened("run-2-2", "A", 1300, LOST)]
    assert not ledger.is_live("A")
    assert ledger.mark_lost(0, 1400, MUTE) == [], "it had ended"
    assert ledger.mark_live("A", 0, 1500) == [closed("run-2-2", 1500)]


def test_a_connection_delivers_from_its_snapshot_on_whatever_came_before() -> None:
    assert live((0, 1100)).mark_lost(0, 1050, LOST) == [opened("run-2-2", "A", 1100, LOST)]


def test_a_second_snapshot_of_a_stream_changes_nothing() -> None:
    ledger = live((0, 1100), (0, 1200))
    assert ledger.mark_lost(0, 1150, LOST) == [opened("run-2-2", "A", 1150, LOST)]


def test_only_the_symbols_of_the_stream_are_lost() -> None:
    ledger = of("ABC")
    for symbol, stream in [("B", 0), ("C", 1), ("A", 1)]:
        ledger.mark_live(symbol, stream, 900)
    ledger.open_window(WINDOW)
    assert ledger.mark_lost(1, 1300, LOST) == [opened("run-2-1", "A", 1300, LOST), opened("run-2-2", "C", 1300, LOST)]


def test_what_no_stream_brought_between_two_is_a_gap_that_has_ended() -> None:
    ledger = live((0, 1100), (1, 1150))
    assert ledger.mark_lost(0, 1120, MUTE) == whole(2, 1120, 1150, MUTE)
    assert ledger.is_live("A")
    assert ledger.mark_lost(1, 1400, LOST) == [opened("run-2-3", "A", 1400, LOST)]


def test_streams_that_meet_leave_no_gap() -> None:
    ledger = live((0, 1100), (1, 1150))
    assert ledger.mark_lost(0, 1150, MUTE) == []


def test_what_an_ended_stream_brought_later_counts() -> None:
    ledger = live((0, 1100), (1, 1150))
    assert ledger.mark_lost(0, 1300, LOST) == []
    assert ledger.mark_lost(1, 1200, MUTE) == [opened("run-2-2", "A", 1300, MUTE)]


def test_streams_that_ended_in_any_order_count_in_the_order_of_their_frames() -> None:
    ledger = live((0, 1100), (1, 1200))
    assert ledger.mark_lost(1, 1250, LOST) == []
    assert ledger.mark_lost(0, 1150, MUTE) == [*whole(2, 1150, 1200, MUTE), opened("run-2-3", "A", 1250, MUTE)]


def test_several_ended_streams_leave_each_hole_between_them() -> None:
    ledger = live((0, 1100), (1, 1200), (2, 1300), (3, 1380))
    assert ledger.mark_lost(1, 1220, LOST) == []
    assert ledger.mark_lost(2, 1350, LOST) == []
    assert ledger.mark_lost(0, 1150, MUTE) == [
        *whole(2, 1150, 1200, MUTE),
        *whole(3, 1220, 1300, MUTE),
        *whole(4, 1350, 1380, MUTE),
    ]
    assert ledger.mark_lost(3, 1390, LOST) == [opened("run-2-5", "A", 1390, LOST)]


def test_a_stream_that_reaches_beyond_the_next_snapshot_leaves_no_hole() -> None:
    ledger = live((0, 1100), (1, 1120), (2, 1140))
    assert ledger.mark_lost(0, 1500, LOST) == []
    assert ledger.mark_lost(1, 1130, LOST) == []
    assert ledger.mark_lost(2, 1200, MUTE) == [opened("run-2-2", "A", 1500, MUTE)]


def test_what_was_brought_before_the_symbol_was_lost_counts_no_more() -> None:
    ledger = live((0, 1100))
    ledger.mark_lost(0, 1300, LOST)
    ledger.mark_live("A", 1, 1200)
    assert ledger.mark_lost(1, 1250, MUTE) == [opened("run-2-3", "A", 1250, MUTE)]


def test_the_end_of_a_closed_window_lacks_what_the_tail_does_not_prove() -> None:
    ledger = live((0, 1100))
    assert ledger.close_window(2000) == []
    assert ledger.mark_lost(0, 2060, LOST, Tail(1800, MUTE)) == whole(2, 1800, 2000, MUTE)
    assert ledger.open_window((3000, 4000)) == [opened("run-2-3", "A", 3000, MUTE)], "still so on the second day"


def test_of_a_window_that_was_left_nothing_is_missed_behind_where_it_was_left() -> None:
    ledger = live((0, 1100))
    ledger.close_window(1500)
    assert ledger.mark_lost(0, 1600, LOST, Tail(1300, MUTE)) == whole(2, 1300, 1500, MUTE)
    seen_longer = live((0, 1100))
    seen_longer.close_window(1500)
    assert seen_longer.mark_lost(0, 1600, LOST) == []


def test_in_a_window_the_tail_does_not_count() -> None:
    assert live((0, 1100)).mark_lost(0, 1900, LOST, Tail(1800, MUTE)) == [opened("run-2-2", "A", 1900, LOST)]


def test_the_end_of_a_window_that_was_proven_lacks_nothing() -> None:
    ledger = live((0, 1100))
    ledger.close_window(2000)
    assert ledger.mark_lost(0, 2060, LOST, Tail(2000, MUTE)) == []
    other = live((0, 1100))
    other.close_window(2000)
    assert other.mark_lost(0, 1950, LOST) == whole(2, 1950, 2000, LOST)


def test_before_any_window_a_loss_is_no_gap() -> None:
    ledger = of()
    ledger.mark_live("A", 0, 500)
    assert ledger.mark_lost(0, 600, LOST, Tail(550, MUTE)) == []
    assert ledger.open_window(WINDOW) == [opened("run-2-1", "A", 1000, MUTE)]


def test_of_streams_that_overlapped_before_the_window_only_what_lies_in_it_is_a_gap() -> None:
    ledger = of()
    ledger.mark_live("A", 0, 900)
    ledger.mark_live("A", 1, 1100)
    ledger.open_window(WINDOW)
    assert ledger.mark_lost(0, 950, MUTE) == whole(1, 1000, 1100, MUTE)


@pytest.mark.parametrize(("snapshot", "found"), [(999, []), (1000, []), (1001, whole(1, 1000, 1001, MUTE))])
def test_a_hole_that_ends_with_the_opening_is_none(snapshot: int, found: list[dict[str, object]]) -> None:
    ledger = of()
    ledger.mark_live("A", 0, 900)
    ledger.open_window(WINDOW)
    ledger.mark_live("A", 1, snapshot)
    assert ledger.mark_lost(0, 950, MUTE) == found


@pytest.mark.parametrize(("last_ns", "found"), [(2000, []), (2001, []), (1999, whole(2, 1999, 2000, MUTE))])
def test_a_hole_that_begins_with_the_close_is_none(last_ns: int, found: list[dict[str, object]]) -> None:
    ledger = live((0, 1100), (1, 2100))
    assert ledger.mark_lost(0, last_ns, MUTE) == found


def test_another_cause_is_another_gap_for_all_pairs_of_causes() -> None:
    for before, after in PAIRS:
        ledger = live((0, 1100))
        first, second = Outage(before, "one"), Outage(after, "two")
        ledger.mark_lost(0, 1200, first)
        assert ledger.mark_cause("A", 1300, second) == [
            closed("run-2-2", 1300),
            opened("run-2-3", "A", 1300, second),
        ]


def test_another_cause_from_before_the_gap_takes_its_place_from_its_beginning() -> None:
    ledger = live((0, 1100))
    ledger.mark_lost(0, 1200, LOST)
    assert ledger.mark_cause("A", 1150, MUTE) == [closed("run-2-2", 1200), opened("run-2-3", "A", 1200, MUTE)]
    assert ledger.mark_cause("A", 2000, LOST) == [closed("run-2-3", 2000)]


def test_the_same_cause_in_other_words_goes_on() -> None:
    ledger = live((0, 1100))
    ledger.mark_lost(0, 1200, LOST)
    words = Outage(LOST.cause, "other words")
    assert ledger.mark_cause("A", 1300, words) == []
    ledger.close_window(2000)
    assert ledger.open_window((3000, 4000)) == [opened("run-2-3", "A", 3000, words)]


def test_a_cause_concerns_those_named_and_not_live() -> None:
    ledger = of("ABC")
    ledger.mark_live("A", 0, 900)
    ledger.open_window(WINDOW)
    assert ledger.mark_cause("AB", 1300, MUTE) == [closed("run-2-1", 1300), opened("run-2-3", "B", 1300, MUTE)]
    ledger.close_window(2000)
    assert ledger.mark_cause("C", 2100, LOST) == []
    assert ledger.mark_lost(0, 2200, STALL) == []
    assert [record["cause"] for record in ledger.open_window((3000, 4000))] == ["stall", "mute", "disconnect"]
