"""The trading calendar as the functions in AWS need it: the sessions of each trading day."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import in_force, to_local
from harvester.base.validation import validate
from harvester.calendar import PhaseName, TradingCalendar
from harvester.calendar.bars import bar_day
from harvester.calendar.segments import SegmentName, guess_segment, in_order
from harvester.config.candles import CandleSettings
from harvester.config.rules import SymbolRule
from harvester.price_feed.feed_days import WIDTH_NS

LAG = timedelta(minutes=15)
"""The evening begins so long after the day's last phase: 16:15 on an ordinary day."""
BACK = timedelta(days=365)
"""How far back the functions of the price feed know, for a day that is brought again."""
CONTINUOUS: tuple[PhaseName, ...] = ("continuous",)
WATCHED: tuple[PhaseName, ...] = ("pre_open", "continuous", "closing_auction")
HORIZON = timedelta(days=190)
"""How far ahead the functions know. Past the calendar's own end its last rule goes on, holidays unknown."""


def calendars_of(calendar: TradingCalendar, symbols: Iterable[str | Mapping[str, Any]]) -> list[TradingCalendar]:
    """The calendars of the segments of tickers, as they look, and of rules; the main one where none is named."""
    names = in_order(map(_segment_of, symbols)) or [calendar.segment]
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
            yield to_local(min(phase.open_ns for phase in phases)), to_local(max(watched or ends)), to_local(max(ends))


def sessions_file(calendars: Sequence[TradingCalendar], first: date) -> dict[str, object]:
    """What the functions know of each trading day, in market time: open, close, and when the evening begins.

    "trading" has the spans of each day in which there is continuous trading of some segment; "zone" the rules of the
    market's zone. Raises ConfigError where this machine has none.
    """
    sessions: dict[str, list[str]] = {}
    trading: dict[str, list[list[str]]] = {}
    for opens, closes, ends in trading_days(calendars, first):
        day = opens.date()
        sessions[day.isoformat()] = [opens.isoformat(), closes.isoformat(), (ends + LAG).isoformat()]
        trading[day.isoformat()] = [
            [to_local(begins).isoformat(), to_local(ends).isoformat()] for begins, ends in _trading(calendars, day)
        ]
    known_until = (first + HORIZON - timedelta(days=1)).isoformat()
    return {"known_until": known_until, "sessions": sessions, "trading": trading, "zone": zone_rules()}


def zone_rules() -> str:
    """The rules of the market's zone as the time zone database has them (TZif), in Base64."""
    name = in_force().zone_name
    for folder in map(Path, TZPATH):
        if (folder / name).is_file():
            return b64encode((folder / name).read_bytes()).decode()
    raise ConfigError(f"The rules of the time zone {name} are not on this machine. Install the package tzdata.")


def feed_file(calendar: TradingCalendar, symbols: Iterable[str], first: date) -> dict[str, object]:
    """What the functions of the price feed know (harvester.price_feed.feed_days): a year before `first`, and after it.

    Raises ConfigError for a ticker in whose segment the calendar has no hours.
    """
    segments = {symbol: guess_segment(symbol) for symbol in symbols}
    for symbol, segment in segments.items():
        if segment not in calendar.segments:
            raise ConfigError(
                f"aws_functions_feed_symbols: {symbol} belongs to {segment}, of which the calendar has no hours."
            )
    begin, until = first - BACK, first + HORIZON - timedelta(days=1)
    span = [begin + timedelta(days=offset) for offset in range((until - begin).days + 1)]
    days = {
        segment: {day.isoformat(): hours for day in span if (hours := _feed_hours(calendar.of(segment), day))}
        for segment in sorted(set(segments.values()))
    }
    return {"from": begin.isoformat(), "until": until.isoformat(), "symbols": segments, "days": days}


def _feed_hours(calendar: TradingCalendar, day: date) -> dict[str, object] | None:
    """The day's continuous trading and when its bars settle, in seconds since 1970; None: no bars are due."""
    settles_ns = bar_day(calendar.session(day), WIDTH_NS, WATCHED, CandleSettings().final_after_ns).settles_ns
    spans = [[edge // NS_PER_SECOND for edge in span] for span in calendar.windows(day, CONTINUOUS)]
    return {"trading": spans, "settles": settles_ns // NS_PER_SECOND} if spans else None


def _trading(calendars: Sequence[TradingCalendar], day: date) -> list[tuple[int, int]]:
    """Spans of continuous trading in wall ns, those of segments that overlap or touch as one."""
    spans: list[tuple[int, int]] = []
    for begins, ends in sorted(span for calendar in calendars for span in calendar.windows(day, CONTINUOUS)):
        if spans and begins <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(ends, spans[-1][1]))
        else:
            spans.append((begins, ends))
    return spans
