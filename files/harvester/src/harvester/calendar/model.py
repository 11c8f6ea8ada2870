"""The calendar file: dated phase rules, holidays and special sessions, each with the circular it comes from."""

import json
import os
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from harvester.base.errors import ConfigError
from harvester.base.market import MARKETS, Market, in_force
from harvester.base.validation import Model, Refused, validate
from harvester.calendar.segments import OF_MARKET, SegmentName

PhaseName = Literal["pre_open", "continuous", "closing_auction", "post_close"]
TIME_OF_DAY = re.compile(r"^([01][0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?\Z")
DAY_SECONDS = 86_400
ENVIRONMENT = "HARVESTER_CALENDAR"
"""Variable that names the calendar where nothing else does: on the operator's machine that of the inventory."""


class TimeOfDay(int):
    """Seconds since midnight, market time, written as HH:MM or HH:MM:SS."""

    @classmethod
    def parse(cls, text: object) -> "TimeOfDay":
        match = TIME_OF_DAY.match(text) if isinstance(text, str) else None
        if not match:
            raise ValueError("must be a time of day such as 09:15:00")
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        if hours * 3600 + minutes * 60 + seconds > DAY_SECONDS:
            raise ValueError("must not be later than 24:00:00")
        return cls(hours * 3600 + minutes * 60 + seconds)


Window = tuple[TimeOfDay, TimeOfDay]
Phases = Annotated[dict[PhaseName, tuple[Window, ...]], Meta(min_length=1)]


class _Dated(Model, frozen=True):
    phases: Phases
    reference: str

    def __post_init__(self) -> None:
        windows = sorted(window for phase in self.phases.values() for window in phase)
        for opens, closes in windows:
            if opens >= closes:
                raise ValueError("a phase must close after it opens")
        for (_, closes), (opens, _) in pairwise(windows):
            if opens < closes:
                raise ValueError("phases must not overlap")


class PhaseRule(_Dated, frozen=True):
    """The phases of every ordinary trading day from one date to another, both included."""

    first: date = field(name="from")
    last: date | None = field(name="to", default=None)
    master: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{4}\Z")] | None = None
    """What the broker's symbol master says of these hours where it is not first open to last close of `continuous`."""

    def holds(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


class Holiday(Model, frozen=True):
    """A date on which there is no ordinary session."""

    date: date
    name: str
    reference: str


class SpecialSession(_Dated, frozen=True):
    """A session with times of its own, also on a weekend or a holiday."""

    date: date
    kind: str
    status: Literal["held", "confirmed", "provisional"]


def _check_days(rules: tuple[PhaseRule, ...], specials: tuple[SpecialSession, ...]) -> None:
    for rule, following in pairwise(rules):
        if rule.last is None or rule.last >= following.first:
            raise ValueError("phase_rules must be in order of date and must not overlap")
    days = [special.date for special in specials]
    if len(days) != len(set(days)):
        raise ValueError("special_sessions names a date twice; give that date all its windows in one entry")


class SegmentDays(Model, frozen=True):
    """The days of one segment. What it leaves out are the holidays or the special sessions of the file's top level."""

    phase_rules: Annotated[tuple[PhaseRule, ...], Meta(min_length=1)]
    holidays: tuple[Holiday, ...] | None = None
    special_sessions: tuple[SpecialSession, ...] | None = None

    def __post_init__(self) -> None:
        _check_days(self.phase_rules, self.special_sessions or ())


class CalendarFile(Model, frozen=True):
    """The whole file. Times are of the zone's clocks, dates are calendar dates there.

    The top level is about the market's main segment; every other one has its days in `segments`.
    """

    timezone: str
    """The market's zone, as the time zone database names it."""
    market: str
    valid_until: date
    phase_rules: Annotated[tuple[PhaseRule, ...], Meta(min_length=1)]
    holidays: tuple[Holiday, ...] = ()
    special_sessions: tuple[SpecialSession, ...] = ()
    segments: dict[SegmentName, SegmentDays] = field(default_factory=dict)

    def __post_init__(self) -> None:
        zones = [market.zone_name for market in MARKETS.values()]
        if self.timezone not in zones:
            raise ValueError(f"timezone must be that of a market: {' or '.join(zones)}")
        _check_days(self.phase_rules, self.special_sessions)
        if self.main in self.segments:
            raise ValueError(f"segments must not name {self.main}, whose days are the top level")
        if others := set(self.segments) - set(self._own):
            raise ValueError(f"segments must not name {min(others)}, which is of another market")

    @property
    def of(self) -> Market:
        """The market whose clocks the file goes by."""
        return next(market for market in MARKETS.values() if market.zone_name == self.timezone)

    @property
    def main(self) -> SegmentName:
        """The segment that the top level is about."""
        return self._own[0]

    @property
    def _own(self) -> tuple[SegmentName, ...]:
        return OF_MARKET[self.of.name]

    def days_of(self, segment: SegmentName) -> SegmentDays | None:
        """The days of a segment with everything filled in; None when the file has no hours of it."""
        own = self.segments.get(segment)
        if segment != self.main and own is None:
            return None
        holidays, specials = self.holidays, self.special_sessions
        if own is None:
            return SegmentDays(self.phase_rules, holidays, specials)
        return SegmentDays(
            own.phase_rules,
            holidays if own.holidays is None else own.holidays,
            specials if own.special_sessions is None else own.special_sessions,
        )


def packaged(market: Market | None = None) -> Path:
    """The calendar in the package of a market; default: of the one in force."""
    return Path(__file__).with_name(f"{(market or in_force()).name}.json")


def read_calendar(path: Path | None = None, market: Market | None = None) -> CalendarFile:
    """Check a calendar file, by default that of $HARVESTER_CALENDAR or the package's for the market in force.

    Of another market by default the package's. Raises ConfigError naming file, key and rule.
    """
    wanted = market or in_force()
    named = os.environ.get(ENVIRONMENT) if wanted is in_force() else None
    source = path or Path(named or packaged(wanted))
    try:
        file = validate(CalendarFile, json.loads(source.read_bytes()))
    except OSError as error:
        raise ConfigError(
            f"{source}: the trading calendar cannot be read ({error.strerror}). Correct calendar.file in the"
            " configuration, or remove the key to use the calendar in the package."
        ) from error
    except Refused as refused:
        raise ConfigError(f"{source}: the trading calendar is refused:\n{refused}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: the trading calendar is not valid JSON: {error}.") from error
    if file.timezone != wanted.zone_name:
        raise ConfigError(
            f"{source}: the trading calendar is of the zone {file.timezone}, and the market {wanted.name} is in"
            f" {wanted.zone_name}. Name a calendar of this market in calendar.file, or remove the key to use the one"
            " in the package."
        )
    return file
