"""The trading calendar as AWS needs it: sessions for the functions, and cron expressions that name each trading day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from harvester.base.clock import to_ist
from harvester.calendar import TradingCalendar

LEAD = timedelta(minutes=10)
"""The host starts so long before the day's first phase: 08:50 on an ordinary day."""
LAG = timedelta(minutes=15)
"""The evening begins so long after the day's last phase: 16:15 on an ordinary day."""
WATCHED = ("pre_open", "continuous", "closing_auction")
HORIZON = timedelta(days=190)
"""How far ahead schedules are written. Past the calendar's own end its last rule goes on, holidays unknown."""


def trading_days(calendar: TradingCalendar, first: date) -> Iterator[tuple[datetime, datetime, datetime]]:
    """(first phase opens, the last watched phase closes, last phase closes) of each trading day up to the horizon."""
    for offset in range(HORIZON.days):
        session = calendar.session(first + timedelta(days=offset))
        if session and session.phases:
            ends = [phase.close_ns for phase in session.phases]
            watched = [phase.close_ns for phase in session.phases if phase.name in WATCHED]
            yield to_ist(session.phases[0].open_ns), to_ist(max(watched or ends)), to_ist(max(ends))


def sessions_file(calendar: TradingCalendar, first: date) -> dict[str, object]:
    """What the functions know of each trading day, in Indian time: open, close, and when the evening begins."""
    sessions = {
        opens.date().isoformat(): [opens.isoformat(), closes.isoformat(), (ends + LAG).isoformat()]
        for opens, closes, ends in trading_days(calendar, first)
    }
    return {"known_until": (first + HORIZON - timedelta(days=1)).isoformat(), "sessions": sessions}


def day_schedules(calendar: TradingCalendar, first: date) -> dict[str, dict[str, str]]:
    """Cron expressions by what happens then: "start" of the hosts, "open" and "close" of the watched session."""
    days = list(trading_days(calendar, first))
    return {
        "start": month_crons([opens - LEAD for opens, _, _ in days]),
        "open": month_crons([opens for opens, _, _ in days]),
        "close": month_crons([closes for _, closes, _ in days]),
    }


def month_crons(moments: Iterable[datetime]) -> dict[str, str]:
    """One cron expression for each month and time of day, by a name such as 2026-11-0850; days are listed."""
    groups: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    for moment in moments:
        groups[(moment.year, moment.month, moment.hour, moment.minute)].append(moment.day)
    expressions = {}
    for (year, month, hour, minute), found in sorted(groups.items()):
        days = ",".join(map(str, found))
        expressions[f"{year}-{month:02d}-{hour:02d}{minute:02d}"] = f"cron({minute} {hour} {days} {month} ? {year})"
    return expressions
