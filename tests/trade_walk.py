"""What trades are, quote by quote in plain Python: the rules of docs/formats.md, written a second time."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from harvester.base.market import to_local
from harvester.decode.frames import ABSENT, Ints
from harvester.journal.format import FYERS_HSM, FYERS_REST
from harvester.lake.schema import PRINTS, QUOTES_TABLE, TRADE_SIDES, TRADES_TABLE

Stretch = tuple[int, int]


class Quote(NamedTuple):
    """A row of the table quotes; None for what was not given."""

    recv: int
    volume: int | None
    ltp: int | None
    ltq: int | None = None
    traded: int | None = None
    bid: int | None = None
    ask: int | None = None
    feed: int = FYERS_HSM
    run: int = 0
    seq: int = 1


class Trade(NamedTuple):
    recv: int
    seq: int
    traded: int | None
    price: int
    shares: int
    last: int | None
    volume: int
    kind: str
    side: str


class Sight(NamedTuple):
    """Windows of the socket and scheduled polls, and the gaps of each."""

    windows: Sequence[Stretch] = ()
    gaps: Sequence[Stretch] = ()
    polled: Sequence[Stretch] = ()
    missed: Sequence[Stretch] = ()

    def by_socket(self, moment: int) -> bool:
        return _inside(moment, self.windows) and not _inside(moment, self.gaps)

    def by_polls(self, moment: int) -> bool:
        return _inside(moment, self.polled) and not _inside(moment, self.missed)

    def throughout(self, one: int, other: int) -> bool:
        """Whether one of the feeds saw each moment from one to the other."""
        moments = range(min(one, other), max(one, other))
        return all(map(self.by_socket, moments)) or all(map(self.by_polls, moments))


def _inside(moment: int, stretches: Iterable[Stretch]) -> bool:
    return any(begin <= moment < end for begin, end in stretches)


def walk(quotes: Iterable[Quote], sight: Sight) -> tuple[list[Trade], int, int]:
    """The trades, the quotes that came late, and how often the volume began anew."""
    trades, late, resets = [], 0, 0
    before: Quote | None = None
    latest: int | None = None
    for quote in quotes:
        if quote.volume is None or quote.ltp is None:
            continue
        if quote.feed == FYERS_REST and sight.by_socket(quote.recv):
            continue
        is_later = (
            quote.traded is not None and latest is not None and to_local(quote.traded).date() > to_local(latest).date()
        )
        latest = max([each for each in (latest, quote.traded) if each is not None], default=None)
        if before is None:
            before = quote
            continue
        assert before.volume is not None
        if quote.volume < before.volume:
            if not is_later:
                late += 1
                continue
            latest, resets = quote.traded, resets + 1
            before = before._replace(volume=0)
        if before.volume is not None and quote.volume > before.volume:
            trades.append(_trade(before, quote, sight))
        before = quote
    return trades, late, resets


def _trade(before: Quote, quote: Quote, sight: Sight) -> Trade:
    assert quote.volume is not None and before.volume is not None and quote.ltp is not None
    shares = quote.volume - before.volume
    last = quote.ltq if quote.ltq is not None and quote.ltq > 0 else None
    if before.run != quote.run or not sight.throughout(before.recv, quote.recv):
        kind = "gap"
    elif last == shares:
        kind = "print"
    else:
        kind = "aggregate" if last is not None and last < shares else "unmatched"
    side = "unknown"
    if kind == "print" and before.bid and before.ask and before.bid < before.ask:
        middle = (before.bid + before.ask) / 2
        side = "buy" if quote.ltp > middle else "sell" if quote.ltp < middle else "unknown"
    return Trade(quote.recv, quote.seq, quote.traded, quote.ltp, shares, last, quote.volume, kind, side)


def to_matrix(quotes: Sequence[Quote]) -> Ints:
    """The rows as the lake has them."""
    matrix = np.full((QUOTES_TABLE.height, len(quotes)), ABSENT, np.int64)
    names = ["ts_recv", "volume", "ltp_paise", "ltq", "ts_trade", "bid_px_paise", "ask_px_paise", "feed", "run_id"]
    for place, quote in enumerate(quotes):
        for name, value in zip([*names, "seq"], quote, strict=True):
            matrix[QUOTES_TABLE.at(name), place] = ABSENT if value is None else value
    return matrix


def from_matrix(matrix: Ints) -> list[Trade]:
    """The rows of a matrix of the table trades."""
    names = ["ts_recv", "seq", "ts_event", "px_paise", "qty", "last_qty", "volume", "kind", "side_inferred"]
    found = []
    for values in matrix[[TRADES_TABLE.at(name) for name in names]].T.tolist():
        *plain, kind, side = (None if value == ABSENT else value for value in values)
        found.append(Trade(*plain, PRINTS[kind], TRADE_SIDES[side]))
    return found
