"""Questions to the calendar: which phases a date has, whether a moment is inside one, when that changes next."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import Market, moment_ns, to_local
from harvester.calendar.model import CalendarFile, PhaseName, PhaseRule, Phases, read_calendar
from harvester.calendar.segments import SEGMENTS, Hours, SegmentName

SATURDAY = 5
SEARCH_DAYS = 400
LIST_DAYS = 16
"""The exchange publishes the coming year's list around 12 December: from 16 days before the end it should be here."""
Outlook = Literal["known", "ending", "over"]
DAY_NS = 86_400 * NS_PER_SECOND


class Phase(NamedTuple):
    """One phase of one day: [open_ns, close_ns) in wall nanoseconds."""

    name: PhaseName
    open_ns: int
    close_ns: int


class Session(NamedTuple):
    """One trading day. `kind` is "ordinary", or that of a special session such as "muhurat"."""

    date: date
    kind: str
    phases: tuple[Phase, ...]
    provisional: bool = False
    """Expected, without the exchange's circular."""


class TradingCalendar:
    """When a segment is open. After `valid_until` its last phase rule goes on: polling on a holiday is harmless.

    The calendar of a file is that of its main segment; `of` gives those of the others.
    """

    def __init__(self, file: CalendarFile, segment: SegmentName | None = None) -> None:
        """`segment`: default: the file's main one. Raises ConfigError when the file has no hours of it."""
        segment = segment or file.main
        days = file.days_of(segment)
        if days is None:
            raise ConfigError(
                f"The trading calendar has no hours of the segment {segment}. Add them to the calendar file under"
                " segments, with their source, or leave the segment's symbols out."
            )
        self.segment, self.market = segment, file.of
        self.valid_from, self.valid_until = days.phase_rules[0].first, file.valid_until
        self._file = file
        self._rules = days.phase_rules
        self._holidays = frozenset(holiday.date for holiday in days.holidays or ())
        self._special = {special.date: special for special in days.special_sessions or ()}
        self._changes: dict[frozenset[PhaseName], tuple[int, int | None]] = {}
        self._merged = lru_cache(maxsize=8)(self._merge_windows)
        self._others: dict[SegmentName, TradingCalendar] = {segment: self}

    @classmethod
    def load(cls, path: Path | None = None, market: Market | None = None) -> "TradingCalendar":
        """Read a calendar file, or the one in the package; `market`: default: the one in force.

        Raises ConfigError naming file, key and rule.
        """
        return cls(read_calendar(path, market))

    @property
    def segments(self) -> tuple[SegmentName, ...]:
        """The segments whose hours the file has."""
        return tuple(name for name in SEGMENTS if self._file.days_of(name))

    def of(self, segment: SegmentName) -> "TradingCalendar":
        """The calendar of a segment. Raises ConfigError when the file has no hours of it."""
        if segment not in self._others:
            self._others[segment] = TradingCalendar(self._file, segment)
        return self._others[segment]

    def session(self, day: date) -> Session | None:
        """The trading day, or None when the market is closed all day."""
        special = self._special.get(day)
        if special:
            return Session(day, special.kind, self._phases(day, special.phases), special.status == "provisional")
        if day.weekday() >= SATURDAY or day in self._holidays:
            return None
        rule = self._rule(day)
        return Session(day, "ordinary", self._phases(day, rule.phases)) if rule else None

    def _rule(self, day: date) -> PhaseRule | None:
        return next((rule for rule in self._rules if rule.holds(day)), None)

    def master_hours(self, day: date) -> Hours | None:
        """What the broker's symbol master should say of an ordinary day's hours at this date; None: no facts."""
        rule = self._rule(day)
        if rule is None or not (rule.master or "continuous" in rule.phases):
            return None
        if rule.master:
            return Hours(*rule.master.split("-"))
        spans = [edge for window in rule.phases["continuous"] for edge in window]
        return Hours(*(f"{edge // 3600:02d}{edge // 60 % 60:02d}" for edge in (min(spans), max(spans))))

    def windows(self, day: date, phases: Collection[PhaseName]) -> list[tuple[int, int]]:
        """Windows [open_ns, close_ns) of the named phases, in order; phases that touch make one window."""
        return list(self._merged(day, frozenset(phases)))

    def _merge_windows(self, day: date, phases: frozenset[PhaseName]) -> list[tuple[int, int]]:
        session = self.session(day)
        merged: list[tuple[int, int]] = []
        for phase in session.phases if session else ():
            if phase.name not in phases:
                continue
            if merged and merged[-1][1] == phase.open_ns:
                merged[-1] = (merged[-1][0], phase.close_ns)
            else:
                merged.append((phase.open_ns, phase.close_ns))
        return merged

    def window_at(self, wall_ns: int, phases: Collection[PhaseName]) -> tuple[int, int] | None:
        """The window that holds the moment, or None."""
        for window in self.windows(self.trading_date(wall_ns), phases):
            if window[0] <= wall_ns < window[1]:
                return window
        return None

    def is_open(self, wall_ns: int, phases: Collection[PhaseName]) -> bool:
        """Whether the moment is inside one of the named phases."""
        return self.window_at(wall_ns, phases) is not None

    def phases_at(self, wall_ns: int) -> list[PhaseName]:
        """Names of the phases that are on at the moment: one or none."""
        session = self.session(self.trading_date(wall_ns))
        return [phase.name for phase in session.phases if phase.open_ns <= wall_ns < phase.close_ns] if session else []

    def next_change(self, wall_ns: int, phases: Collection[PhaseName]) -> int | None:
        """When, after `wall_ns`, a window of the named phases opens or closes next; None: not within a year."""
        key = frozenset(phases)
        asked_ns, change_ns = self._changes.get(key, (wall_ns + 1, None))
        if asked_ns <= wall_ns < (change_ns or asked_ns + DAY_NS):
            return change_ns
        change_ns = self._find_change(wall_ns, key)
        self._changes[key] = (wall_ns, change_ns)
        return change_ns

    def _find_change(self, wall_ns: int, phases: frozenset[PhaseName]) -> int | None:
        day = self.trading_date(wall_ns)
        for offset in range(SEARCH_DAYS):
            for window in self._merged(day + timedelta(days=offset), phases):
                for edge in window:
                    if edge > wall_ns:
                        return edge
        return None

    def longest_day_ns(self, phases: Collection[PhaseName]) -> int:
        """The time that the named phases take on the longest ordinary day of any rule."""
        days = [self._phases(rule.first, rule.phases) for rule in self._rules]
        return max(sum(phase.close_ns - phase.open_ns for phase in day if phase.name in phases) for day in days)

    def mean_day_ns(self, counts: Mapping[SegmentName, int], phases: Collection[PhaseName]) -> int:
        """`longest_day_ns` on average over so many symbols of each segment; 0 without any."""
        known = {name: name if name in self.segments else self._file.main for name in counts}
        times = (self.of(known[name]).longest_day_ns(phases) * count for name, count in counts.items())
        return sum(times) // max(1, sum(counts.values()))

    def trading_date(self, wall_ns: int) -> date:
        """The date in the market at the moment."""
        return to_local(wall_ns, self.market).date()

    def knows(self, day: date) -> bool:
        """Whether the calendar has facts of the day: elsewhere its answers are the last rule's, or none."""
        return self.valid_from <= day <= self.valid_until

    def outlook(self, day: date) -> Outlook:
        """How far the facts reach: "ending" when the following list is due, "over" after the last trading day."""
        left = self.days_left(day)
        if left > LIST_DAYS:
            return "known"
        ahead = (day + timedelta(days=offset) for offset in range(left + 1))
        return "ending" if any(self.session(each) for each in ahead) else "over"

    def days_left(self, day: date) -> int:
        """Days until the calendar's facts end; negative when they have."""
        return (self.valid_until - day).days

    def _phases(self, day: date, phases: Phases) -> tuple[Phase, ...]:
        spans = [
            Phase(name, moment_ns(day, opens, self.market), moment_ns(day, closes, self.market))
            for name, windows in phases.items()
            for opens, closes in windows
        ]
        return tuple(sorted(spans, key=lambda phase: phase.open_ns))
