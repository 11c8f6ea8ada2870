"""What an entry of the list is judged by, and what it finds."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from harvester.calendar import PhaseName, TradingCalendar
from harvester.config.segments import calendars_of
from harvester.config.settings import Settings
from harvester.health.facts import Facts
from harvester.health.installed import Installed

Gravity = Literal["info", "warning", "critical"]


class View(NamedTuple):
    """`watched_ns`: when the watch looked last. `calendars`: of the segments that are recorded; None: not known."""

    installed: Installed
    facts: Facts
    now_ns: int
    watched_ns: int | None
    reserve_bytes: int
    calendars: Sequence[TradingCalendar] | None = None
    phases: tuple[PhaseName, ...] = ()

    @property
    def in_session(self) -> bool:
        """Whether what is not recorded now is lost; where nobody knows, it is."""
        if not self.installed.records:
            return False
        return self.calendars is None or any(each.is_open(self.now_ns, self.phases) for each in self.calendars)


class Fault(NamedTuple):
    """What is not true, and the command that makes it so. `info`: it works, and somebody should look."""

    detail: str
    fix: str
    gravity: Gravity = "warning"


RESERVE_BYTES = 268_435_456
"""`disk_reserve_bytes` where no configuration can be read."""


def make_view(
    installed: Installed,
    facts: Facts,
    *,
    settings: Settings | None,
    calendar: TradingCalendar | None,
    watched_ns: int | None,
    now_ns: int,
) -> View:
    """What the list is judged by, where `settings` or `calendar` may be unreadable."""
    return View(
        installed,
        facts,
        now_ns,
        watched_ns,
        settings.disk_reserve_bytes if settings else RESERVE_BYTES,
        calendars_of(settings, calendar) if settings and calendar else None,
        settings.calendar.phases if settings else (),
    )
