"""What people write for times: dates, moments, ranges of them, zones, and lengths such as 5m."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import day_end_ns, in_force, midnight_ns, to_local
from harvester.reader.errors import OutsideError, QuestionError

When = str | date | datetime
DaysAsked = When | Sequence[When] | None
UNITS_NS = {"ms": 1_000_000, "s": NS_PER_SECOND, "m": 60 * NS_PER_SECOND, "h": 3_600 * NS_PER_SECOND}
LENGTH = re.compile(r"([1-9][0-9]*)(ms|s|m|h)", re.ASCII)
UTC = "UTC"
DAY_NS = 86_400 * NS_PER_SECOND
SHOWN = 5


class Range(NamedTuple):
    """Dates, ascending, and the moments [begin_ns, end_ns) inside them that count."""

    dates: list[date]
    begin_ns: int
    end_ns: int


def parse_every(every: str | timedelta) -> int:
    """A length in ns, of text such as 500ms, 1s, 5m or 1h. Raises QuestionError."""
    if isinstance(every, timedelta):
        length = round(every / timedelta(microseconds=1)) * 1_000
    else:
        match = LENGTH.fullmatch(every) if isinstance(every, str) else None
        length = int(match[1]) * UNITS_NS[match[2]] if match else 0
    if length < UNITS_NS["ms"] or length > DAY_NS:
        raise QuestionError(f"every={every!r} is no length from 1 ms to a day. Write it as 500ms, 1s, 5m or 1h.")
    return length


def parse_zone(tz: str | None) -> str:
    """A name of the time zone database, UTC where none is given. Raises QuestionError."""
    if tz is None:
        return UTC
    try:
        ZoneInfo(tz)
    except (ValueError, OSError, KeyError, TypeError):
        raise QuestionError(f"tz={tz!r} is no time zone. Write it as {in_force().zone_name} or UTC.") from None
    return tz


def parse_range(
    known: Sequence[date], days: DaysAsked, since: When | None, until: When | None, tz: str | None
) -> Range:
    """The dates among `known` that are asked for. Raises QuestionError or OutsideError.

    `days` is one day or several, each of which must be there; `since` and `until` are dates, the last one included, or
    moments, the last one excluded. A moment without a zone is one of `tz`, which must be given then.
    """
    if days is not None and (since is not None or until is not None):
        raise QuestionError("Give either days, or since and until; not both.")
    if days is not None:
        asked = sorted({to_date(day, tz) for day in _several(days)})
        missing = [day for day in asked if day not in known]
        if missing or not asked:
            raise OutsideError(
                f"{missing[0] if missing else 'An empty list'} is no day of this lake: it has {say(known)}."
            )
        return Range(asked, midnight_ns(asked[0]), day_end_ns(asked[-1]))
    begin = midnight_ns(known[0]) if since is None else _moment(since, tz, at_end=False)
    end = day_end_ns(known[-1]) if until is None else _moment(until, tz, at_end=True)
    if begin >= end:
        raise QuestionError(f"since={since} is not before until={until}. Give the earlier moment first.")
    first, last = to_local(begin).date(), to_local(end - 1).date()
    inside = [day for day in known if first <= day <= last]
    if not inside:
        raise OutsideError(f"The lake has no day from {first} to {last}: it has {say(known)}.")
    return Range(inside, begin, end)


def say(days: Sequence[date]) -> str:
    """The days in words: all of a few, or their number and ends."""
    if len(days) <= SHOWN:
        return ", ".join(map(str, days))
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def _several(days: DaysAsked) -> Iterable[When]:
    return [days] if isinstance(days, str | date) else list(days or ())


def to_date(day: When, tz: str | None = None) -> date:
    """The date of a text, a date or a moment, in the market. Raises QuestionError."""
    if isinstance(day, datetime):
        return to_local(_moment(day, tz, at_end=False)).date()
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise QuestionError(f"{day!r} is not a date. Write it as 2026-11-23.") from None


def _moment(when: When, tz: str | None, *, at_end: bool) -> int:
    """Wall ns; of a date its begin in the market, or its end."""
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when) if len(when) > len("2026-11-23") else date.fromisoformat(when)
        except ValueError:
            raise QuestionError(
                f"{when!r} is neither a date nor a moment. Write it as 2026-11-23 or 2026-11-23T10:00+05:30."
            ) from None
    if isinstance(when, datetime):
        if when.tzinfo is None and tz is None:
            raise QuestionError(
                f"{when} has no time zone. Write it as 2026-11-23T10:00+05:30, or give tz={in_force().zone_name}."
            )
        moment = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(tz or UTC))
        whole = int(moment.replace(microsecond=0).timestamp())
        return whole * NS_PER_SECOND + moment.microsecond * 1_000
    if isinstance(when, date):
        return day_end_ns(when) if at_end else midnight_ns(when)
    raise QuestionError(f"{when!r} is neither a date nor a moment. Write it as 2026-11-23 or 2026-11-23T10:00+05:30.")
