"""Whether the broker's own candles come, judged from the recorder's status file."""

from collections.abc import Iterator
from typing import Any

from harvester.health.remedies import CAUSE_FIXES, Check

CANDLES = "candles"


def check_candles(status: dict[str, Any]) -> Iterator[Check]:
    """One finding where candles are recorded: no bar may be unanswered for two rounds."""
    facts = status.get(CANDLES)
    if not facts:
        return
    overdue = facts["overdue"]
    if not overdue:
        yield Check(CANDLES, True, f"{facts['answered']} of {facts['bars']} bars of today answered")
        return
    names = ", ".join(gap["symbol"] for gap in overdue[:5]) + (" ..." if len(overdue) > 5 else "")
    cause = f"{overdue[0]['cause']}: {overdue[0]['detail']}"
    fix = CAUSE_FIXES.get(overdue[0]["cause"], "See ./inv logs.")
    yield Check(CANDLES, False, f"bars of {len(overdue)} symbols ({names}) are overdue; {cause}", fix)
