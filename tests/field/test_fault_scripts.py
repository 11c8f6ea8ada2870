"""Refusals as the field's fault scripts describe them, read by the exchange and judged by the recorder."""

import json
from pathlib import Path

import pytest

from exchange.faults import Fault, load_faults
from harvester.brokers.fyers.responses import judge_depth
from harvester.ledger.outage import Outage

SYMBOL = "NSE:INFY-EQ"
CAUSES = {
    "fault_403_one_symbol.json": ["refused"],
    "fault_403_waf_once.json": ["refused"],
    "fault_429_block_for_day.json": ["rate_limited"],
    "fault_error_codes.json": ["bad_response", "not_listed", "bad_response", "server_error"],
}
"""None of them is about the token, so that none stops the polls of other symbols."""


def judged(fault: Fault) -> Outage | None:
    """What the recorder makes of the answer that the exchange gives by this fault."""
    if fault.action == "html":
        return judge_depth(fault.status or 200, b"<html>Forbidden</html>", SYMBOL)
    code, message = (-429, "request limit reached") if fault.action == "rate_limit" else (fault.code, fault.message)
    body = json.dumps({"s": "error", "code": code, "message": message})
    return judge_depth(429 if fault.action == "rate_limit" else fault.status or 200, body.encode(), SYMBOL)


@pytest.mark.parametrize("name", CAUSES)
def test_a_refusal_of_the_field_costs_its_own_poll_under_its_own_cause(cases: Path, name: str) -> None:
    outages = [judged(fault) for fault in load_faults(cases / name)]

    assert [outage and outage.cause for outage in outages] == CAUSES[name]
