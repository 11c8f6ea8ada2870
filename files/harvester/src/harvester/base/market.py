"""The market that this process is about, and its time of day: one configuration, and so one process, is of one market.

Dates and times of day, in files, settings and messages, are those of the market in force. It is `nse` until `enter`
says otherwise, which reading a host's configuration does. What reads recorded days names the market that they say.
Only this module knows zones by name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError

MarketName = Literal["nse", "us"]
SECONDS_PER_DAY = 86_400


class Market(NamedTuple):
    """A market: its name in the settings, and its zone as the time zone database names it."""

    name: MarketName
    zone_name: str
    units: int
    """Prices of candles are whole numbers of so many parts of the currency: paise; 1/10000 dollar, for trades at the
    middle of a spread have more decimals than cents.
    """
    history: str
    """The feed of the broker's own candles."""

    @property
    def digits(self) -> int:
        """Decimals of such prices."""
        return len(str(self.units)) - 1


MARKETS: dict[str, Market] = {
    "nse": Market("nse", "Asia/Kolkata", 100, "fyers-history"),
    "us": Market("us", "America/New_York", 10_000, "schwab-history"),
}
NSE = MARKETS["nse"]
INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
"""Without daylight saving time since 1945: a fixed offset is the same, faster, and needs no time zone database."""


class _Process:
    """What is in force."""

    market = NSE
    zone: tzinfo = INDIA


def in_force() -> Market:
    """The market of this process."""
    return _Process.market


def enter(name: MarketName, rules: tzinfo | None = None) -> None:
    """Put a market in force in this process, with its zone's rules where the caller brings them.

    Raises ConfigError where they are not installed.
    """
    market = MARKETS[name]
    _Process.zone, _Process.market = rules or zone_of(market), market


@contextmanager
def entered(name: MarketName) -> Iterator[Market]:
    """A market in force for a while, and the one before it afterwards."""
    before = _Process.market
    enter(name)
    try:
        yield _Process.market
    finally:
        enter(before.name)


def zone_of(market: Market) -> tzinfo:
    """The zone's rules. Raises ConfigError where they are not installed."""
    if market is NSE:
        return INDIA
    try:
        return ZoneInfo(market.zone_name)
    except ZoneInfoNotFoundError:
        raise ConfigError(
            f"The rules of the time zone {market.zone_name} are not on this machine, and the market {market.name} goes"
            " by them. Install the package tzdata."
        ) from None


def zone() -> tzinfo:
    """The zone of the market in force."""
    return _Process.zone


def to_local(wall_ns: int, market: Market | None = None) -> datetime:
    """The zone-aware time of a wall clock reading in a market, cut to microseconds. `%Z` writes IST, EST or EDT.

    Here and below `market` is by default the one in force.
    """
    second = datetime.fromtimestamp(wall_ns // NS_PER_SECOND, zone_of(market) if market else _Process.zone)
    return second.replace(microsecond=wall_ns % NS_PER_SECOND // 1000)


def moment_ns(day: date, seconds: int, market: Market | None = None) -> int:
    """Wall nanoseconds at which a market clock shows so many seconds since midnight on `day`; 86400 is its end.

    Of a time that the clock shows twice on the day, the first; of one that it skips, as if it had not yet been set.
    """
    days, left = divmod(seconds, SECONDS_PER_DAY)
    zone = zone_of(market) if market else _Process.zone
    clock = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=days, seconds=left)
    return int(clock.timestamp()) * NS_PER_SECOND


def midnight_ns(day: date, market: Market | None = None) -> int:
    """Wall nanoseconds of 00:00 market time on `day`."""
    return moment_ns(day, 0, market)


def day_end_ns(day: date, market: Market | None = None) -> int:
    """Wall nanoseconds of 24:00 market time on `day`: 23 or 25 hours after its midnight where a clock is set."""
    return moment_ns(day, SECONDS_PER_DAY, market)
