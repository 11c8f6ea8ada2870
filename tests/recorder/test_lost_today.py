"""What is lost of a day, as status shows it: all closed gaps, over restarts, and of that day alone."""

from datetime import date
from typing import Any

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.ledger.gaps import Gap
from harvester.ledger.lost import LostToday

DAY = date(2026, 11, 27)
OPENS = midnight_ns(DAY) + 9 * 3600 * NS_PER_SECOND


def opened(gap_id: str, seconds: int, cause: str = "disconnect") -> dict[str, Any]:
    from_ns = OPENS + seconds * NS_PER_SECOND
    return {"type": "gap_open", "gap_id": gap_id, "symbols": ["NSE:A-EQ"], "from_ns": from_ns, "cause": cause}


def closed(gap_id: str, seconds: int) -> dict[str, Any]:
    return {"type": "gap_close", "gap_id": gap_id, "to_ns": OPENS + seconds * NS_PER_SECOND}


def of(*records: dict[str, Any]) -> LostToday:
    lost = LostToday()
    for record in records:
        lost.take(record)
    return lost


FIRST = (opened("1", 0), opened("2", 5, "no_token"), closed("1", 10), opened("3", 20), closed("3", 21), closed("2", 65))


def test_gaps_add_up_by_cause() -> None:
    assert of(*FIRST).describe("2026-11-27") == {"disconnect": 11 * NS_PER_SECOND, "no_token": 60 * NS_PER_SECOND}


def test_what_is_open_or_of_another_kind_is_not_lost_yet() -> None:
    assert of(opened("1", 0), {"type": "start"}, closed("9", 4)).describe("2026-11-27") == {}


def test_a_new_day_begins_at_nothing() -> None:
    lost = of(*FIRST)
    assert lost.describe("2026-11-30") == {}
    monday = 3 * 86_400
    lost.take(opened("4", monday))
    lost.take(closed("4", monday + 2))

    assert lost.describe("2026-11-30") == {"disconnect": 2 * NS_PER_SECOND}


@pytest.mark.parametrize("place", range(len(FIRST) + 1))
def test_a_start_that_reads_on_from_a_checkpoint_knows_the_same(place: int) -> None:
    """The checkpoint holds the sums and the gaps that are open; what follows is read again."""
    before = of(*FIRST[:place])
    still = {each["gap_id"] for each in FIRST[:place] if each["type"] == "gap_open"}
    still -= {each["gap_id"] for each in FIRST[:place] if each["type"] == "gap_close"}
    rows = [
        list(Gap(each["gap_id"], each["symbols"][0], each["from_ns"], each["cause"], ""))
        for each in FIRST
        if each["gap_id"] in still and each["type"] == "gap_open"
    ]
    state = {"type": "state", "open": rows[:1], "feeds": {"2": {"open": rows[1:]}}, **before.checkpoint()}

    after = LostToday()
    after.load(state)
    for record in FIRST[place:]:
        after.take(record)

    assert after.describe("2026-11-27") == of(*FIRST).describe("2026-11-27")


def test_a_checkpoint_of_before_says_nothing_of_it() -> None:
    lost = LostToday()
    lost.load({"type": "state", "open": [], "feeds": {}})

    assert lost.describe("2026-11-27") == {}
    assert lost.checkpoint() == {}
