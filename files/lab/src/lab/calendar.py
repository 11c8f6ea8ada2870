"""Trading calendars in the harvester's own format: for a lab that is always open, and for a session on demand."""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from exchange.state import write_file
from harvester.base.market import in_force, zone
from harvester.calendar.segments import OF_MARKET

OPEN_DAYS = 60
CLOSED_DAYS = 8
DAYS = 365
ORIGIN = "made by the lab"
CASH, DERIVATIVES = "0915-1530", "0915-1540"
"""What the exchange's symbol master says of their hours, whatever hours the lab has."""


def provide_calendar(path: Path) -> None:
    """Write a calendar that is open around the clock, weekends too, unless there is a calendar at `path`."""
    if path.exists():
        return
    first = datetime.now(UTC).date() - timedelta(days=1)
    days = [first + timedelta(days=offset) for offset in range(OPEN_DAYS + 1)]
    calendar = _calendar(first, days[-1], "00:00:00", "24:00:00")
    calendar["special_sessions"] = [_session(day, "00:00:00", "24:00:00") for day in days if day.weekday() >= 5]
    write_calendar(path, calendar)


def closed_calendar(today: date) -> dict[str, Any]:
    """A calendar in which today and the coming week are holidays."""
    calendar = _calendar(today, today + timedelta(days=DAYS), "09:15:00", "15:30:00")
    days = [today + timedelta(days=offset) for offset in range(CLOSED_DAYS)]
    calendar["holidays"] = [{"date": day.isoformat(), "name": "lab", "reference": ORIGIN} for day in days]
    return calendar


def session_bounds(now: datetime, *, lead_seconds: int, seconds: int) -> tuple[datetime, datetime]:
    """Open and close, market time, whole seconds; pushed past midnight where the session would straddle it."""
    opens = (now.astimezone(zone()) + timedelta(seconds=lead_seconds)).replace(microsecond=0)
    closes = opens + timedelta(seconds=seconds)
    if closes.date() != opens.date():
        opens = datetime.combine(closes.date(), time(0, 0, 1), zone())
        closes = opens + timedelta(seconds=seconds)
    return opens, closes


def session_calendar(opens: datetime, closes: datetime) -> dict[str, Any]:
    """`closed_calendar` plus one continuous phase from `opens` to `closes` (both market time, same day)."""
    calendar = closed_calendar(opens.date())
    calendar["special_sessions"] = [_session(opens.date(), f"{opens:%H:%M:%S}", f"{closes:%H:%M:%S}")]
    return calendar


def write_calendar(path: Path, calendar: dict[str, Any]) -> None:
    """Replace the calendar file in one step, so that a running reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, (json.dumps(calendar, indent=2) + "\n").encode(), mode=0o644)


def market_today() -> date:
    """The trading date now."""
    return datetime.now(zone()).date()


def announce(path: Path, *, lead_seconds: int, seconds: int) -> tuple[datetime, datetime]:
    """Write a calendar with one session that opens soon; its open and close, market time."""
    opens, closes = session_bounds(datetime.now(UTC), lead_seconds=lead_seconds, seconds=seconds)
    write_calendar(path, session_calendar(opens, closes))
    return opens, closes


def _calendar(first: date, last: date, opens: str, closes: str) -> dict[str, Any]:
    phases = {"continuous": [[opens, closes]]}
    rule = {"from": first.isoformat(), "to": last.isoformat(), "phases": phases, "master": CASH, "reference": ORIGIN}
    common = {"timezone": in_force().zone_name, "market": "lab", "valid_until": last.isoformat()}
    derived = rule | {"master": DERIVATIVES}
    segments = {
        segment: {"phase_rules": [derived if segment in ("nse_fo", "bse_fo") else rule]}
        for segment in OF_MARKET[in_force().name][1:]
    }
    return {**common, "phase_rules": [rule], "holidays": [], "special_sessions": [], "segments": segments}


def _session(day: date, opens: str, closes: str) -> dict[str, Any]:
    phases = {"continuous": [[opens, closes]]}
    return {"date": day.isoformat(), "kind": "lab", "status": "held", "phases": phases, "reference": ORIGIN}
