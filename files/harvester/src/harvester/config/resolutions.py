"""The widths of bars that the broker has (Fyers API docs, history), and how much of each one request may ask for."""

from functools import lru_cache
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError

DAY_NS = 86_400 * NS_PER_SECOND
MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240)
SECONDS = ("5S", "10S", "15S", "30S", "45S")
LONG_NS = {"D": DAY_NS, "W": 7 * DAY_NS, "M": 31 * DAY_NS}
"""Widths by which bars of a day, a week and a month are told apart; a month's is that of the longest one."""
DAYS_OF_MINUTES, DAYS_OF_LONG = 100, 366
"""Of one request, both ends included (Fyers API docs, history)."""
ALIASES = {"1D": "D", "1W": "W", "1M": "M"}
WIRE = {"W": "1W", "M": "1M"}
"""What the broker calls a resolution otherwise than we do."""


class Resolution(NamedTuple):
    """`name` is "5" (minutes), "30S" (seconds), "D", "W" or "M"."""

    name: str
    width_ns: int
    most_days: int

    @property
    def is_long(self) -> bool:
        """A day, or longer: its bars begin with a date."""
        return self.name in LONG_NS

    @property
    def has_seconds(self) -> bool:
        """Of which the broker keeps the last 30 trading days alone."""
        return self.name in SECONDS

    @property
    def wire(self) -> str:
        """As the broker calls it."""
        return WIRE.get(self.name, self.name)


@lru_cache(maxsize=64)
def parse_resolution(text: str) -> Resolution:
    """A resolution that a person typed, or that a record holds. Raises ConfigError."""
    name = ALIASES.get(text.strip().upper(), text.strip().upper())
    if name in LONG_NS:
        return Resolution(name, LONG_NS[name], DAYS_OF_LONG)
    if name in SECONDS:
        return Resolution(name, int(name[:-1]) * NS_PER_SECOND, DAYS_OF_MINUTES)
    if name.isascii() and name.isdecimal() and int(name) in MINUTES:
        return Resolution(str(int(name)), int(name) * 60 * NS_PER_SECOND, DAYS_OF_MINUTES)
    raise ConfigError(
        f"{text[:20]!r} is no resolution that the broker has. Minutes: {', '.join(map(str, MINUTES))}; seconds:"
        f" {', '.join(SECONDS)}; a day, a week, a month: {', '.join(LONG_NS)}."
    )
