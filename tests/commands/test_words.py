"""What commands print of what they did, word by word."""

import json
from datetime import date
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from harvester.base.clock import NS_PER_MS
from harvester.brokers.protocol import PollResult
from harvester.commands import close
from harvester.commands.terminal import print_result
from harvester.ledger.outage import Outage

DAY = date(2026, 11, 23)
AT_NS = 1_795_405_500_123_456_789
"""09:15:00.123 in India."""


@pytest.mark.parametrize(
    ("book", "rest"),
    [
        (
            {"ltp": 812.5, "bids": [{"price": 812.45, "volume": 10}, {}], "ask": [{"price": 812.55, "volume": 7}]},
            "LTP      812.5  bid        812.45 x 10  ask         812.55 x 7    12.0 ms",
        ),
        (
            {"bids": [], "ask": [{"price": 1}]},
            "LTP          -  bid                  -  ask                  -    12.0 ms",
        ),
        ({}, "LTP          -  bid                  -  ask                  -    12.0 ms"),
    ],
)
def test_a_person_who_watches_sees_price_and_best_of_both_sides(
    capsys: pytest.CaptureFixture[str], book: dict[str, Any], rest: str
) -> None:
    body = json.dumps({"d": {"NSE:SBIN-EQ": book}}).encode()
    print_result(PollResult("NSE:SBIN-EQ", 0, AT_NS - 12 * NS_PER_MS, AT_NS, 0, 200, body))
    assert capsys.readouterr().out == f"09:15:00.123  NSE:SBIN-EQ           {rest}\n"


def test_a_person_who_watches_sees_why_a_poll_has_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    outage = Outage("timeout", "no answer")
    print_result(PollResult("NSE:SBIN-EQ", 0, AT_NS - 801 * NS_PER_MS, AT_NS, 0, outage=outage))
    assert capsys.readouterr().out == "09:15:00.123  NSE:SBIN-EQ           timeout: no answer  (801 ms)\n"


def closing(outcome: str = "built", manifest: Any = None, **certificate: Any) -> Any:
    given = (
        {"date": str(DAY), "damage": [], "symbols": {}, "streams": {}} | certificate
        if certificate or manifest
        else None
    )
    return Thing(partition=Thing(date=DAY), outcome=outcome, certificate=given, manifest=manifest, refused_slices=0)


def test_a_day_that_was_closed_is_told_symbol_by_symbol() -> None:
    none: dict[str, Any] = {"updates": 0, "expected": 0, "coverage": None, "gaps_by_cause": {}}
    bars = {"recorded": 74, "expected": 75, "revised": 1, "rejected": {"price_zero": 2, "late": 1}}
    stream = {"updates": {"ticks": 9, "depth": 8}, "coverage": 0.5, "gaps_by_cause": {"mute": {"ns": 1_250_000_000}}}
    closed = closing(
        manifest=Thing(generation=2, files=[1, 2, 3]),
        symbols={
            "A": {"updates": 10, "expected": 12, "coverage": 0.99999, "gaps_by_cause": {"timeout": 1, "stall": 1}},
            "B": none,
        },
        streams={"fyers-hsm": {"symbols": {
            "A": stream, "B": none | {"updates": {}}, "C": none | {"updates": {"bars": 1}, "minutes": 4},
        }}},
        candles={"feed": "fyers-history", "symbols": {
            "A": bars | {"gaps_by_cause": {"timeout": 1}, "provisional_by_cause": {"late": 2, "cut": 1}},
            "B": bars | {"gaps_by_cause": {}},
        }},
    )  # fmt: skip
    lines = [
        "2026-11-23: closed, generation 2, 3 files.",
        "  A: 10 updates of 12, 99.99%; gap slots: timeout 1, stall 1",
        "  B: 0 updates of 0, no session; gap slots: none",
        "  A (fyers-hsm): 9 ticks, 8 depth, 50.00%; gaps: mute 1.2 s",
        "  B (fyers-hsm): nothing, no session; gaps: none",
        "  C (fyers-hsm): 1 bars, 4 minutes, no session; gaps: none",
        "  A (fyers-history): 74 bars of 75, 1 revised, 3 rejected, 3 provisional (late 2, cut 1); gap bars: timeout 1",
        "  B (fyers-history): 74 bars of 75, 1 revised, 3 rejected; gap bars: none",
    ]
    assert close.describe(closed).splitlines() == lines
    closed.refused_slices = 4
    assert close.describe(closed).splitlines()[1] == (
        "  4 slices made while the day ran were not taken, because what they rest on has changed since: all was decoded"
        " again, which took longer."
    )


def test_a_day_with_nothing_new_or_nothing_at_all_is_one_line() -> None:
    assert close.describe(closing("nothing")) == "2026-11-23: no session and no data, nothing to close."
    assert close.describe(closing("kept")) == "2026-11-23: closed before, nothing new."
