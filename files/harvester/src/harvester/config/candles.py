"""Settings of the broker's own candles, and how far apart their requests are sent."""

import math
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.clock import NS_PER_SECOND
from harvester.base.validation import Model
from harvester.config.feeds import Symbol, repeated
from harvester.config.limits import MINUTE_NS, Need, RequestLimits

Resolution = Literal[1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, "5S", "10S", "15S", "30S", "45S"]
"""What the broker has within a day (Fyers API docs, history): minutes, and seconds with an S."""
SPACING_NS = 300_000_000
"""From one request to the next at least, so that the polls' own seconds stay theirs."""
SHARE = 0.9
"""Of the requests that the polls leave: what is sent by hand, or to prove a token, needs room, too."""


class CandleSettings(Model, frozen=True):
    """The broker's own candles, where feeds holds fyers-history or schwab-history."""

    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=10_000)] | None = None
    """Tickers to ask candles of, indices among them; default: all of `symbols`."""
    resolution: Resolution = 5
    """Minutes of a bar, or seconds such as 30S."""
    every_seconds: Annotated[int, Meta(ge=30, le=3600)] = 300
    """Seconds from one round of requests to the next; each asks for the day so far of the symbols with a bar due."""
    final_after_seconds: Annotated[int, Meta(ge=0, le=3600)] = 900
    """Seconds after the last recorded phase at which one more request settles the day's bars."""

    def __post_init__(self) -> None:
        if twice := repeated(self.symbols or ()):
            raise ValueError("symbols names twice: " + ", ".join(twice))

    @property
    def bar_seconds(self) -> int:
        """Seconds of a bar."""
        if isinstance(self.resolution, int):
            return self.resolution * 60
        return int(self.resolution.removesuffix("S"))

    @property
    def width_ns(self) -> int:
        """Nanoseconds of a bar."""
        return self.bar_seconds * NS_PER_SECOND

    @property
    def every_ns(self) -> int:
        return self.every_seconds * NS_PER_SECOND

    @property
    def final_after_ns(self) -> int:
        return self.final_after_seconds * NS_PER_SECOND


def candle_need(symbols: int, candles: CandleSettings, day_ns: int) -> Need:
    """What asking for candles of so many symbols takes at most, with the room that `request_spacing` leaves."""
    minutely = math.ceil(symbols * MINUTE_NS / candles.every_ns / SHARE) + 1
    return Need(minutely, _daily(symbols, candles, day_ns))


def _daily(symbols: int, candles: CandleSettings, day_ns: int) -> int:
    """Requests of the longest day: a round a bar at most, one more to settle it, and room for some that fail."""
    return (day_ns // candles.every_ns + 3) * symbols


def request_spacing(symbols: int, candles: CandleSettings, polls: Need, limits: RequestLimits, day_ns: int) -> int:
    """Nanoseconds from one request for candles to the next, in what the polls leave of the limits.

    Raises ValueError where a round does not end before the next begins, or the limit of a day is broken.
    """
    left = (limits.per_minute - polls.per_minute) * SHARE
    spacing_ns = max(SPACING_NS, math.ceil(MINUTE_NS / left)) if left > 0 else MINUTE_NS
    daily = _daily(symbols, candles, day_ns)
    if left > 0 and symbols * spacing_ns <= candles.every_ns and daily + polls.per_day <= limits.per_day:
        return spacing_ns
    minutely = math.ceil(symbols * MINUTE_NS / candles.every_ns)
    raise ValueError(
        f"candles of {symbols} symbols every {candles.every_seconds} s need {minutely} requests in a minute and {daily}"
        f" a day, and the polls leave {max(0, int(left))} and {max(0, limits.per_day - polls.per_day)} of the broker's"
        f" limits; two are {SPACING_NS / NS_PER_SECOND:g} s apart at least. Raise"
        " candles.every_seconds, name fewer candles.symbols, or poll less often"
    )
