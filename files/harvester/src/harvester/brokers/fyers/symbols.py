"""Rows of the broker's symbol master: 21 columns or more, no header, a file a segment (Fyers API docs, symbol master).

A ticker does not say in which file it is (NSE:BAJAJ-AUTO26DECFUT has a dash, as cash tickers do): it is looked for.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.brokers.fyers.topics import SEGMENTS

COLUMNS, MOST_COLUMNS = 21, 30
"""Columns that are added at the end change nothing of the first; two rows run together are none."""
BOM = "\ufeff"
LARGEST = 10
"""Digits before the point of a tick, a strike or an expiry in seconds; what has more is no such number."""
FILES = {
    "NSE": ("NSE_CM", "NSE_FO", "NSE_CD", "NSE_COM"),
    "BSE": ("BSE_CM", "BSE_FO"),
    "MCX": ("MCX_COM",),
}
"""Masters of each exchange, in the order in which a ticker is looked for: cash, derivatives, currency, commodities."""
PAISA = Decimal("0.01")


class Listing(NamedTuple):
    """What a row says of an instrument. Texts are as in the master; `isin` is empty for derivatives and indices."""

    ticker: str
    fy_token: str
    """Exchange and segment (4 digits), expiry (6), the exchange's own number."""
    name: str
    kind: str
    """Instrument type: 0 equity, 9 ETF, 10 index, 11 and 13 futures, 14 and 15 options."""
    lot: int | None
    """Shares or units in which it is traded; None where the row has no whole number."""
    tick: Decimal | None
    """Rupees; None where the row has no number."""
    isin: str
    session: str
    """Hours, such as 0915-1530|1815-1915:."""
    expires_ns: int | None
    """Of a contract; wall ns."""
    root: str
    """The underlying's symbol: NIFTY of its future; of a share its own."""
    strike: Decimal | None
    option: str
    """CE, PE, or XX for what is no option."""
    underlying: str
    """fyToken of the underlying; of a share its own."""

    @property
    def exchange(self) -> str:
        return self.ticker.partition(":")[0]

    @property
    def segment(self) -> str | None:
        """Such as nse_cm or nse_fo (see `topics.SEGMENTS`); None for one that is not known."""
        return SEGMENTS.get(self.fy_token[:4])

    @property
    def is_too_fine(self) -> bool:
        """Whether its prices have fractions of a paisa, which the lake cannot hold."""
        return self.tick is not None and self.tick % PAISA != 0

    def has_expired(self, today: date) -> bool:
        return self.expires_ns is not None and to_local(self.expires_ns).date() < today


def read_row(line: str) -> Listing | None:
    """A line's listing; None for one that is no row of a symbol master. Never raises: a row is one of 90,000."""
    try:
        [row] = csv.reader([line.removeprefix(BOM)])
    except (csv.Error, ValueError):
        return None
    if not COLUMNS <= len(row) <= MOST_COLUMNS or not row[0].isdecimal() or ":" not in row[9].strip(":"):
        return None
    lot, expires = _number(row[3]), _number(row[8])
    return Listing(
        ticker=row[9],
        fy_token=row[0],
        name=row[1],
        kind=row[2],
        lot=int(lot) if lot and lot == int(lot) else None,
        tick=_number(row[4]),
        isin=row[5],
        session=row[6],
        expires_ns=int(expires) * NS_PER_SECOND if expires else None,
        root=row[13],
        strike=_number(row[15]),
        option=row[16],
        underlying=row[17],
    )


def read_rows(lines: Iterable[str], malformed: list[int]) -> Iterator[Listing]:
    """The listings of a master's lines; the numbers, from 1, of lines that are none are added to `malformed`."""
    for number, line in enumerate(lines, start=1):
        if listing := read_row(line):
            yield listing
        elif line.strip():
            malformed.append(number)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < LARGEST else None
