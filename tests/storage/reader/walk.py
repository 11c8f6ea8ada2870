"""The grid's definitions again, row by row in plain Python, for comparison. Shares nothing with the package."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

Gap = tuple[str, int, int]


class Row(NamedTuple):
    """A book as received: paise and shares, None for an absent price."""

    received: int
    feed: str
    valid: bool
    bid_px: Sequence[int | None]
    bid_qty: Sequence[int]
    ask_px: Sequence[int | None]
    ask_qty: Sequence[int]


def known(rows: Sequence[Row], moment: int, opens: int, gaps: Sequence[Gap]) -> int | None:
    """The place of the row that stands for a moment."""
    best = None
    for feed in {row.feed for row in rows}:
        last = _last(rows, feed, moment)
        if last is None:
            continue
        row = rows[last]
        lost = any(name == feed and begin <= moment and end > row.received for name, begin, end in gaps)
        if row.received >= opens and row.valid and not lost and (best is None or last > best):
            best = last
    return best


def _last(rows: Sequence[Row], feed: str, moment: int) -> int | None:
    places = [place for place, row in enumerate(rows) if row.feed == feed and row.received <= moment]
    return places[-1] if places else None


def value(
    rows: Sequence[Row], name: str, levels: int, moment: int, every: int, opens: int, gaps: Sequence[Gap]
) -> float | None:
    """A field at a moment; None where it is not known or not defined."""
    place = known(rows, moment, opens, gaps)
    if place is None:
        return None
    row = rows[place]
    if name in ("ofi", "updates"):
        return _since(rows, place, name, levels, moment, every, opens, gaps)
    bid, ask = row.bid_px[0], row.ask_px[0]
    bids, asks = sum(row.bid_qty[:levels]), sum(row.ask_qty[:levels])
    if name == "imbalance":
        return (bids - asks) / (bids + asks) if bids + asks else None
    if name == "age_ms":
        return (moment - row.received) / 1e6
    if bid is None or ask is None:
        return None
    bid_qty, ask_qty = row.bid_qty[0], row.ask_qty[0]
    weighted = (ask * bid_qty + bid * ask_qty) / (bid_qty + ask_qty) if bid_qty + ask_qty else None
    single: dict[str, Any] = {
        "mid": (bid + ask) / 200,
        "spread": (ask - bid) / 100,
        "spread_bp": (ask - bid) * 20_000 / (ask + bid),
        "microprice": weighted and weighted / 100,
    }
    return single[name]


def _since(
    rows: Sequence[Row], place: int, name: str, levels: int, moment: int, every: int, opens: int, gaps: Sequence[Gap]
) -> float | None:
    feed = rows[place].feed
    before = _last(rows, feed, moment - every)
    if before is None or moment - every < opens or rows[before].received < opens:
        return None
    if any(n == feed and begin <= moment and end > rows[before].received for n, begin, end in gaps):
        return None
    chain = [row for row in rows[before : place + 1] if row.feed == feed]
    if not all(row.valid for row in chain):
        return None
    if name == "updates":
        return float(len(chain) - 1)
    return float(sum(_flow(a, b, levels) for a, b in itertools.pairwise(chain)))


def _flow(old: Row, new: Row, levels: int) -> int:
    total = 0
    for level in range(levels):
        was, now = (-math.inf if row.bid_px[level] is None else row.bid_px[level] for row in (old, new))
        total += new.bid_qty[level] if now >= was else 0
        total -= old.bid_qty[level] if now <= was else 0
        was, now = (math.inf if row.ask_px[level] is None else row.ask_px[level] for row in (old, new))
        total -= new.ask_qty[level] if now <= was else 0
        total += old.ask_qty[level] if now >= was else 0
    return total
