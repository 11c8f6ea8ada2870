"""Which stretches of a day an answer is about: phases of the trading day, as far as they were recorded."""

from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from harvester.base.market import Market
from harvester.reader.days import Day
from harvester.reader.errors import MissingPackageError, OutsideError, QuestionError

ALL = "all"
CONTINUOUS = "continuous"
PHASES = ("pre_open", CONTINUOUS, "closing_auction", "post_close")
SHORT = {"auction": ("pre_open", "closing_auction")}
Asked = str | Collection[str]


class Span(NamedTuple):
    """A stretch [open_ns, close_ns) of a day, wall ns, of one phase."""

    name: str
    open_ns: int
    close_ns: int


def parse_session(session: Asked) -> tuple[str, ...]:
    """Names of phases, or only "all". Raises QuestionError."""
    names = [session] if isinstance(session, str) else list(session)
    found = {phase for name in names for phase in SHORT.get(name, (name,))}
    if found == {ALL}:
        return (ALL,)
    if not found or not found <= {*PHASES}:
        raise QuestionError(
            f"session={session!r} is none of {', '.join((*PHASES, *SHORT, ALL))}, nor a list of them. Leave it out for"
            " continuous trading."
        )
    return tuple(name for name in PHASES if name in found)


def spans_of(day: Day, segment: str, phases: tuple[str, ...]) -> list[Span]:
    """The recorded parts of these phases, by time; of "all" the recorded windows.

    Phases are those that the day was recorded with, or the calendar's where it does not keep them. Raises OutsideError
    where the calendar has no session that day.
    """
    windows = day.windows(segment)
    if phases == (ALL,):
        return [Span(ALL, opens, closes) for opens, closes in windows]
    found = []
    recorded_with = [Span(*phase) for phase in day.phases.get(segment, ())]
    for span in recorded_with or _phases(day.date, segment, day.market, str(day)):
        for opens, closes in windows if span.name in phases else ():
            begin, end = max(span.open_ns, opens), min(span.close_ns, closes)
            if begin < end:
                found.append(Span(span.name, begin, end))
    return sorted(found, key=lambda span: span.open_ns)


@lru_cache(maxsize=256)
def _phases(day: date, segment: str, market: Market, where: str) -> tuple[Span, ...]:
    session = calendar_of(segment, market).session(day)
    if session is None:
        raise OutsideError(
            f"{where}: the calendar has no session of {segment} on that date, so nobody can say what was continuous"
            ' trading. session="all" gives all that was recorded.'
        )
    return tuple(Span(*phase) for phase in session.phases)


def calendar_of(segment: str, market: Market) -> Any:
    """The trading calendar of a segment; the market's main one's of one without hours. Raises MissingPackageError."""
    calendar = _calendar(market)
    return calendar.of(segment if segment in calendar.segments else calendar.segment)


@lru_cache(maxsize=2)
def _calendar(market: Market) -> Any:
    try:
        from harvester.calendar import TradingCalendar
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            error.name or "msgspec", 'The trading calendar, which says what is continuous (without it: session="all"),'
        ) from None
    return TradingCalendar.load(market=market)
