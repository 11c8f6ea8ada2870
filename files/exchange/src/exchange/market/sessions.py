"""Trading hours: the harvester's calendar, read again when its file changes, or a market that never closes."""

from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from harvester.base.clock import midnight_ns
from harvester.calendar import Phase, Session, TradingCalendar

SEARCH_DAYS = 15


class Sessions(Protocol):
    """Where the book model gets its trading days from."""

    def session(self, day: date) -> Session | None:
        """The trading day, or None when the market is closed all day."""
        ...


def always_open(day: date) -> Session:
    """One continuous session from midnight to midnight, India time."""
    phase = Phase("continuous", midnight_ns(day), midnight_ns(day + timedelta(days=1)))
    return Session(day, "always open", (phase,))


class AlwaysOpen:
    """A market that never closes."""

    def session(self, day: date) -> Session | None:
        return always_open(day)


class CalendarSessions:
    """A calendar file that is read again when it changes, so that a lab can announce a session while we run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp = self._look()
        self._calendar = TradingCalendar.load(path)

    def session(self, day: date) -> Session | None:
        return self._calendar.session(day)

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


def previous_session(sessions: Sessions, day: date) -> Session | None:
    """The last trading day before `day`, looking back two weeks."""
    for back in range(1, SEARCH_DAYS + 1):
        found = sessions.session(day - timedelta(days=back))
        if found:
            return found
    return None
