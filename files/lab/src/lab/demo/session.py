"""A trading session that lasts as long as a demonstration: a calendar file in the harvester's own format."""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")
DAYS = 365
ORIGIN = "made for a demonstration"


def closed_calendar(today: date) -> dict[str, Any]:
    """A calendar in which today and the coming week are holidays."""
    last = (today + timedelta(days=DAYS)).isoformat()
    rule = {"from": today.isoformat(), "to": last, "phases": {"continuous": [["09:15:00", "15:30:00"]]}}
    days = [today + timedelta(days=offset) for offset in range(8)]
    return {
        "timezone": str(INDIA),
        "market": "lab",
        "valid_until": last,
        "phase_rules": [{**rule, "reference": ORIGIN}],
        "holidays": [{"date": day.isoformat(), "name": "lab", "reference": ORIGIN} for day in days],
        "special_sessions": [],
    }


def session_bounds(now: datetime, *, lead_seconds: int, seconds: int) -> tuple[datetime, datetime]:
    """Open and close in IST, whole seconds; pushed past midnight where the session would straddle it."""
    opens = (now.astimezone(INDIA) + timedelta(seconds=lead_seconds)).replace(microsecond=0)
    closes = opens + timedelta(seconds=seconds)
    if closes.date() != opens.date():
        opens = datetime.combine(closes.date(), time(0, 0, 1), INDIA)
        closes = opens + timedelta(seconds=seconds)
    return opens, closes


def session_calendar(opens: datetime, closes: datetime) -> dict[str, Any]:
    """`closed_calendar` plus one continuous phase from `opens` to `closes` (both in IST, same day)."""
    calendar = closed_calendar(opens.date())
    window = [f"{opens:%H:%M:%S}", f"{closes:%H:%M:%S}"]
    calendar["special_sessions"] = [
        {
            "date": opens.date().isoformat(),
            "kind": "lab",
            "phases": {"continuous": [window]},
            "status": "held",
            "reference": ORIGIN,
        }
    ]
    return calendar


def write_calendar(path: Path, calendar: dict[str, Any]) -> None:
    """Replace the calendar file atomically, so that a running reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(calendar, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def today_in_india() -> date:
    """The trading date now."""
    return datetime.now(UTC).astimezone(INDIA).date()


def announce(path: Path, *, lead_seconds: int, seconds: int) -> tuple[datetime, datetime]:
    """Write a calendar with one session that opens soon; its open and close in IST."""
    opens, closes = session_bounds(datetime.now(UTC), lead_seconds=lead_seconds, seconds=seconds)
    write_calendar(path, session_calendar(opens, closes))
    return opens, closes
