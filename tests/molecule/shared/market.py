"""Write a calendar in which the market is open all day, or closed all week. Arguments: open or closed, file."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

PHASES = {"continuous": [["00:00:00", "24:00:00"]]}
MASTER = "0915-1530"
"""What the exchange's symbol master says of the hours all the same."""
ORIGIN = {"reference": "made for a test"}


def main() -> None:
    state, target = sys.argv[1], Path(sys.argv[2])
    days = [(datetime.now(UTC) + timedelta(days=offset)).date() for offset in range(-1, 61)]
    special = [
        {"date": day.isoformat(), "kind": "test", "status": "held", "phases": PHASES, **ORIGIN}
        for day in days
        if state == "open" and day.weekday() >= 5
    ]
    closed = [{"date": day.isoformat(), "name": "test", **ORIGIN} for day in days if state == "closed"]
    rule = {"from": days[0].isoformat(), "to": days[-1].isoformat(), "phases": PHASES, "master": MASTER, **ORIGIN}
    calendar = {
        "timezone": "Asia/Kolkata",
        "market": "test",
        "valid_until": days[-1].isoformat(),
        "phase_rules": [rule],
        "holidays": closed,
        "special_sessions": special,
    }
    target.write_text(json.dumps(calendar, indent=2) + "\n", encoding="utf-8")


main()
