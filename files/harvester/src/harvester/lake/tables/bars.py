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
_USED = [
    QUOTES_TABLE.at(name) for name in ("ts_recv", *["ltp_paise"] * 4, *["volume"] * 2, "bid_px_paise", "ask_px_paise")
]
"""The values of a bar of one quote."""
_MANY = 1 << 14
"""Quotes that wait before they are put together."""


class Bars:
    """Makes the bars of one symbol of its quotes, so many at a time."""

    def __init__(self) -> None:
        self._waiting: list[Ints] = []
        self._count = 0

    def see(self, quotes: Ints) -> None:
        """Add rows of the table quotes, in the order of the journal."""
        bars = np.ones((len(_USED) + 1, quotes.shape[1]), np.int64)
        bars[:-1] = quotes[_USED]
        used = (quotes[_IN_SESSION] != 0) & (quotes[_LTP] != ABSENT)
        self._waiting.append(bars if used.all() else bars[:, used])
        self._count += self._waiting[-1].shape[1]
        if self._count >= _MANY:
            self._waiting = [_by_minute(np.concatenate(self._waiting, axis=1))]
            self._count = 0

    def save(self) -> bytes:
        """The bars so far, for `recall`."""
        return _by_minute(np.concatenate(self._waiting, axis=1)).tobytes() if self._waiting else b""

    def recall(self, saved: bytes) -> None:
        """Add the bars of earlier quotes."""
        self._waiting.append(np.frombuffer(saved, np.int64).reshape(len(_USED) + 1, -1))

    def matrix(self, gaps: Iterable[Interval]) -> Ints:
        """The bars as a matrix of their table, int64[10, bars], each with the ns of it that lie in gaps."""
        if not any(part.shape[1] for part in self._waiting):
            return np.empty((BARS_TABLE.height, 0), np.int64)
        bars = np.concatenate(self._waiting, axis=1)
        begins, opens, high, low, close, first, last, bid, ask, updates = _by_minute(bars)
        is_given = last != ABSENT
        # of each minute: the last one before it with a volume, or -1
        given = np.full(len(last), -1)
        given[1:] = np.maximum.accumulate(np.where(is_given, np.arange(len(last)), -1))[:-1]
        before = np.where(given < 0, first[np.argmax(is_given)], last[given])
        grown = np.where(is_given, last - before, ABSENT)
        taken = union(gaps)
        gap_ns = [total(intersect([(begin, begin + MINUTE_NS)], taken)) if taken else 0 for begin in begins.tolist()]
        return np.array([begins, opens, high, low, close, grown, bid, ask, updates, gap_ns], np.int64)


def _by_minute(bars: Ints) -> Ints:
    """One bar a minute: its begin, open, high, low, close, first and last volume, bid, ask, and number of quotes.

    `bars` are in the order of the journal, their first row any moment of the minute. A clock that was set back has told
    a minute twice.
    """
    minutes = bars[0] // MINUTE_NS
    if not len(minutes):
        return bars
    if (minutes[1:] < minutes[:-1]).any():
        order = np.argsort(minutes, kind="stable")
        bars, minutes = bars[:, order], minutes[order]
    edges = np.flatnonzero(minutes[1:] != minutes[:-1])
    starts, lasts = np.concatenate([[0], edges + 1]), np.concatenate([edges, [len(minutes) - 1]])
    result = np.empty((len(bars), len(starts)), np.int64)
    result[0] = minutes[starts] * MINUTE_NS
    result[1] = bars[1][starts]
    result[2] = np.maximum.reduceat(bars[2], starts)
    result[3] = np.minimum.reduceat(bars[3], starts)
    result[4], result[7:9] = bars[4][lasts], bars[7:9, lasts]
    result[5], result[6] = _volumes(bars[5], bars[6], starts, lasts)
    result[9] = np.add.reduceat(bars[9], starts)
    return result


def _volumes(first: Ints, last: Ints, starts: Ints, lasts: Ints) -> tuple[Ints, Ints]:
    """The first and the last volume of each minute that is given; ABSENT where none is."""
    is_given = last != ABSENT
    if is_given.all():
        return first[starts], last[lasts]
    places = np.arange(len(last))
    latest = np.maximum.reduceat(np.where(is_given, places, -1), starts)
    earliest = np.minimum.reduceat(np.where(is_given, places, len(places)), starts)
    known = np.where(latest < 0, 0, earliest)
    return np.where(latest < 0, ABSENT, first[known]), np.where(latest < 0, ABSENT, last[latest])
