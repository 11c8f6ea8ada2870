"""The gap records that a ledger must return, written out."""

from itertools import permutations
from typing import get_args

from harvester.ledger.gaps import ControlRecord, Gap
from harvester.ledger.outage import Cause, Outage

PAIRS: list[tuple[Cause, Cause]] = list(permutations(get_args(Cause), 2))
"""A cause, and another one that follows it."""


def opened(gap_id: str, symbol: str, from_ns: int, outage: Outage, **feed: int) -> ControlRecord:
    return {
        "type": "gap_open",
        "gap_id": gap_id,
        "symbols": [symbol],
        "from_ns": from_ns,
        "cause": outage.cause,
        "detail": outage.detail,
        **feed,
    }


def closed(gap_id: str, to_ns: int) -> ControlRecord:
    return {"type": "gap_close", "gap_id": gap_id, "to_ns": to_ns}


def left_open(symbol: str, from_ns: int, cause: Cause = "timeout") -> dict[str, Gap]:
    """A gap that an earlier run did not close."""
    return {"old-1": Gap("old-1", symbol, from_ns, cause, "of old")}
