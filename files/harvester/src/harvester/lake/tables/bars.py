"""One-minute bars of a symbol from its quotes in session.

Open, high, low and close are of the last prices that were seen, so a trade between two quotes does not show. Volume is
how much the day's volume grew since the last quote before the minute: trades of a gap count in the first minute after
it. The first minute of the day counts from its own first quote. Bid and ask are those at the end of the minute.
"""

from collections.abc import Iterable

import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.decode.frames import ABSENT, Ints
from harvester.lake.day.intervals import Interval, intersect, total, union
from harvester.lake.schema import BARS_TABLE, QUOTES_TABLE

MINUTE_NS = 60 * NS_PER_SECOND
_IN_SESSION, _LTP = (QUOTES_TABLE.at(name) for name in ("in_session", "ltp_paise"))
_USED = [QUOTES_TABLE.at(name) for name in ("ts_recv", "ltp_paise", "volume", "bid_px_paise", "ask_px_paise")]


class Bars:
    """Gathers the quotes of one symbol, 40 bytes each, and makes its bars of them."""

    def __init__(self) -> None:
        self._quotes: list[Ints] = [np.empty((len(_USED), 0), np.int64)]

    def see(self, quotes: Ints) -> None:
        """Add rows of the table quotes, in the order of the journal."""
        self._quotes.append(quotes[_USED][:, (quotes[_IN_SESSION] != 0) & (quotes[_LTP] != ABSENT)])

    def matrix(self, gaps: Iterable[Interval]) -> Ints:
        """The bars as a matrix of their table, int64[10, bars], each with the ns of it that lie in gaps."""
        quotes = np.concatenate(self._quotes, axis=1)
        # a clock that was set back has told a minute twice
        recv_ns, ltp, volume, bid, ask = quotes[:, np.argsort(quotes[0] // MINUTE_NS, kind="stable")]
        if not len(recv_ns):
            return np.empty((BARS_TABLE.height, 0), np.int64)
        minutes = recv_ns // MINUTE_NS
        starts = np.flatnonzero(np.append(True, minutes[1:] != minutes[:-1]))
        lasts = np.append(starts[1:], len(minutes)) - 1
        begins = minutes[starts] * MINUTE_NS
        is_given = volume != ABSENT
        # of each quote: the last one with a volume up to it, or -1
        given = np.maximum.accumulate(np.where(is_given, np.arange(len(volume)), -1))
        before = np.where(starts > 0, given[starts - 1], -1)
        before[before < 0] = np.argmax(is_given)
        grown = np.where(given[lasts] >= starts, volume[given[lasts]] - volume[before], ABSENT)
        taken = union(gaps)
        gap_ns = [total(intersect([(begin, begin + MINUTE_NS)], taken)) for begin in begins.tolist()]
        high, low = np.maximum.reduceat(ltp, starts), np.minimum.reduceat(ltp, starts)
        prices = [ltp[starts], high, low, ltp[lasts], grown, bid[lasts], ask[lasts]]
        return np.array([begins, *prices, lasts - starts + 1, gap_ns], np.int64)
