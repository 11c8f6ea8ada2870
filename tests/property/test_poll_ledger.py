"""The ledger of polls for any course of good and bad slots: each bad slot in exactly one gap, no good one in any."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harvester.ledger.gaps import ControlRecord, FeedHistory, Gap
from harvester.ledger.outage import Cause, Outage
from harvester.ledger.polls import PollLedger

INTERVAL = 5
SYMBOLS = "ABCS"
STALL = Outage("stall", "")
CAUSES: tuple[Cause, ...] = ("timeout", "disconnect", "server_error")
fates = st.lists(st.sampled_from(("good", *CAUSES)), min_size=1, max_size=60)


def gaps_of(records: list[ControlRecord]) -> list[tuple[int, int | None, str]]:
    """(from, to, cause) of every gap; a record that fits no other fails."""
    gaps: dict[str, tuple[int, int | None, str]] = {}
    for record in records:
        if record["type"] == "gap_open":
            assert record["gap_id"] not in gaps
            gaps[record["gap_id"]] = (record["from_ns"], None, record["cause"])
        else:
            begins, ends, cause = gaps[record["gap_id"]]
            assert ends is None
            gaps[record["gap_id"]] = (begins, record["to_ns"], cause)
    return list(gaps.values())


def causes_at(gaps: list[tuple[int, int | None, str]], slot: int) -> list[str]:
    return [cause for begins, ends, cause in gaps if begins <= slot and (ends is None or slot < ends)]


@given(fates, st.booleans())
def test_each_bad_slot_lies_in_one_gap_of_its_cause_and_no_good_one_does(fates: list[Any], closes: bool) -> None:
    ledger = PollLedger("run", SYMBOLS, INTERVAL)
    records: list[ControlRecord] = []

    for number, fate in enumerate(fates):
        slot = number * INTERVAL
        if fate == "good":
            records += ledger.record("S", slot)
        else:
            records += ledger.miss("S", [slot], Outage(fate, ""))
    if closes:
        records += ledger.close_window(len(fates) * INTERVAL)

    gaps = gaps_of(records)
    for number, fate in enumerate(fates):
        assert causes_at(gaps, number * INTERVAL) == ([] if fate == "good" else [fate])
    if closes:
        assert ledger.open_gaps == []
        assert all(ends is not None for _, ends, _ in gaps)
        assert causes_at(gaps, len(fates) * INTERVAL) == []


@given(fates, st.data())
def test_a_slot_that_reports_late_still_gets_its_own_cause(fates: list[Any], data: st.DataObject) -> None:
    late = data.draw(st.sets(st.integers(0, len(fates) - 1), max_size=5))
    ledger = PollLedger("run", SYMBOLS, INTERVAL)
    records: list[ControlRecord] = []
    order = [number for number in range(len(fates)) if number not in late]
    for number in sorted(late):
        order.insert(data.draw(st.integers(min(number, len(order)), len(order))), number)

    for number in order:
        slot = number * INTERVAL
        if fates[number] == "good":
            records += ledger.record("S", slot)
        else:
            records += ledger.miss("S", [slot], Outage(fates[number], ""))

    gaps = gaps_of(records)
    for number, fate in enumerate(fates):
        assert causes_at(gaps, number * INTERVAL) == ([] if fate == "good" else [fate])


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(("good", *CAUSES))), max_size=80))
def test_symbols_do_not_disturb_each_other(events: list[tuple[str, Any]]) -> None:
    together, alone = (
        PollLedger("run", SYMBOLS, INTERVAL),
        {symbol: PollLedger("run", SYMBOLS, INTERVAL) for symbol in "ABC"},
    )
    joint: dict[str, list[ControlRecord]] = {symbol: [] for symbol in "ABC"}
    single: dict[str, list[ControlRecord]] = {symbol: [] for symbol in "ABC"}

    for number, (symbol, fate) in enumerate(events):
        slot = number * INTERVAL
        for ledger, records in ((together, joint), (alone[symbol], single)):
            if fate == "good":
                records[symbol] += ledger.record(symbol, slot)
            else:
                records[symbol] += ledger.miss(symbol, [slot], Outage(fate, ""))

    for symbol in "ABC":
        assert gaps_of(joint[symbol]) == gaps_of(single[symbol])


def resumed() -> PollLedger:
    """In a window from 10 to 60, at 26, after a run that was told to stop at 10."""
    ledger = PollLedger("second", "S", INTERVAL)
    history = FeedHistory(opened={"first-7": Gap("first-7", "S", 10, "stopped", "")}, last_wall_ns=10)
    assert ledger.resume((10, 60), history, 26) == []
    return ledger


def test_an_adopted_gap_is_closed_by_its_own_name() -> None:
    assert resumed().record("S", 30) == [{"type": "gap_close", "gap_id": "first-7", "to_ns": 30}]


def test_an_adopted_gap_covers_the_time_in_which_nobody_ran() -> None:
    assert resumed().close_window(60) == [{"type": "gap_close", "gap_id": "first-7", "to_ns": 30}]


def test_bad_slots_in_a_row_are_one_gap() -> None:
    ledger = PollLedger("run", "S", INTERVAL)

    records = ledger.miss("S", range(0, 50, INTERVAL), STALL) + ledger.miss("S", [50], STALL)
    records += ledger.close_window(100)

    assert gaps_of(records) == [(0, 55, "stall")]


def test_a_window_that_went_by_is_one_gap_and_its_slots_are_not_handed_out_again() -> None:
    ledger = PollLedger("run", "S", INTERVAL)

    records = ledger.miss_window((0, 52), STALL) + ledger.close_window(52)

    assert gaps_of(records) == [(0, 52, "stall")]
    assert ledger.open_window((0, 70)) == []
    assert ledger.next_ns == 55
