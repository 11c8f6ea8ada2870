"""The ledger of polls at a start in a window: what earlier runs recorded counts, the rest is a gap."""

import pytest
from tests.recorder.gap_records import closed, left_open, opened

from harvester.ledger.gaps import FeedHistory, Gap
from harvester.ledger.outage import ENDED, LATE, Cause, Outage
from harvester.ledger.polls import PollLedger, next_slot

INTERVAL = 10
WINDOW = (100, 155)
"""Its slots are 100 to 150."""
TIMEOUT = Outage("timeout", "no answer in 5 s")


def of(symbols: str = "S", *, always: bool = True) -> PollLedger:
    return PollLedger("run", symbols, INTERVAL, always=always)


@pytest.mark.parametrize(
    ("wall_ns", "last_wall_ns", "accounted", "first", "outage", "slots"),
    [
        (100, 0, 0, None, None, 0),
        (101, 0, 0, 100, LATE, 1),
        (125, 99, 0, 100, LATE, 3),
        (125, 100, 0, 100, ENDED, 3),
        (125, 0, 101, 110, ENDED, 2),
        (145, 117, 120, 120, ENDED, 3),
        (152, 117, 121, 130, ENDED, 3),
        (152, 0, 0, 100, LATE, 6),
        (152, 150, 151, None, None, 0),
        (125, 120, 130, None, None, 0),
    ],
)
def test_a_start_in_a_window_accounts_for_the_slots_before_it(
    wall_ns: int, last_wall_ns: int, accounted: int, first: int | None, outage: Outage | None, slots: int
) -> None:
    ledger = of()
    ledger.recall({"S": accounted})
    records = ledger.resume(WINDOW, FeedHistory(last_wall_ns=last_wall_ns), wall_ns)
    assert records == ([opened("run-1", "S", first, outage)] if first and outage else [])
    assert ledger.states["S"].slots == slots
    assert (ledger.window, ledger.is_polling) == (WINDOW, True)
    assert ledger.next_ns == next_slot(WINDOW, INTERVAL, wall_ns)
    if slots and ledger.next_ns:
        assert ledger.record("S", ledger.next_ns) == [closed("run-1", ledger.next_ns)]


def test_a_symbol_that_no_earlier_run_knew_is_accounted_for_from_the_opening() -> None:
    ledger = of("AB")
    ledger.recall({"A": 120})
    assert ledger.checkpoint()["accounted"] == {"A": 120, "B": 0}
    records = ledger.resume(WINDOW, FeedHistory(last_wall_ns=118), 125)
    assert records == [opened("run-1", "A", 120, ENDED), opened("run-2", "B", 100, ENDED)]


@pytest.mark.parametrize(
    ("from_ns", "last_wall_ns", "wall_ns", "ends", "goes_on"),
    [(100, 117, 125, 120, True), (130, 117, 145, 130, True), (100, 120, 125, 120, True), (100, 151, 152, 155, False)],
)
def test_a_gap_of_a_run_that_died_ends_where_the_run_did(
    from_ns: int, last_wall_ns: int, wall_ns: int, ends: int, goes_on: bool
) -> None:
    ledger = of()
    history = FeedHistory(opened=left_open("S", from_ns), last_wall_ns=last_wall_ns)
    records = ledger.resume(WINDOW, history, wall_ns)
    assert records == [closed("old-1", ends), *([opened("run-1", "S", ends, ENDED)] if goes_on else [])]
    assert history.opened == {}
    assert ledger.states["S"].accounted_ns == (next_slot(WINDOW, INTERVAL, wall_ns) or (160 if goes_on else 155))


def test_a_gap_of_a_run_that_died_shrinks_nothing_that_is_accounted_for() -> None:
    ledger = of()
    ledger.recall({"S": 150})
    ledger.resume(WINDOW, FeedHistory(opened=left_open("S", 100), last_wall_ns=117), 119)
    assert ledger.checkpoint()["accounted"] == {"S": 150}


@pytest.mark.parametrize(("from_ns", "taken"), [(99, False), (100, True), (154, True), (155, False)])
def test_a_gap_of_another_window_is_left_alone(from_ns: int, taken: bool) -> None:
    history = FeedHistory(opened=left_open("X", from_ns), last_wall_ns=99)
    records = of().resume(WINDOW, history, 100)
    assert records == ([closed("old-1", max(from_ns, 100))] if taken else [])
    assert bool(history.opened) != taken


@pytest.mark.parametrize(
    ("cause", "from_ns", "last_wall_ns", "wall_ns", "ends"),
    [
        ("timeout", 100, 117, 125, 117),
        ("timeout", 110, 105, 125, 110),
        ("timeout", 100, 170, 180, 155),
        ("stopped", 100, 117, 125, 125),
        ("stopped", 110, 117, 105, 110),
        ("stopped", 100, 117, 180, 155),
    ],
)
def test_a_gap_of_a_symbol_that_is_recorded_no_more_ends_with_its_run_or_after_a_stop_with_the_start(
    cause: Cause, from_ns: int, last_wall_ns: int, wall_ns: int, ends: int
) -> None:
    ledger = of()
    ledger.recall({"S": 160})
    history = FeedHistory(opened=left_open("X", from_ns, cause), last_wall_ns=last_wall_ns)
    assert ledger.resume(WINDOW, history, wall_ns) == [closed("old-1", ends)]
    assert ledger.checkpoint() == {"accounted": {"S": 160}, "open": []}
    assert history.accounted == {"X": ends}


@pytest.mark.parametrize(
    ("cause", "last_wall_ns", "ends"),
    [("timeout", 117, 117), ("timeout", 90, 110), ("stopped", 117, 125), ("stopped", 90, 125)],
)
def test_a_gap_of_a_run_that_polled_ends_with_it_or_lasts_as_long_as_it_is_stopped_where_sockets_follow(
    cause: Cause, last_wall_ns: int, ends: int
) -> None:
    ledger = of(always=False)
    history = FeedHistory(opened=left_open("S", 110, cause=cause), last_wall_ns=last_wall_ns)
    assert ledger.resume(WINDOW, history, 125) == [closed("old-1", ends)]
    assert ledger.checkpoint() == {"accounted": {"S": ends}, "open": []}
    assert (ledger.next_ns, ledger.is_polling) == (None, False)


def test_a_gap_of_a_stop_goes_on_under_its_own_name() -> None:
    ledger = of("SA")
    history = FeedHistory(opened=left_open("S", 110, cause="stopped"), last_wall_ns=110)
    assert ledger.resume(WINDOW, history, 125) == [opened("run-1", "A", 100, ENDED)]
    assert ledger.checkpoint()["accounted"] == {"S": 130, "A": 130}
    assert [gap.gap_id for gap in ledger.open_gaps] == ["old-1", "run-1"]
    assert ledger.states["S"].latest_ns == 120
    assert ledger.miss("S", [130], Outage("stopped", "")) == []
    assert ledger.record("S", 140) == [closed("old-1", 140)]


def test_a_gap_of_a_stop_just_before_the_next_slot_holds_its_own_beginning() -> None:
    ledger = of()
    ledger.recall({"S": 140})
    history = FeedHistory(opened=left_open("S", 120, cause="stopped"), last_wall_ns=120)
    assert ledger.resume(WINDOW, history, 111) == []
    assert ledger.states["S"].latest_ns == 120
    assert ledger.checkpoint()["accounted"] == {"S": 140}
    assert ledger.miss("S", [130], TIMEOUT) == [closed("old-1", 130), opened("run-1", "S", 130, TIMEOUT)]


def test_gaps_of_several_symbols_end_in_the_order_of_their_records() -> None:
    gaps = {f"old-{n}": Gap(f"old-{n}", symbol, 100, "timeout", "") for n, symbol in enumerate("BXA")}
    ledger = of("AB")
    records = ledger.resume(WINDOW, FeedHistory(opened=gaps, last_wall_ns=117), 119)
    assert records == [closed("old-0", 120), closed("old-1", 117), closed("old-2", 120)]


def test_a_gap_of_polls_in_place_of_a_socket_never_ends_after_the_close() -> None:
    ledger = of(always=False)
    history = FeedHistory(opened=left_open("S", 150), last_wall_ns=170)
    assert ledger.resume(WINDOW, history, 180) == [closed("old-1", 155)]
