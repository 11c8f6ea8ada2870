"""Control records that wait for a journal that takes nothing, in bounded memory and with word of what was dropped."""

from collections import Counter

import structlog

from harvester.ledger.gaps import ControlRecord

log = structlog.get_logger()
MOST = 100_000
"""Records kept at most."""
ROOM = 20_000
"""Records that have room, at least, after some were dropped."""
GAP_TYPES = ("gap_open", "gap_close")


class Backlog:
    """Keeps records in order. When there are too many, gaps that have ended go first: no data lies in them."""

    def __init__(self) -> None:
        self._records: list[ControlRecord] = []
        self._dropped: Counter[str] = Counter()
        """How many, by type."""

    def keep(self, records: list[ControlRecord]) -> None:
        """Keep them behind the others."""
        self._records += records
        if len(self._records) > MOST:
            self._thin()

    def take(self) -> list[ControlRecord]:
        """All that were kept, and at the end one that says how many were not; afterwards there are none."""
        records, dropped = self._records, self._dropped
        self._records, self._dropped = [], Counter()
        return [*records, {"type": "dropped", "records": dict(dropped)}] if dropped else records

    def _thin(self) -> None:
        """Drop gaps that were opened and closed meanwhile; where that is not enough, the oldest records."""
        opened, closed = (
            {record["gap_id"] for record in self._records if record["type"] == kind} for kind in GAP_TYPES
        )
        ended = opened & closed
        kept = [each for each in self._records if each["type"] not in GAP_TYPES or each["gap_id"] not in ended]
        if len(kept) > MOST - ROOM:
            kept = kept[ROOM - MOST :]
        self._dropped += _types(self._records) - _types(kept)
        log.critical("control_records_dropped", dropped=len(self._records) - len(kept), kept=len(kept))
        self._records = kept


def _types(records: list[ControlRecord]) -> Counter[str]:
    return Counter(str(record["type"]) for record in records)
