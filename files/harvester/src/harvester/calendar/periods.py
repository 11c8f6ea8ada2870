"""Which bars a stretch of dates has by the calendar: the date on which each begins, and when it is over.

A bar of a day begins with its date, one of a week with the Monday, one of a month with the first, whether or not there
was trading on that date. It is due when there was a session in it. Before the calendar's facts begin every weekday may
have been a trading day, and nobody can say which bars are missing.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from harvester.base.market import midnight_ns
from harvester.calendar.trading import SATURDAY, TradingCalendar

DAY = timedelta(days=1)


def first_day(resolution: str, day: date) -> date:
    """The date with which the bar begins that holds a day."""
    if resolution == "W":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if resolution == "M" else day


def next_first_day(resolution: str, first: date) -> date:
    """The date with which the bar after one begins."""
    if resolution == "W":
        return first + 7 * DAY
    return (first.replace(day=28) + 4 * DAY).replace(day=1) if resolution == "M" else first + DAY


def over_ns(resolution: str, day: date) -> int:
    """When the bar is over that holds a day, in wall ns; of bars within a day, the day."""
    return midnight_ns(next_first_day(resolution, first_day(resolution, day)))


def trades(calendar: TradingCalendar, day: date) -> bool:
    """Whether there is a session on a day, as far as anybody knows."""
    if day < calendar.valid_from:
        return day.weekday() < SATURDAY
    return calendar.session(day) is not None


def dates_due(calendar: TradingCalendar, resolution: str, since: date, until: date) -> Iterator[date]:
    """The dates with which bars begin that lie whole in [since, until]; of bars within a day, the trading days."""
    first = first_day(resolution, since)
    if first < since:
        first = next_first_day(resolution, first)
    while (after := next_first_day(resolution, first)) <= until + DAY:
        if any(trades(calendar, first + number * DAY) for number in range((after - first).days)):
            yield first
        first = after
