"""What the data socket (HSM) sends: kinds of topics and their values, in wire order.

Source: the broker's Python SDK 3.2.0 (map.json) and the schema in the server's answer to authentication, which
names the index values 6 and 7 that the SDK does not know.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

AUTH, SUBSCRIBE, UNSUBSCRIBE, FEED, PAUSE, RESUME, PING, MODE, BUFFER, NOTICE = 1, 4, 5, 6, 7, 8, 11, 12, 13, 51
SNAPSHOT, UPDATE, LITE = 0x53, 0x55, 0x4C
UNCHANGED = -(2**31)


@dataclass(frozen=True)
class Kind:
    """A kind of topic: the names of its values, and which of them are prices. Others are unsigned numbers."""

    prefix: str
    fields: tuple[str, ...]
    prices: frozenset[str]
    has_ltp: bool = True

    @cached_property
    def unsigned(self) -> list[int]:
        """Positions of the values that are no prices: quantities, counts and times (epoch seconds)."""
        return [place for place, name in enumerate(self.fields) if name not in self.prices]


def _kind(prefix: str, fields: str, not_prices: str, *, has_ltp: bool = True) -> Kind:
    names = tuple(fields.split())
    return Kind(prefix, names, frozenset(names) - frozenset(not_prices.split()), has_ltp)


SYMBOL = _kind(
    "sf",
    "ltp volume ltt exchange_time bid_qty ask_qty bid_px ask_px ltq total_buy_qty total_sell_qty atp oi low high "
    "year_high year_low lower_ckt upper_ckt open prev_close",
    "volume ltt exchange_time bid_qty ask_qty ltq total_buy_qty total_sell_qty oi",
)
_LEVELS = {
    name: [f"{side}_{name}_{level}" for side in ("bid", "ask") for level in range(1, 6)]
    for name in ("px", "qty", "ord")
}
DEPTH = _kind(
    "dp",
    " ".join(_LEVELS["px"] + _LEVELS["qty"] + _LEVELS["ord"]),
    " ".join(_LEVELS["qty"] + _LEVELS["ord"]),
    has_ltp=False,
)
INDEX = _kind("if", "ltp prev_close exchange_time high low open year_high year_low", "exchange_time")

KINDS = (SYMBOL, DEPTH, INDEX)
WIDEST = max(len(kind.fields) for kind in KINDS)
UNKNOWN_KIND = len(KINDS)
"""Number of a topic's kind in KINDS, or this."""

LARGEST_SCALE = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Topic:
    """Name, price scale and texts of a topic, from its snapshot."""

    name: str
    """Such as "sf|nse_cm|3045"."""
    multiplier: int
    precision: int
    exchange: str
    token: str
    text: str

    @cached_property
    def kind(self) -> int:
        """Its place in KINDS, or UNKNOWN_KIND."""
        prefix = self.name[:2]
        return next((number for number, kind in enumerate(KINDS) if kind.prefix == prefix), UNKNOWN_KIND)

    @cached_property
    def scale(self) -> int:
        """Prices are integers in units of 1/scale of the currency; 0 when the snapshot gives no usable scale."""
        scale = 10**self.precision * self.multiplier
        return scale if scale <= LARGEST_SCALE else 0
