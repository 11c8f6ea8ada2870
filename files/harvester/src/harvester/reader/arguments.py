"""What people write for times: dates, moments, ranges of them, zones, and lengths such as 5m."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC as UTC_ZONE
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import Market, day_end_ns, in_force, midnight_ns, to_local
from harvester.reader.errors import OutsideError, QuestionError

When = str | date | datetime
DaysAsked = When | Sequence[When] | None
Markets = Callable[[date], Collection[Market]]
"""The markets of what was recorded on a date that is known: one, but where a lake has hosts of several."""
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
    known: Sequence[date], days: DaysAsked, since: When | None, until: When | None, tz: str | None, markets: Markets
) -> Range:
    """The dates among `known`, ascending, that are asked for. Raises QuestionError or OutsideError.

    `days` is one day or several, each of which must be there; `since` and `until` are dates, the last one included, or
    moments, the last one excluded. A moment without a zone is one of `tz`, which must be given then.
    """
    if days is not None and (since is not None or until is not None):
        raise QuestionError("Give either days, or since and until; not both.")
    if not known:
        raise OutsideError("This lake has no closed day. What a backfill brought, bars(source='broker') answers.")
    if days is not None:
        asked = sorted({to_date(day, known, markets, tz) for day in _several(days)})
        missing = [day for day in asked if day not in known]
        if missing or not asked:
            raise OutsideError(
                f"{missing[0] if missing else 'An empty list'} is no day of this lake: it has {say(known)}."
            )
        return Range(asked, _begin(asked[0], markets(asked[0])), _end(asked[-1], markets(asked[-1])))

    def moment(when: When, edge: Callable[[date, Collection[Market]], int]) -> int:
        if isinstance(day := _read(when), datetime):
            return _wall_ns(day, known, markets, tz)
        return edge(day, markets(_near(day, known)))

    begin, end = (
        moment(known[0] if since is None else since, _begin),
        moment(known[-1] if until is None else until, _end),
    )
    if begin >= end:
        raise QuestionError(f"since={since} is not before until={until}. Give the earlier moment first.")
    inside = [day for day in known if _reaches(begin, end, day, markets)]
    if not inside:
        [market, *_] = markets(_near(to_local(begin).date(), known))
        first, last = to_local(begin, market).date(), to_local(end - 1, market).date()
        raise OutsideError(f"The lake has no day from {first} to {last}: it has {say(known)}.")
    return Range(inside, begin, end)


def _begin(day: date, markets: Collection[Market]) -> int:
    return min(midnight_ns(day, market) for market in markets)


def _end(day: date, markets: Collection[Market]) -> int:
    return max(day_end_ns(day, market) for market in markets)


def _near(day: date, known: Sequence[date]) -> date:
    return min(known, key=lambda each: abs(each - day))


def _reaches(begin: int, end: int, day: date, markets: Markets) -> bool:
    """Whether a day has anything of [begin, end), in wall ns; who recorded it is asked of days near it alone."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC_ZONE).timestamp()) * NS_PER_SECOND
    if midnight + 2 * DAY_NS < begin or end < midnight - DAY_NS:
        return False
    return any(begin < day_end_ns(day, market) and midnight_ns(day, market) < end for market in markets(day))


def say(days: Sequence[date]) -> str:
    """The days in words: all of a few, or their number and ends."""
    if len(days) <= SHOWN:
        return ", ".join(map(str, days))
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def _several(days: DaysAsked) -> Iterable[When]:
    return [days] if isinstance(days, str | date) else list(days or ())


def to_date(day: When, known: Sequence[date], markets: Markets, tz: str | None = None) -> date:
    """The date of a text, a date, or a moment by its market's clock. Raises QuestionError."""
    if isinstance(day, datetime):
        moment = _wall_ns(day, known, markets, tz)
        here = [each for each in known if _reaches(moment, moment + 1, each, markets)]
        return here[0] if here else to_local(moment).date()
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise QuestionError(f"{day!r} is not a date. Write it as 2026-11-23.") from None


def _read(when: When) -> date:
    """A date, or a moment. Raises QuestionError."""
    if isinstance(when, date):
        return when
    try:
        return datetime.fromisoformat(when) if len(when) > len("2026-11-23") else date.fromisoformat(when)
    except (TypeError, ValueError):
        raise QuestionError(
            f"{when!r} is neither a date nor a moment. Write it as 2026-11-23 or 2026-11-23T10:00+05:30."
        ) from None


def _wall_ns(when: datetime, known: Sequence[date], markets: Markets, tz: str | None) -> int:
    """Raises QuestionError for a moment whose zone nobody says."""
    if when.tzinfo is None and tz is None:
        [market, *_] = markets(_near(when.date(), known)) if known else [in_force()]
        raise QuestionError(
            f"{when} has no time zone. Write it as 2026-11-23T10:00+05:30, or give tz={market.zone_name}."
        )
    moment = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(tz or UTC))
    return int(moment.replace(microsecond=0).timestamp()) * NS_PER_SECOND + moment.microsecond * 1_000
