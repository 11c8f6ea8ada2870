"""The trading calendar as AWS needs it: sessions for the functions, and cron expressions that name each trading day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from harvester.base.clock import to_ist
from harvester.base.validation import validate
from harvester.calendar import NSE_CASH, PhaseName, TradingCalendar
from harvester.calendar.segments import SegmentName, guess_segment, in_order
from harvester.config.rules import SymbolRule

LEAD = timedelta(minutes=10)
"""The host starts so long before the day's first phase: 08:50 on an ordinary day."""
LAG = timedelta(minutes=15)
"""The evening begins so long after the day's last phase: 16:15 on an ordinary day."""
WATCHED: tuple[PhaseName, ...] = ("pre_open", "continuous", "closing_auction")
HORIZON = timedelta(days=190)
"""How far ahead schedules are written. Past the calendar's own end its last rule goes on, holidays unknown."""


def calendars_of(calendar: TradingCalendar, symbols: Iterable[str | Mapping[str, Any]]) -> list[TradingCalendar]:
    """The calendars of the segments of tickers, as they look, and of rules; that of NSE cash where none is named."""
    names = in_order(map(_segment_of, symbols)) or [NSE_CASH]
    return [calendar.of(name) for name in names if name in calendar.segments]


def _segment_of(symbol: str | Mapping[str, Any]) -> SegmentName:
    return guess_segment(symbol) if isinstance(symbol, str) else validate(SymbolRule, dict(symbol)).segment


def trading_days(calendars: Sequence[TradingCalendar], first: date) -> Iterator[tuple[datetime, datetime, datetime]]:
    """Of each day on which a segment trades: first opening, last close of a watched phase, last close."""
    for offset in range(HORIZON.days):
        found = (calendar.session(first + timedelta(days=offset)) for calendar in calendars)
        phases = [phase for session in found if session for phase in session.phases]
        if phases:
            ends = [phase.close_ns for phase in phases]
            watched = [phase.close_ns for phase in phases if phase.name in WATCHED]
            yield to_ist(min(phase.open_ns for phase in phases)), to_ist(max(watched or ends)), to_ist(max(ends))


def sessions_file(calendars: Sequence[TradingCalendar], first: date) -> dict[str, object]:
    """What the functions know of each trading day, in Indian time: open, close, and when the evening begins."""
    sessions = {
        opens.date().isoformat(): [opens.isoformat(), closes.isoformat(), (ends + LAG).isoformat()]
        for opens, closes, ends in trading_days(calendars, first)
    }
    return {"known_until": (first + HORIZON - timedelta(days=1)).isoformat(), "sessions": sessions}


def day_schedules(calendars: Sequence[TradingCalendar], first: date) -> dict[str, dict[str, str]]:
    """Cron expressions by what happens then: "start" of the hosts, "open" and "close" of the watched session."""
    days = list(trading_days(calendars, first))
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
