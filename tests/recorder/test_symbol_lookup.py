"""When the symbols are looked up in the broker's master, and what a start and a failure leave of what was known."""

import asyncio
from typing import Any

import pytest
from tests.recorder.fakes import FakeClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.symbol_lookup import SymbolLookup

SBIN, INFY, GONE = "NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:GONE-EQ"
HOUR = 3600 * NS_PER_SECOND
OPENS_NS = 1_000 * 24 * HOUR
"""The next opening; one follows each day."""


class Master:
    """Answers as `harvester config topics` does, or fails."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_down = False
        self.topics = {SBIN: ["sf|nse_cm|3045"], INFY: ["sf|nse_cm|1594"]}

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.is_down:
            raise HarvesterError("no way to the broker")
        lost = {GONE: f"{GONE} is not in the broker's symbol master"}
        rest = {"remarks": ["NSE_CM.csv is short"], "symbols": [*self.topics, GONE], "rules": []}
        return {"topics": self.topics, "unknown": {GONE: []}, "lost": lost, **rest}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(OPENS_NS - 10 * HOUR)


@pytest.fixture
def master() -> Master:
    return Master()


@pytest.fixture
def lookup(master: Master, clock: FakeClock) -> SymbolLookup:
    return SymbolLookup(master, clock)


def look_for(lookup: SymbolLookup, clock: FakeClock, hours: float, *, step_seconds: float = 60) -> list[float]:
    """Let time pass as the recorder's loop does; in hours before the last opening, when a look-up was made."""
    found = []
    for _ in range(int(hours * 3600 / step_seconds)):
        now_ns = clock.wall_ns()
        days = max(0, -(-(now_ns - OPENS_NS) // (24 * HOUR)))
        if lookup.is_due(OPENS_NS + days * 24 * HOUR):
            found.append((now_ns - OPENS_NS) / HOUR)
            asyncio.run(lookup.run())
        clock.freeze(step_seconds)
    return found


def test_symbols_are_looked_up_at_the_start_and_before_each_opening_of_each_day(
    lookup: SymbolLookup, clock: FakeClock
) -> None:
    found = look_for(lookup, clock, 3 * 24)

    assert found == [-10, -1, 23, 47]


def test_a_failed_look_up_is_made_again_every_ten_minutes_and_changes_nothing(
    lookup: SymbolLookup, clock: FakeClock, master: Master
) -> None:
    asyncio.run(lookup.run())
    known = lookup.known()
    master.is_down = True

    found = look_for(lookup, clock, 1)
    master.is_down = False
    later = look_for(lookup, clock, 1)

    assert [round((at - found[0]) * 60) for at in found] == [0, 10, 20, 30, 40, 50]
    assert len(later) == 1
    assert lookup.known() is known or lookup.known() == known


def test_what_an_earlier_run_had_looked_up_is_used_until_the_master_says_otherwise(
    lookup: SymbolLookup, master: Master
) -> None:
    lookup.remember({SBIN: ["sf|nse_cm|1"], INFY: ["sf|nse_cm|2"]})
    assert asyncio.run(lookup.topics([SBIN, INFY])) == {SBIN: ["sf|nse_cm|1"], INFY: ["sf|nse_cm|2"]}
    assert master.asked == 0, "recording does not wait for a look-up"

    asyncio.run(lookup.run())
    lookup.remember({SBIN: ["sf|nse_cm|1"]})

    assert asyncio.run(lookup.topics([INFY, SBIN])) == {INFY: ["sf|nse_cm|1594"], SBIN: ["sf|nse_cm|3045"]}


def test_a_symbol_that_is_gone_is_asked_for_once_and_told(lookup: SymbolLookup, master: Master) -> None:
    for _ in range(3):
        assert list(asyncio.run(lookup.topics([SBIN, GONE]))) == [SBIN]

    assert master.asked == 1
    described = lookup.describe()
    assert described["unknown_symbols"] == {GONE: []}
    assert GONE in described["lost_symbols"][GONE]
    assert described["symbol_master_remarks"] == ["NSE_CM.csv is short"]
    assert "symbol_rules" not in described
