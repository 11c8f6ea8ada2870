"""The broker's request limits: 10 a second, 200 a minute, 100,000 a day, and the block after repeated breaches.

Source: Fyers API docs, rate limits. Counted per app over all endpoints, in windows of the clock.
"""

from dataclasses import dataclass, field

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import midnight_ns, to_local

PER_SECOND, PER_MINUTE, PER_DAY = 10, 200, 100_000
MINUTE_BREACHES = 3
"""After more than so many minutes over the limit the app is blocked for the rest of the day."""
DAY_SECONDS = 86_400


@dataclass
class _Usage:
    day: int = -1
    minute: int = -1
    second: int = -1
    in_day: int = 0
    in_minute: int = 0
    in_second: int = 0
    breached: set[int] = field(default_factory=set)


class RateLimits:
    """Counts requests per app; switched off it lets everything through."""

    def __init__(self, clock: Clock, *, enabled: bool) -> None:
        self.enabled = enabled
        self._clock = clock
        self._usage: dict[str, _Usage] = {}

    def take(self, app_id: str) -> float | None:
        """Count one request; None when it is allowed, else the seconds until the next may be."""
        if not self.enabled:
            return None
        now = self._clock.wall_ns()
        usage = self._usage.setdefault(app_id, _Usage())
        midnight = midnight_ns(to_local(now).date())
        self._turn(usage, midnight, now // NS_PER_SECOND)
        usage.in_day += 1
        usage.in_minute += 1
        usage.in_second += 1
        if usage.in_minute > PER_MINUTE:
            usage.breached.add(usage.minute)
        second = now / NS_PER_SECOND
        if usage.in_day > PER_DAY or len(usage.breached) > MINUTE_BREACHES:
            return midnight / NS_PER_SECOND + DAY_SECONDS - second
        if usage.in_minute > PER_MINUTE:
            return (usage.minute + 1) * 60 - second
        if usage.in_second > PER_SECOND:
            return usage.second + 1 - second
        return None

    @staticmethod
    def _turn(usage: _Usage, midnight: int, second: int) -> None:
        """Start new windows where the clock has moved on."""
        if usage.day != midnight:
            usage.day, usage.in_day, usage.breached = midnight, 0, set()
        if usage.minute != second // 60:
            usage.minute, usage.in_minute = second // 60, 0
        if usage.second != second:
            usage.second, usage.in_second = second, 0
