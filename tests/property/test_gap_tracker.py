"""Gaps for any course of good and bad slots: each bad slot in exactly one gap, no good one in any."""

from hypothesis import given
from hypothesis import strategies as st

from harvester.ledger.polls import ControlRecord, Gap, GapTracker

INTERVAL = 5
CAUSES = ("timeout", "disconnect", "server_error")
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
def test_each_bad_slot_lies_in_one_gap_of_its_cause_and_no_good_one_does(fates: list[str], closes: bool) -> None:
    tracker = GapTracker("run", INTERVAL)
    records: list[ControlRecord] = []

    for number, fate in enumerate(fates):
        slot = number * INTERVAL
        if fate == "good":
            records += tracker.report_good("S", slot)
        else:
            records += tracker.report_bad("S", (slot, slot), fate, "")  # type: ignore[arg-type]
    if closes:
        records += tracker.close_all(len(fates) * INTERVAL)

    gaps = gaps_of(records)
    for number, fate in enumerate(fates):
        assert causes_at(gaps, number * INTERVAL) == ([] if fate == "good" else [fate])
    if closes:
        assert tracker.open_gaps == []
        assert all(ends is not None for _, ends, _ in gaps)
        assert causes_at(gaps, len(fates) * INTERVAL) == []


@given(fates, st.data())
def test_a_slot_that_reports_late_still_gets_its_own_cause(fates: list[str], data: st.DataObject) -> None:
    late = data.draw(st.sets(st.integers(0, len(fates) - 1), max_size=5))
    tracker = GapTracker("run", INTERVAL)
    records: list[ControlRecord] = []
    order = [number for number in range(len(fates)) if number not in late]
    for number in sorted(late):
        order.insert(data.draw(st.integers(min(number, len(order)), len(order))), number)

    for number in order:
        slot = number * INTERVAL
        if fates[number] == "good":
            records += tracker.report_good("S", slot)
        else:
            records += tracker.report_bad("S", (slot, slot), fates[number], "")  # type: ignore[arg-type]

    gaps = gaps_of(records)
    for number, fate in enumerate(fates):
        assert causes_at(gaps, number * INTERVAL) == ([] if fate == "good" else [fate])


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(("good", *CAUSES))), max_size=80))
def test_symbols_do_not_disturb_each_other(events: list[tuple[str, str]]) -> None:
    together, alone = GapTracker("run", INTERVAL), {symbol: GapTracker("run", INTERVAL) for symbol in "ABC"}
    joint: dict[str, list[ControlRecord]] = {symbol: [] for symbol in "ABC"}
    single: dict[str, list[ControlRecord]] = {symbol: [] for symbol in "ABC"}

    for number, (symbol, fate) in enumerate(events):
        slot = number * INTERVAL
        for tracker, records in ((together, joint), (alone[symbol], single)):
            if fate == "good":
                records[symbol] += tracker.report_good(symbol, slot)
            else:
                records[symbol] += tracker.report_bad(symbol, (slot, slot), fate, "")  # type: ignore[arg-type]

    for symbol in "ABC":
        assert gaps_of(joint[symbol]) == gaps_of(single[symbol])


def test_an_adopted_gap_is_closed_by_its_own_name() -> None:
    tracker = GapTracker("second", INTERVAL)
    tracker.adopt(Gap("first-7", "S", 10, "stopped", ""), 25)

    assert tracker.report_good("S", 30) == [{"type": "gap_close", "gap_id": "first-7", "to_ns": 30}]


def test_an_adopted_gap_covers_the_time_in_which_nobody_ran() -> None:
    tracker = GapTracker("second", INTERVAL)
    tracker.adopt(Gap("first-7", "S", 10, "stopped", ""), 25)

    assert tracker.close_all() == [{"type": "gap_close", "gap_id": "first-7", "to_ns": 30}]


def test_bad_slots_in_a_row_are_one_gap() -> None:
    tracker = GapTracker("run", INTERVAL)

    records = tracker.report_bad("S", (0, 45), "stall", "") + tracker.report_bad("S", (50, 50), "stall", "")
    records += tracker.close_all()

    assert gaps_of(records) == [(0, 55, "stall")]
