"""When a schedule of EventBridge Scheduler fires: moto stores schedules and fires none.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html: minutes, hours, day of month, month, day of
week, year, in the schedule's time zone.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache

LOWEST = (0, 0, 1, 1, 1970)
HIGHEST = (59, 23, 31, 12, 2199)


def is_due(expression: str, moment: datetime) -> bool:
    """Whether a cron expression fires in the minute of `moment`, a time in the schedule's zone.

    ValueError for what is no cron expression of the kind that ours are: those leave the day of the week open.
    """
    now = (moment.minute, moment.hour, moment.day, moment.month, moment.year)
    return all(value in allowed for value, allowed in zip(now, _parse(expression), strict=True))


@cache
def _parse(expression: str) -> list[frozenset[int]]:
    """The minutes, hours, days, months and years at which it fires."""
    if not (expression.startswith("cron(") and expression.endswith(")")):
        raise ValueError(f"{expression!r}: this timetable knows cron(...) alone")
    fields = expression[5:-1].split()
    if len(fields) != 6 or fields[4] != "?":
        raise ValueError(f"{expression!r}: this timetable knows six fields, of which the fifth is ?")
    parts = zip((*fields[:4], fields[5]), LOWEST, HIGHEST, strict=True)
    return [frozenset(_values(field, lowest, highest)) for field, lowest, highest in parts]


def _values(field: str, lowest: int, highest: int) -> Iterator[int]:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(lowest), str(highest)
        elif not last:
            last = str(highest) if step else first
        yield from range(int(first), int(last) + 1, int(step or 1))
