"""Whether the market is open, from the sessions that the build wrote beside this file."""

import json
from base64 import b64decode
from datetime import date, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

SESSIONS = Path(__file__).with_name("sessions.json")
SUNDAY = 6
MAINTENANCE = timedelta(hours=2, minutes=50), timedelta(hours=5)
"""Each Sunday, market time: hosts that sleep outside sessions run from the one to the other, and install their security
upgrades (host_baseline's timers). No session is ever at that time."""


@cache
def zone(sessions: Path = SESSIONS) -> ZoneInfo:
    """The zone of the market, by the rules that the build put there: Lambda's image may lack them."""
    return ZoneInfo.from_file(BytesIO(b64decode(_parse(sessions)["zone"])))


def session_at(moment: datetime, sessions: Path = SESSIONS) -> tuple[datetime, datetime, datetime] | None:
    """Open, close, and begin of the evening of the moment's market day, or None when nothing trades that day.

    ValueError when the day is after the last one that the build knew: the archive must be built anew.
    """
    return _session_of(moment.astimezone(zone(sessions)).date(), sessions)


def opening_after(moment: datetime, sessions: Path = SESSIONS) -> datetime | None:
    """When the first session opens on a day after that of the moment; None: none that this archive knows."""
    today = moment.astimezone(zone(sessions)).date().isoformat()
    later = [day for day in _parse(sessions)["sessions"] if day > today]
    return datetime.fromisoformat(_parse(sessions)["sessions"][min(later)][0]) if later else None


def trading_since(moment: datetime, sessions: Path = SESSIONS) -> datetime | None:
    """When the continuous trading began in which the moment is; None: in none. ValueError as of `session_at`."""
    day = moment.astimezone(zone(sessions)).date()
    spans = _read(day, sessions)["trading"].get(day.isoformat(), ())
    times = [(datetime.fromisoformat(begins), datetime.fromisoformat(ends)) for begins, ends in spans]
    return next((begins for begins, ends in times if begins <= moment < ends), None)


def evening_at(moment: datetime, length: timedelta, sessions: Path = SESSIONS) -> tuple[date, datetime] | None:
    """The trading day in whose evening the moment is, and when that began; also after midnight. None: in none.

    ValueError as of `session_at`.
    """
    today = moment.astimezone(zone(sessions)).date()
    for day in (today, today - timedelta(days=1)):
        session = _session_of(day, sessions)
        if session and session[2] <= moment < session[2] + length:
            return day, session[2]
    return None


def maintenance_at(
    moment: datetime, after: timedelta = timedelta(0), sessions: Path = SESSIONS
) -> tuple[datetime, datetime] | None:
    """Begin and end of the weekly maintenance in which, or up to `after` its end, the moment is; None: in none."""
    here = moment.astimezone(zone(sessions))
    midnight = datetime(here.year, here.month, here.day, tzinfo=here.tzinfo)
    # Of a time that the clock skips in spring: as if it had been set already, so that no host is started before it.
    begins, ends = ((midnight + since).replace(fold=1) for since in MAINTENANCE)
    return (begins, ends) if here.weekday() == SUNDAY and begins <= here < ends + after else None


def _session_of(date_: date, sessions: Path) -> tuple[datetime, datetime, datetime] | None:
    found = _read(date_, sessions)["sessions"].get(date_.isoformat())
    if found is None:
        return None
    opens, closes, evening = (datetime.fromisoformat(text).astimezone(zone(sessions)) for text in found)
    return opens, closes, evening


def _read(date_: date, sessions: Path) -> Any:
    data = _parse(sessions)
    if date_.isoformat() > data["known_until"]:
        raise ValueError(f"{date_} is after {data['known_until']}, the last day this archive knows; run site.yml again")
    return data


@cache
def _parse(sessions: Path) -> Any:
    """Once for as long as this copy of the function lives: its archive does not change."""
    return json.loads(sessions.read_bytes())
