"""One-minute bars of a symbol from its quotes in session.

Open, high, low and close are of the last prices that were seen, so a trade between two quotes does not show. Volume is
how much the day's volume grew since the last quote before the minute: trades of a gap count in the first minute after
it. The first minute of the day counts from its own first quote. Bid and ask are those at the end of the minute.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.decode.frames import ABSENT, Ints
from harvester.lake.day.intervals import Interval, intersect, total, union
from harvester.lake.schema import BARS_TABLE, QUOTES_TABLE

MINUTE_NS = 60 * NS_PER_SECOND
_RECV, _IN_SESSION, _LTP, _VOLUME, _BID, _ASK = (
    QUOTES_TABLE.at(name) for name in ("recv_ns", "in_session", "ltp", "volume", "bid_px", "ask_px")
)


@dataclass
class _Bar:
    begin_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    bid: int
    ask: int
    updates: int

    def values(self, base: int, gap_ns: int) -> list[int]:
        """A column of a matrix of the table; `base` is the day's volume before the minute."""
        known = self.volume != ABSENT and base != ABSENT
        volume = self.volume - base if known else ABSENT
        prices = [self.open, self.high, self.low, self.close]
        return [self.begin_ns, *prices, volume, self.bid, self.ask, self.updates, gap_ns]


class Bars:
    """Gathers the bars of one symbol while its quotes go by."""

    def __init__(self) -> None:
        self._bars: list[_Bar] = []
        self._base = ABSENT

    def see(self, quotes: Ints) -> None:
        """More quotes of the symbol, by time of receipt."""
        rows = quotes[:, (quotes[_IN_SESSION] != 0) & (quotes[_LTP] != ABSENT)]
        minutes = rows[_RECV] // MINUTE_NS
        edges = [0, *(np.flatnonzero(np.diff(minutes)) + 1).tolist(), len(minutes)]
        for start, end in pairwise(edges):
            if start < end:
                self._add(rows[:, start:end], int(minutes[start]) * MINUTE_NS)

    def _add(self, rows: Ints, begin_ns: int) -> None:
        prices = rows[_LTP]
        volumes = rows[_VOLUME][rows[_VOLUME] != ABSENT]
        if self._base == ABSENT and len(volumes):
            self._base = int(volumes[0])
        bar = _Bar(
            begin_ns,
            int(prices[0]),
            int(prices.max()),
            int(prices.min()),
            int(prices[-1]),
            int(volumes[-1]) if len(volumes) else ABSENT,
            int(rows[_BID, -1]),
            int(rows[_ASK, -1]),
            rows.shape[1],
        )
        if self._bars and self._bars[-1].begin_ns == begin_ns:
            bar = _join(self._bars.pop(), bar)
        self._bars.append(bar)

    def matrix(self, gaps: Iterable[Interval]) -> Ints:
        """The bars as a matrix of their table, each with the ns of it that lie in gaps."""
        return np.array(list(self._columns(union(gaps))), np.int64).reshape(-1, BARS_TABLE.height).T

    def _columns(self, gaps: list[Interval]) -> Iterator[list[int]]:
        base = self._base
        for bar in self._bars:
            lost = total(intersect([(bar.begin_ns, bar.begin_ns + MINUTE_NS)], gaps))
            yield bar.values(base, lost)
            base = bar.volume if bar.volume != ABSENT else base


def _join(earlier: _Bar, later: _Bar) -> _Bar:
    return _Bar(
        earlier.begin_ns,
        earlier.open,
        max(earlier.high, later.high),
        min(earlier.low, later.low),
        later.close,
        later.volume if later.volume != ABSENT else earlier.volume,
        later.bid,
        later.ask,
        earlier.updates + later.updates,
    )
