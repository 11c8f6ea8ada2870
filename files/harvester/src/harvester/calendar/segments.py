"""Segments of the exchanges: their names, which of them a symbol can belong to, and what the master says of hours.

Codes: the first four digits of a fyToken name exchange and segment (Fyers API docs, fyToken). Where one code has
classes with hours of their own, the symbol's derivatives or the master's session field decide between them.
"""

import re
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple, get_args

from harvester.base.market import MarketName

SegmentName = Literal[
    "nse_cash",
    "nse_cash_other",
    "nse_fo",
    "nse_currency",
    "nse_commodity",
    "bse_cash",
    "bse_cash_other",
    "bse_fo",
    "bse_currency",
    "mcx",
    "mcx_agri_global",
    "mcx_agri",
    "us_equities",
]
SEGMENTS: tuple[SegmentName, ...] = get_args(SegmentName)
NSE_CASH: SegmentName = "nse_cash"
"""Stocks of NSE that have derivatives, and indices."""
US_EQUITIES: SegmentName = "us_equities"
"""Stocks and funds listed in New York, whose core session NYSE and Nasdaq share."""
OF_MARKET: dict[MarketName, tuple[SegmentName, ...]] = {
    "nse": tuple(name for name in SEGMENTS if name != US_EQUITIES),
    "us": (US_EQUITIES,),
}
"""The segments of each market; the top level of its calendar is about the first."""
BY_CODE: dict[str, tuple[SegmentName, ...]] = {
    "1010": ("nse_cash", "nse_cash_other"),
    "1011": ("nse_fo",),
    "1012": ("nse_currency",),
    "1020": ("nse_commodity",),
    "1120": ("mcx", "mcx_agri_global", "mcx_agri"),
    "1210": ("bse_cash", "bse_cash_other"),
    "1211": ("bse_fo",),
    "1212": ("bse_currency",),
}
CASH_CLASSES = {"nse_cash": "nse_cash_other", "bse_cash": "bse_cash_other"}
"""Cash segments, each with the class of its stocks that have no derivatives."""
INDEX = "-INDEX"
DERIVATIVE = re.compile(r"(?:[0-9]{2}[0-9A-Z]{3}FUT|[0-9](?:CE|PE))\Z")
CURRENCY = re.compile(r"(?:USDINR|EURINR|GBPINR|JPYINR|EURUSD|GBPUSD|USDJPY)[0-9]")
HOURS = re.compile(r"(?P<opens>[0-9]{4})-(?P<closes>[0-9]{4})")


class Hours(NamedTuple):
    """Open and close of a day as the master writes them: HHMM."""

    opens: str
    closes: str

    def __str__(self) -> str:
        return f"{self.opens[:2]}:{self.opens[2:]}-{self.closes[:2]}:{self.closes[2:]}"


def parse_hours(field: str) -> Hours | None:
    """The ordinary hours of a master's session field such as 0915-1540|1815-1915: and None where it has none.

    The first range is the ordinary day; the one after the bar is the muhurat session, which every row names all year.
    """
    found = HOURS.match(field)
    return Hours(found["opens"], found["closes"]) if found else None


def guess_segment(symbol: str) -> SegmentName:
    """The segment that a ticker looks like, until the master has said it."""
    exchange, colon, name = symbol.partition(":")
    if not colon:
        return US_EQUITIES
    if exchange == "MCX":
        return "mcx"
    is_bse = exchange == "BSE"
    if not DERIVATIVE.search(name):
        return "bse_cash" if is_bse else NSE_CASH
    if CURRENCY.match(name):
        return "bse_currency" if is_bse else "nse_currency"
    return "bse_fo" if is_bse else "nse_fo"


def candidates(fy_token: str) -> tuple[SegmentName, ...]:
    """The segments of a fyToken's exchange and segment code; none for a code that is not known."""
    return BY_CODE.get(fy_token[:4], ())


def choose_cash(segment: SegmentName, symbol: str, underlying: str, underlyings: Collection[str]) -> SegmentName:
    """The class of a cash symbol: `underlyings` have derivatives; empty: nobody could say, and it counts as having."""
    if symbol.endswith(INDEX) or not underlyings or underlying in underlyings:
        return segment
    return CASH_CLASSES[segment]  # type: ignore[return-value]


def in_order(names: Iterable[str]) -> list[SegmentName]:
    """The segments among `names`, each once, in the order of SEGMENTS."""
    wanted = set(names)
    return [segment for segment in SEGMENTS if segment in wanted]
