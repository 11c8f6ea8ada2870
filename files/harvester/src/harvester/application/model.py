"""What the role application says of the application, as a file on the host."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.validation import Model, Refused, validate
from harvester.jobs.schedule import AtClock, AtMarket, Hours, When

FILE = Path("/etc/harvester/application.json")
VARIABLE = "HARVESTER_APPLICATION"
Unit = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}\.service\Z")]
Address = Annotated[str, Meta(pattern=r"^(http://(127\.0\.0\.1|localhost):[0-9]{1,5}(/[^\s]*)?)?\Z")]
EDGE = "must be one time of each trading day, such as 08:55, open-5m or close+5m"


class Application(Model, frozen=True, kw_only=True):
    """Its unit, its hours on trading days, and where it says that it is well (empty: nowhere)."""

    unit: Unit
    start: When
    stop: When
    health: Address = ""

    def __post_init__(self) -> None:
        for name, when in (("start", self.start), ("stop", self.stop)):
            schedule = when.schedule
            once = isinstance(schedule, AtClock) and len(schedule.times) == 1 and not schedule.weekdays + schedule.days
            if not (once or isinstance(schedule, AtMarket)):
                raise ValueError(f"{name} {EDGE}, not {str(when)!r}")
        first, last = self.start.schedule, self.stop.schedule
        if isinstance(first, AtClock) and isinstance(last, AtClock) and first.times >= last.times:
            raise ValueError(f"stop ({self.stop}) must be later on the day than start ({self.start})")

    def span(self, day: date, market: Hours | None) -> Hours | None:
        """Wall ns of its start and its stop on a day; None where `market` is closed, or it would end first."""
        if market is None:
            return None
        [begins] = self.start.schedule.moments(day, market)
        [ends] = self.stop.schedule.moments(day, market)
        return (begins, ends) if begins < ends else None

    def is_inside(self, wall_ns: int, hours: Callable[[date], Hours | None]) -> bool:
        """Whether a moment is within the hours of its day in India."""
        day = to_local(wall_ns).date()
        span = self.span(day, hours(day))
        return span is not None and span[0] <= wall_ns < span[1]


def load_application(path: Path | None = None) -> Application:
    """The application of this host. Raises ConfigError: there is none, or the file is refused."""
    source = path or Path(os.environ.get(VARIABLE) or FILE)
    try:
        return validate(Application, json.loads(source.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(
            f"{source} is not there: this host has no application. The inventory names one by application_source or"
            " application_repository, and ./inv deploy brings it."
        ) from None
    except Refused as refused:
        raise ConfigError(f"{source}: the application is refused. ./inv deploy writes it.\n{refused}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source}: it cannot be read ({error}). ./inv deploy writes it.") from error
