"""How records of the journal name the segment that they are about: NSE cash is meant where none is named."""

from harvester.calendar import NSE_CASH
from harvester.ledger.gaps import ControlRecord


def marked(record: ControlRecord, segment: str) -> ControlRecord:
    """The record with its segment."""
    return record if segment == NSE_CASH else record | {"segment": segment}


def part_id(run_id: str, segment: str) -> str:
    """What the gap ids of a segment's ledger begin with, so that no two ledgers of a run give the same."""
    return run_id if segment == NSE_CASH else f"{run_id}-{segment}"
