"""Trading hours: the harvester's calendar, read again when its file changes, or a market that never closes."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from exchange.market.instruments import Instrument
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.calendar import NSE_CASH, Phase, SegmentName, Session, TradingCalendar
from harvester.calendar.segments import Hours, candidates, parse_hours

SEARCH_DAYS = 15
SESSION = 6
"""Column of a master's row with the trading hours."""
CLASS_CLOSES: dict[SegmentName, str] = {"mcx_agri_global": "2100", "mcx_agri": "1700"}
"""By which commodities that close earlier than the others are known."""


class Sessions(Protocol):
    """Where the book model gets its trading days from."""

    def session(self, day: date) -> Session | None:
        """The trading day, or None when the market is closed all day."""
        ...

    def of(self, instrument: Instrument) -> "Sessions":
        """The trading days of an instrument's segment."""
        ...


def always_open(day: date) -> Session:
    """One continuous session from midnight to midnight, market time."""
    phase = Phase("continuous", midnight_ns(day), midnight_ns(day + timedelta(days=1)))
    return Session(day, "always open", (phase,))


class AlwaysOpen:
    """A market that never closes."""

    def session(self, day: date) -> Session | None:
        return always_open(day)

    def of(self, instrument: Instrument) -> Sessions:
        return self


class SegmentSessions:
    """The days of one segment, or those of the main one where the calendar has no hours of it."""

    def __init__(self, calendars: "CalendarSessions", segment: SegmentName, hours: Hours | None) -> None:
        """`hours`: of every trading day, whatever the calendar says."""
        self._calendars = calendars
        self._segment = segment
        self._hours = hours

    def session(self, day: date) -> Session | None:
        calendar = self._calendars.calendar
        found = (calendar.of(self._segment) if self._segment in calendar.segments else calendar).session(day)
        if found is None or self._hours is None:
            return found
        opens, closes = (midnight_ns(day) + _after_midnight_ns(text) for text in self._hours)
        return found._replace(phases=(Phase("continuous", opens, closes),))

    def of(self, instrument: Instrument) -> Sessions:
        return self._calendars.of(instrument)


class CalendarSessions:
    """A calendar file that is read again when it changes, so that a lab can announce a session while we run."""

    def __init__(self, path: Path | None, hours: Mapping[SegmentName, Hours] | None = None) -> None:
        """`hours` of a segment hold on every day of it, whatever the calendar says."""
        self._hours = hours or {}
        self._path = path
        self._stamp = self._look()
        self._calendar = TradingCalendar.load(path)

    @property
    def calendar(self) -> TradingCalendar:
        """The calendar in force."""
        return self._calendar

    def session(self, day: date) -> Session | None:
        return self.of_segment(NSE_CASH).session(day)

    def of_segment(self, segment: SegmentName) -> SegmentSessions:
        """The trading days of a segment."""
        return SegmentSessions(self, segment, self._hours.get(segment))

    def of(self, instrument: Instrument) -> SegmentSessions:
        return self.of_segment(segment_of(instrument))

    def reload_if_changed(self) -> bool:
        """Read the file again when it was replaced. A refused file raises ConfigError; the old one stays in force."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._calendar = TradingCalendar.load(self._path)
        return True

    def _look(self) -> tuple[int, int] | None:
        if self._path is None or not self._path.exists():
            return None
        found = self._path.stat()
        return found.st_mtime_ns, found.st_ino


def segment_of(instrument: Instrument) -> SegmentName:
    """The segment of an instrument by its fyToken; of several classes the one whose close its master row names.

    All stocks count as having derivatives, as those of the market model do.
    """
    names = candidates(instrument.token) or (NSE_CASH,)
    stated = parse_hours(instrument.row[SESSION])
    return next((name for name in names if stated and stated.closes == CLASS_CLOSES.get(name)), names[0])


def state_hours(instruments: Mapping[str, Instrument], hours: Mapping[SegmentName, Hours]) -> dict[str, Instrument]:
    """The instruments, with the hours of their segments in the session column of their master's rows."""
    stated = {}
    for ticker, item in instruments.items():
        own = hours.get(segment_of(item))
        said = f"{own.opens}-{own.closes}|1815-1915:" if own else item.row[SESSION]
        stated[ticker] = item._replace(row=(*item.row[:SESSION], said, *item.row[SESSION + 1 :]))
    return stated


def _after_midnight_ns(text: str) -> int:
    return (int(text[:2]) * 60 + int(text[2:])) * 60 * NS_PER_SECOND


def previous_session(sessions: Sessions, day: date) -> Session | None:
    """The last trading day before `day`, looking back two weeks."""
    for back in range(1, SEARCH_DAYS + 1):
        found = sessions.session(day - timedelta(days=back))
        if found:
            return found
    return None
