"""What the role makes units of: the list of jobs, checked, with every default and the calendars of each timer."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from harvester.calendar import SegmentName, TradingCalendar
from harvester.calendar.segments import BY_CODE, guess_segment
from harvester.config.segments import hours_of
from harvester.config.settings import CalendarSettings
from harvester.jobs.model import Job, JobsFile
from harvester.jobs.schedule import Hours, Span


def plan_units(
    jobs: JobsFile, calendar: TradingCalendar, settings: Mapping[str, Any], today: date
) -> list[dict[str, Any]]:
    """A dictionary for each job: its fields, and `unit`, `calendars`, `persistent`, `asks`, `within_seconds`.

    `asks`: whether a run asks the calendar first if it is due. `settings` are those of the recorder, as far as there
    are any, before a host has judged them.
    """
    phases = tuple((settings.get("calendar") or {}).get("phases") or CalendarSettings().phases)
    segments = [name for name in segments_of(settings) if name in calendar.segments]
    known = {hours for name in segments for hours in _hours(calendar.of(name), phases, today)}
    return [_plan(job, sorted(known)) for job in jobs.jobs]


def segments_of(settings: Mapping[str, Any]) -> list[SegmentName]:
    """The segments to which its symbols can belong; every segment where rules stand for symbols, or there are none."""
    groups = [part for part in (settings, *map(settings.get, ("hsm", "tbt", "candles"))) if isinstance(part, Mapping)]
    symbols = [each for part in groups for key in ("symbols", "index_symbols") for each in part.get(key) or ()]
    every = [name for names in BY_CODE.values() for name in names]
    if not symbols or not all(isinstance(each, str) for each in symbols):
        return every
    guessed = {guess_segment(each) for each in symbols}
    return [name for names in BY_CODE.values() if guessed & set(names) for name in names]


def _hours(calendar: TradingCalendar, phases: Any, today: date) -> Iterable[Hours]:
    days = (today + timedelta(days=number) for number in range((calendar.valid_until - today).days + 32))
    return {hours for day in days if (hours := hours_of([calendar], day, phases))}


def _plan(job: Job, known: list[Hours]) -> dict[str, Any]:
    schedule = job.when.schedule
    fields: dict[str, Any] = msgspec.to_builtins(job, enc_hook=_plain)
    return fields | {
        "unit": job.unit,
        "calendars": schedule.calendars(known),
        "persistent": schedule.persistent,
        "asks": job.trading_days,
        "within_seconds": job.within_seconds,
    }


def _plain(value: object) -> object:
    return int(value) if isinstance(value, Span) else str(value)
