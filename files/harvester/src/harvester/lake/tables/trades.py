"""Trades of a symbol, inferred from its quotes: by how much the day's volume grew from one quote to the next.

Brokers send no prints. A quote has the day's volume, and price, quantity and time of the last print. Where the volume
grew by just the last print's quantity, one print came; where it grew by more, several did. docs/formats.md has the
rules and their reasons.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import numpy as np

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.decode.frames import ABSENT, Flags, Ints
from harvester.journal.format import FYERS_HSM
from harvester.lake.columns import Table
from harvester.lake.day.intervals import Interval, subtract, union
from harvester.lake.day.records import DAY_NS
from harvester.lake.schema import PRINTS, QUOTES_TABLE, TRADE_SIDES, TRADES_TABLE
from harvester.lake.tables.symbol_state import TradeState

LATE, RESETS, SHARES = "late_quotes", "resets", "shares"
FIGURES = (*PRINTS, SHARES, LATE, RESETS)
_ORIGIN_ROWS = slice(0, TRADES_TABLE.at("in_session") + 1)
"""Rows of both tables that say where a quote came from."""
_PRINT, _AGGREGATE, _UNMATCHED, _GAP = range(len(PRINTS))
_UNKNOWN, _BUY, _SELL = range(len(TRADE_SIDES))


_VALUES = ("ltp_paise", "volume", "ts_trade", "bid_px_paise", "ask_px_paise", "ltq")
_PLACES = [*range(_ORIGIN_ROWS.stop), *(QUOTES_TABLE.at(name) for name in _VALUES)]
_USED = Table("", tuple(QUOTES_TABLE.columns[place] for place in _PLACES), QUOTES_TABLE.version)
"""What of the table quotes is looked at."""


def _at(quotes: Ints, name: str) -> Ints:
    """A row of a matrix of `_USED`."""
    values: Ints = quotes[_USED.at(name)]
    return values


class Watched:
    """The time in which a feed saw a symbol, as far as the day's windows and the ledger say."""

    def __init__(self, windows: Iterable[Interval], gaps: Iterable[Interval]) -> None:
        """The windows, sorted and apart, without the gaps; wall ns."""
        seen = subtract(list(windows), union(gaps))
        self._edges = np.array([edge for stretch in seen for edge in stretch], np.int64)

    def between(self, first: int, last: int) -> list[int]:
        """All that `throughout` can say of moments from one to another: 1 where the first lies inside, else 0, then
        the edges after it and before the last.
        """
        begin, end = np.searchsorted(self._edges, first, "right"), np.searchsorted(self._edges, last, "left")
        return [int(begin) % 2, *self._edges[begin:end].tolist()]

    def holds(self, moments: Ints) -> Flags:
        """Which moments lie in it."""
        inside: Flags = np.searchsorted(self._edges, moments, side="right") % 2 == 1
        return inside

    def throughout(self, begin: Ints, end: Ints) -> Flags:
        """Whether all the time between two moments lies in it; of one moment it does."""
        first, last = np.minimum(begin, end), np.maximum(begin, end)  # a clock may have been set back between them
        before, after = np.searchsorted(self._edges, first, "right"), np.searchsorted(self._edges, last, "left")
        seen: Flags = (first == last) | ((before == after) & (before % 2 == 1))
        return seen


class Trades:
    """Infers the trades of one symbol from its quotes, which are shown in the order of the journal.

    Polls count while the data socket does not see the symbol. `figures` has how many rows there are of each kind,
    their shares, how many quotes came late, and how often the day's volume began anew.
    """

    def __init__(self, socket: Watched, polls: Watched) -> None:
        self.figures: Counter[str] = Counter()
        self._socket = socket
        self._polls = polls
        self._last: Ints = np.empty((_USED.height, 0), np.int64)
        """The quote with the highest volume so far, and with the latest time of a trade; none at first."""
        self._span: tuple[int, int] | None = None

    def see(self, quotes: Ints) -> Ints:
        """The trades that further rows of the table quotes show, as a matrix of the table trades."""
        used = quotes[_PLACES]
        counts = self._counts(used)
        rows = np.concatenate([self._last, used if counts.all() else used[:, counts]], axis=1)
        if not rows.shape[1]:
            return np.empty((TRADES_TABLE.height, 0), np.int64)
        moments = _at(rows, "ts_recv")
        first, last = self._span or (int(moments[0]), int(moments[0]))
        self._span = min(first, int(moments.min())), max(last, int(moments.max()))
        highest, latest, begins = count_up(_at(rows, "volume"), _at(rows, "ts_trade"))
        is_late = _at(rows, "volume") < highest
        self.figures.update({LATE: int(is_late.sum()), RESETS: int(begins[1:].sum())})
        kept, begins = rows[:, ~is_late], begins[~is_late]
        self._last = kept[:, -1:].copy()
        self._last[_USED.at("ts_trade")] = latest[-1]
        return self._infer(kept[:, :-1], kept[:, 1:], begins[1:])

    def resume(self, saved: TradeState) -> None:
        """Go on after the quotes that another one saw."""
        self.figures = Counter(saved.figures)
        self._last = np.frombuffer(saved.last, np.int64).reshape(_USED.height, -1)

    def save(self) -> TradeState:
        """What further quotes need, for `resume`, and what was known of the time of those that were compared."""
        seen = self._socket.between(*self._span) if self._span else []
        return TradeState(self._last.tobytes(), dict(self.figures), self._span, seen)

    def certify(self) -> dict[str, int]:
        """The symbol's entry in the certificate."""
        return {name: self.figures[name] for name in FIGURES}

    def _counts(self, quotes: Ints) -> Flags:
        known = (_at(quotes, "volume") != ABSENT) & (_at(quotes, "ltp_paise") != ABSENT)
        stands_in = (_at(quotes, "feed") == FYERS_HSM) | ~self._socket.holds(_at(quotes, "ts_recv"))
        counts: Flags = known & stands_in
        return counts

    def _infer(self, before: Ints, after: Ints, begins: Flags) -> Ints:
        """The trades between quotes and the ones that follow them; `begins`: where the volume began anew, at 0."""
        grown = _at(after, "volume") - np.where(begins, 0, _at(before, "volume"))
        more = grown > 0
        if not more.any():
            return np.empty((TRADES_TABLE.height, 0), np.int64)
        before, after, shares = before[:, more], after[:, more], grown[more]
        kinds = np.where(self._is_seen(before, after), kinds_of(shares, _at(after, "ltq")), _GAP)
        sides = np.where(kinds == _PRINT, sides_of(before, after), _UNKNOWN)
        last = np.where(_at(after, "ltq") > 0, _at(after, "ltq"), ABSENT)
        values = [_at(after, "ts_trade"), _at(after, "ltp_paise"), shares, last, _at(after, "volume"), kinds, sides]
        counts = np.bincount(kinds, minlength=len(PRINTS)).tolist()
        self.figures.update(dict(zip(PRINTS, counts, strict=True)) | {SHARES: int(shares.sum())})
        return np.concatenate([after[_ORIGIN_ROWS], np.stack(values)])

    def _is_seen(self, before: Ints, after: Ints) -> Flags:
        """Whether one run and one feed saw the symbol all the time from one quote to the next."""
        moments = _at(before, "ts_recv"), _at(after, "ts_recv")
        seen = self._socket.throughout(*moments)
        if not seen.all():
            seen |= self._polls.throughout(*moments)
        one_run: Flags = _at(before, "run_id") == _at(after, "run_id")
        return seen & one_run


def count_up(volume: Ints, traded: Ints) -> tuple[Ints, Ints, Flags]:
    """Of each quote the highest volume up to it, the latest time of a trade, and whether the volume begins anew there.

    A lower volume than the highest so far is that of a quote that came late, unless its last trade is of a later day
    than all before: then another day's count began. The first quote begins one.
    """
    highest, latest = np.empty_like(volume), np.empty_like(traded)
    begins = np.zeros(len(volume), np.bool_)
    start = 0
    while start < len(volume):  # once a day
        high, last = np.maximum.accumulate(volume[start:]), np.maximum.accumulate(traded[start:])
        is_later = (last[:-1] != ABSENT) & (_days(traded[start + 1 :]) > _days(last[:-1]))
        anew = is_later & (volume[start + 1 :] < high[:-1])
        count = 1 + int(np.argmax(anew)) if anew.any() else len(high)
        highest[start : start + count], latest[start : start + count] = high[:count], last[:count]
        begins[start] = True
        start += count
    return highest, latest, begins


def _days(moments: Ints) -> Ints:
    """Market dates as days since 1970, by the first moment's distance from UTC: clocks are set outside sessions."""
    ahead = to_local(int(moments[0])).utcoffset() if len(moments) else None
    days: Ints = (moments + int((ahead or timedelta()).total_seconds()) * NS_PER_SECOND) // DAY_NS
    return days


def kinds_of(shares: Ints, last: Ints) -> Ints:
    """What is known of prints, by how much the volume grew and the last print's quantity; no last quantity is <= 0."""
    return np.where(shares == last, _PRINT, np.where((shares > last) & (last > 0), _AGGREGATE, _UNMATCHED))


def sides_of(before: Ints, after: Ints) -> Ints:
    """Who took, by the price against the middle of the quote before; unknown at the middle, and without two sides."""
    bid, ask, price = _at(before, "bid_px_paise"), _at(before, "ask_px_paise"), _at(after, "ltp_paise")
    middle = np.sign(2 * price - (bid + ask))
    known = (bid > 0) & (bid < ask)
    return np.where(known & (middle > 0), _BUY, np.where(known & (middle < 0), _SELL, _UNKNOWN))
