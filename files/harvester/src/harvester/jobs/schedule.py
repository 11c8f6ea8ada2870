"""When a job is due, as people write it: market time, an interval, or a time of day. All times of day are the market's.

open-10m  close+30m  close     before or after the day's first opening, or its last close
every 15min                    from midnight on; whole intervals make a day
16:00  Sun 16:30  Mon..Fri 09:00,15:00  *-*-01 06:00     as OnCalendar of systemd.time(7), these parts of it
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import in_force, moment_ns, to_local

DAY_SECONDS = 86_400
MOST_AWAY = 6 * 3600
"""Seconds from an opening or a close; farther away another day's are nearer."""
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": DAY_SECONDS}
SPAN = re.compile(r"(\d{1,6})(min|[smhd])")
MARKET = re.compile(r"(open|close)(?:([+-])(\w+))?\Z")
EVERY = re.compile(r"every\s+(\w+)\Z")
CLOCK = re.compile(r"(?:([A-Z][A-Za-z,.]*)\s+)?(?:\*-\*-([0-9,*]+)\s+)?([0-9:,]+)\Z")
TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?\Z")
FORMS = "write open-10m, close+30m, every 15min, 16:00, Sun 16:30, Mon..Fri 09:00,15:00 or *-*-01 06:00"
Hours = tuple[int, int]
"""The first opening and the last close of a trading day, in wall ns."""


class Schedule(Protocol):
    """When a job is due."""

    @property
    def needs_market(self) -> bool:
        """Whether it is due on trading days alone."""
        ...

    @property
    def persistent(self) -> bool:
        """Whether a run that was missed because the host slept is made up for when it wakes."""
        ...

    def moments(self, day: date, hours: Hours | None) -> list[int]:
        """The wall ns at which it is due, of this day in the market; `hours` are None where the market is closed."""
        ...

    def calendars(self, known: Iterable[Hours]) -> list[str]:
        """OnCalendar of its timer, where trading days have these hours."""
        ...


class AtMarket(NamedTuple):
    """`seconds` from the opening or the close."""

    edge: str
    seconds: int
    needs_market: bool = True
    persistent: bool = True

    def moments(self, day: date, hours: Hours | None) -> list[int]:
        return [] if hours is None else [hours[self.edge == "close"] + self.seconds * NS_PER_SECOND]

    def calendars(self, known: Iterable[Hours]) -> list[str]:
        """Each time of day at which it can be due; the run itself asks the calendar whether it is."""
        found = {to_local(hours[self.edge == "close"] + self.seconds * NS_PER_SECOND).time() for hours in known}
        return [f"*-*-* {time:%H:%M:%S} {in_force().zone_name}" for time in sorted(found)]


class Every(NamedTuple):
    seconds: int
    needs_market: bool = False
    persistent: bool = False

    def moments(self, day: date, hours: Hours | None) -> list[int]:
        return sorted({moment_ns(day, at) for at in range(0, DAY_SECONDS, self.seconds)})

    def calendars(self, known: Iterable[Hours]) -> list[str]:
        seconds = self.seconds
        if seconds % 3600 == 0:
            return [f"*-*-* {_from_zero(seconds // 3600, 24)}:00:00 {in_force().zone_name}"]
        if 3600 % seconds == 0 and seconds % 60 == 0:
            return [f"*-*-* *:{_from_zero(seconds // 60, 60)}:00 {in_force().zone_name}"]
        if 3600 % seconds == 0 and 60 % seconds == 0:
            return [f"*-*-* *:*:{_from_zero(seconds, 60)} {in_force().zone_name}"]
        times = (timedelta(seconds=at) for at in range(0, DAY_SECONDS, seconds))
        return [f"*-*-* {time!s:0>8} {in_force().zone_name}" for time in times]


class AtClock(NamedTuple):
    """On these weekdays (Monday is 0) and days of the month; none: on all."""

    weekdays: tuple[int, ...]
    days: tuple[int, ...]
    times: tuple[int, ...]
    needs_market: bool = False
    persistent: bool = True

    def moments(self, day: date, hours: Hours | None) -> list[int]:
        if (self.weekdays and day.weekday() not in self.weekdays) or (self.days and day.day not in self.days):
            return []
        return [moment_ns(day, at) for at in self.times]

    def calendars(self, known: Iterable[Hours]) -> list[str]:
        named = ",".join(WEEKDAYS[number] for number in self.weekdays)
        dates = f"*-*-{','.join(f'{number:02d}' for number in self.days) or '*'}"
        times = (timedelta(seconds=at) for at in self.times)
        return [" ".join(filter(None, (named, dates, f"{time!s:0>8}", in_force().zone_name))) for time in times]


class When(str):
    """A schedule as it is written; `schedule` is what it means."""

    @classmethod
    def parse(cls, text: object) -> "When":
        """Raises ValueError."""
        if not isinstance(text, str):
            raise ValueError(f"must be a text: {FORMS}")
        read_schedule(text)
        return cls(text)

    @property
    def schedule(self) -> Schedule:
        return read_schedule(self)


class Span(int):
    """A number of seconds, written as 90s, 15min, 2h or 1h30m."""

    @classmethod
    def parse(cls, text: object) -> "Span":
        """Raises ValueError."""
        return cls(read_span(text if isinstance(text, str) else ""))


def read_span(text: str) -> int:
    """Seconds of a text such as 15min. Raises ValueError."""
    parts = SPAN.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise ValueError("must be a time such as 90s, 15min, 2h or 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


@lru_cache(maxsize=256)
def read_schedule(text: str) -> Schedule:
    """The schedule that a text means. Raises ValueError that says how one is written."""
    if found := MARKET.match(text):
        away = read_span(found[3]) if found[3] else 0
        if away > MOST_AWAY:
            raise ValueError(f"must be at most {MOST_AWAY // 3600} hours from the {found[1]}")
        return AtMarket(found[1], -away if found[2] == "-" else away)
    if found := EVERY.match(text):
        return Every(_interval(read_span(found[1])))
    if found := CLOCK.match(text):
        return AtClock(_weekdays(found[1] or ""), _days(found[2] or "*"), _times(found[3]))
    raise ValueError(f"is no schedule: {FORMS}")


def _interval(seconds: int) -> int:
    if seconds < 10 or seconds > DAY_SECONDS or DAY_SECONDS % seconds:
        raise ValueError("must be an interval of which whole ones make a day, of 10s at least: such as 5min, 1h or 6h")
    return seconds


def _from_zero(step: int, whole: int) -> str:
    return "*" if step == 1 else "00" if step >= whole else f"00/{step}"


def _weekdays(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("..")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS or ("." in part and not last):
            raise ValueError(
                f"names no weekday: they are {', '.join(WEEKDAYS)}, and Mon..Fri means all from Mon to Fri"
            )
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        found += range(begin, end + 1) if begin <= end else [*range(begin, 7), *range(end + 1)]
    return tuple(sorted(set(found)))


def _days(text: str) -> tuple[int, ...]:
    if text == "*":
        return ()
    numbers = [int(part) if part.isdigit() else 0 for part in text.split(",")]
    if not all(1 <= number <= 31 for number in numbers):
        raise ValueError("names a day of the month that is none: they are 01 to 31")
    return tuple(sorted(set(numbers)))


def _times(text: str) -> tuple[int, ...]:
    found = [TIME.match(part) for part in text.split(",")]
    if not all(found):
        raise ValueError(f"names no time of day: {FORMS}")
    parts = [[int(number or 0) for number in each.groups()] for each in found if each]
    return tuple(sorted({hours * 3600 + minutes * 60 + seconds for hours, minutes, seconds in parts}))
