"""The lab's trading calendar when nobody has written a better one: open around the clock, weekends too."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

OPEN_DAYS = 60


def provide_calendar(path: Path) -> None:
    """Write an always-open calendar at `path` unless there is a calendar already."""
    if not path.exists():
        path.write_text(json.dumps(_always_open(datetime.now(UTC).date()), indent=2) + "\n", encoding="utf-8")


def _always_open(today: date) -> dict[str, Any]:
    days = [today + timedelta(days=offset) for offset in range(-1, OPEN_DAYS)]
    about = {"phases": {"continuous": [["00:00:00", "24:00:00"]]}, "reference": "made by the lab"}
    return {
        "timezone": "Asia/Kolkata",
        "market": "lab",
        "valid_until": days[-1].isoformat(),
        "phase_rules": [{"from": days[0].isoformat(), "to": days[-1].isoformat(), **about}],
        "holidays": [],
        "special_sessions": [
            {"date": day.isoformat(), "kind": "lab", "status": "held", **about} for day in days if day.weekday() >= 5
        ],
    }
