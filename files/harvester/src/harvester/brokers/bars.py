"""What any broker's answer about candles holds: the form in which the rest of the house takes them."""

from typing import Literal, NamedTuple

Flaw = Literal["unreadable", "price_zero", "high_below_low", "negative_volume"]
"""Why a candle is rejected."""
LAST_SECOND = (2**63 - 1) // 10**9
"""The latest that fits into int64 nanoseconds."""


class Candle(NamedTuple):
    """One bar. `begin_s` in seconds since 1970, prices in the market's units (`base.market.Market.units`), volume in
    shares.
    """

    begin_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Rejected(NamedTuple):
    """A candle that is no bar; `begin_s` is None where not even that can be read."""

    begin_s: int | None
    flaw: Flaw


class History(NamedTuple):
    """What an answer holds, in its order. The broker has said so much of the range, and there is no more in it."""

    candles: tuple[Candle, ...]
    rejected: tuple[Rejected, ...]


def find_flaw(begin_s: int, prices: list[int | None], volume: int | None, *, is_negative: bool) -> Flaw | Candle:
    """The candle of what could be read, or what is wrong with it. `is_negative`: the volume as it was written."""
    known = [price for price in prices if price is not None]
    opens, high, low, close = (price or 0 for price in prices)
    if volume is None and is_negative:
        return "negative_volume"
    if len(known) < len(prices) or volume is None:
        return "unreadable"
    if 0 in known:
        return "price_zero"
    return "high_below_low" if high < low else Candle(begin_s, opens, high, low, close, volume)
