"""How fast the backfill may ask: as the session's own polls and candles leave room in the account's limits."""

import math
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import TradingCalendar
from harvester.config.candles import SHARE, SPACING_NS
from harvester.config.limits import MINUTE_NS, Need, RequestLimits
from harvester.config.rules import read_resolved
from harvester.config.segments import busy_at
from harvester.config.settings import Settings
from harvester.config.size import request_need, size_of

BEFORE_NS = 5 * MINUTE_NS
"""From so long before a session the requests are the session's: look-ups, tokens, connections."""
LOOK_NS = 30 * NS_PER_SECOND


class Spacing(NamedTuple):
    """Nanoseconds from one request to the next; None: the session leaves none."""

    now_ns: int | None
    in_session: bool


class Pace:
    """Of one host, whose `broker.requests_per_*` are its share of the account."""

    def __init__(self, settings: Settings, calendar: TradingCalendar) -> None:
        self._settings, self._calendar = settings, calendar
        self._need = request_need(settings, size_of(settings, read_resolved(settings.master_dir)))
        self._looked: tuple[int, Spacing] | None = None

    def at(self, wall_ns: int) -> Spacing:
        """The spacing at a moment; it is asked anew each half minute."""
        if self._looked is None or not 0 <= wall_ns - self._looked[0] < LOOK_NS:
            in_session = busy_at(self._settings, self._calendar, wall_ns, BEFORE_NS) is not None
            need = self._need if in_session else Need(0, 0)
            self._looked = wall_ns, Spacing(spacing_ns(self._settings.limits, need), in_session)
        return self._looked[1]

    def daily(self) -> int:
        """Requests of a day that the session leaves."""
        return max(0, int((self._settings.limits.per_day - self._need.per_day) * SHARE))


def spacing_ns(limits: RequestLimits, need: Need) -> int | None:
    """From one request to the next; None where less than one a minute is left."""
    left = (limits.per_minute - need.per_minute) * SHARE
    if left < 1:
        return None
    return max(SPACING_NS, math.ceil(MINUTE_NS / left), math.ceil(NS_PER_SECOND / limits.per_second))
