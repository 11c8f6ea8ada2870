"""The calendar file: dated phase rules, holidays and special sessions, each with the circular it comes from."""

import json
import re
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from harvester.base.errors import ConfigError
from harvester.base.validation import StrictModel, explain
from harvester.calendar.facts import Facts, PhaseName, Rule, Special

TIME_OF_DAY = re.compile(r"^([01][0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?$")
DAY_SECONDS = 86_400


def _parse_time(text: object) -> object:
    match = TIME_OF_DAY.match(text) if isinstance(text, str) else None
    if not match:
        raise ValueError("must be a time of day such as 09:15:00")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours * 3600 + minutes * 60 + seconds > DAY_SECONDS:
        raise ValueError("must not be later than 24:00:00")
    return hours * 3600 + minutes * 60 + seconds


TimeOfDay = Annotated[int, BeforeValidator(_parse_time)]
"""Written as HH:MM:SS in India time, held as seconds since midnight."""
Window = tuple[TimeOfDay, TimeOfDay]
Phases = Annotated[dict[PhaseName, tuple[Window, ...]], Field(min_length=1)]


class _Dated(StrictModel):
    phases: Phases
    reference: str

    @model_validator(mode="after")
    def _check_windows(self) -> "_Dated":
        windows = sorted(window for phase in self.phases.values() for window in phase)
        for opens, closes in windows:
            if opens >= closes:
                raise ValueError("a phase must close after it opens")
        for (_, closes), (opens, _) in pairwise(windows):
            if opens < closes:
                raise ValueError("phases must not overlap")
        return self


class PhaseRule(_Dated):
    """The phases of every ordinary trading day from one date to another, both included."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date | None, Field(alias="to")] = None


class Holiday(StrictModel):
    """A date on which there is no ordinary session."""

    date: date
    name: str
    reference: str


class SpecialSession(_Dated):
    """A session with times of its own, also on a weekend or a holiday."""

    date: date
    kind: str
    status: Literal["held", "confirmed", "provisional"]


class CalendarFile(StrictModel):
    """The whole file. Times are India time (a fixed offset), dates are calendar dates there."""

    timezone: Literal["Asia/Kolkata"]
    market: str
    valid_until: date
    phase_rules: Annotated[tuple[PhaseRule, ...], Field(min_length=1)]
    holidays: tuple[Holiday, ...] = ()
    special_sessions: tuple[SpecialSession, ...] = ()

    @model_validator(mode="after")
    def _check_dates(self) -> "CalendarFile":
        for rule, following in pairwise(self.phase_rules):
            if rule.last is None or rule.last >= following.first:
                raise ValueError("phase_rules must be in order of date and must not overlap")
        days = [special.date for special in self.special_sessions]
        if len(days) != len(set(days)):
            raise ValueError("special_sessions names a date twice; give that date all its windows in one entry")
        return self

    @property
    def facts(self) -> Facts:
        """The same without circulars and names."""
        return Facts(
            self.valid_until,
            tuple(Rule(rule.first, rule.last, rule.phases) for rule in self.phase_rules),
            frozenset(holiday.date for holiday in self.holidays),
            {special.date: Special(special.kind, special.phases) for special in self.special_sessions},
        )


def read_calendar(path: Path | None = None) -> Facts:
    """Check a calendar file, or the one in the package. Raises ConfigError naming file, key and rule."""
    source = path or files("harvester.calendar").joinpath("nse.json")
    try:
        return CalendarFile.model_validate(json.loads(source.read_bytes())).facts
    except OSError as error:
        raise ConfigError(
            f"{source}: the trading calendar cannot be read ({error.strerror}). Correct calendar.file in the"
            " configuration, or remove the key to use the calendar in the package."
        ) from error
    except ValidationError as error:
        raise ConfigError(f"{source}: the trading calendar is refused:\n{explain(error, CalendarFile)}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: the trading calendar is not valid JSON: {error}.") from error
