"""Independent evidence: what the exchange says it served, against what came home in the raw segments."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harvester.journal.format import DATA, decode_poll
from harvester.journal.reader import read_segment


@dataclass(frozen=True)
class Comparison:
    """Whole answers by their hash. `missing`: served to the harvester but not recorded; `foreign`: never served."""

    served: int
    recorded: int
    missing: int
    foreign: int


def compare(served_log: Path, raw: Path, *, since_ns: int, others: int) -> Comparison:
    """Compare depth answers delivered since `since_ns`, `others` of which went to programs other than the harvester."""
    rows = [json.loads(line) for line in served_log.read_text("utf-8").splitlines()]
    served = Counter(row["sha256"] for row in rows if row["ns"] >= since_ns and row["delivered"] and row["sha256"])
    recorded = Counter(_recorded_hashes(raw))
    missing = sum((served - recorded).values()) - others
    return Comparison(served.total() - others, recorded.total(), missing, sum((recorded - served).values()))


def _recorded_hashes(raw: Path) -> list[str]:
    hashes = []
    for segment in sorted(raw.rglob("*.seg.zst")):
        for record in read_segment(segment):
            poll = decode_poll(record.payload) if record.kind == DATA else None
            if poll:
                hashes.append(hashlib.sha256(poll.body).hexdigest())
    return hashes
