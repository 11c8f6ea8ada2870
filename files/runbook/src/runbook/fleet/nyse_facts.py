"""Runs in the venv of requirements/calendars.txt: the days of NYSE as exchange_calendars has them, as JSON. FIRST LAST.

FIRST and LAST are years. It imports nothing of ours: the venv has none of it.
"""

import json
import sys
from importlib.metadata import version
from typing import Any

import exchange_calendars  # type: ignore[import-not-found]

ADHOC = "closed by a decision of the exchange"
WEEKEND = (5, 6)


def facts(first: int, last: int) -> dict[str, Any]:
    """{"version", "zone", "opens", "closes", "holidays": {date: name}, "early": {date: close}}, without weekends."""
    begin, end = f"{first}-01-01", f"{last}-12-31"
    calendar = exchange_calendars.get_calendar("XNYS", start=begin, end=end)
    named = calendar.regular_holidays.holidays(begin, end, return_name=True)
    holidays = {day.date().isoformat(): name for day, name in named.items() if day.weekday() not in WEEKEND}
    for day in calendar.adhoc_holidays:
        if first <= day.year <= last and day.weekday() not in WEEKEND:
            holidays[day.date().isoformat()] = ADHOC
    closes = calendar.closes.dt.tz_convert(calendar.tz)
    early = {
        day.date().isoformat(): closes[day].strftime("%H:%M:%S")
        for day in calendar.early_closes
        if first <= day.year <= last
    }
    [(_, opens)], [(_, usual)] = calendar.open_times, calendar.close_times
    return {
        "version": version("exchange_calendars"),
        "zone": str(calendar.tz),
        "opens": opens.isoformat(),
        "closes": usual.isoformat(),
        "holidays": dict(sorted(holidays.items())),
        "early": early,
    }


if __name__ == "__main__":
    print(json.dumps(facts(int(sys.argv[1]), int(sys.argv[2]))))
