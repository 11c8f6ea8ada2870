"""One symbol's book in the broker's /depth answer as exact integers (Fyers API docs, market depth).

    {"bids":[{"price":800.1,"volume":5,"ord":1},...],"ask":[...],"ltp":800.15,"totalbuyqty":1000,...}

The sell side is spelled `ask`. A price may come as an integer. A side has up to five levels, best first; missing ones
are left out or filled with zeros or nulls, as is a whole side of a symbol at its circuit; an index has null sides and
totals.
"""

from typing import Any, NamedTuple

from harvester.brokers.numbers import INT32, to_count, to_paise

LEVELS = 5
LEVEL_KEYS = ("price", "volume", "ord")


class Level(NamedTuple):
    """One price level: price in paise (None when the level is absent), quantity in shares, number of orders."""

    price: int | None
    quantity: int
    orders: int


ABSENT = Level(None, 0, 0)


class Depth(NamedTuple):
    """One symbol's book. Prices in paise, quantities in shares, `ltt` in seconds since 1970.

    `bids` and `asks` have five levels, best first. Other values that the answer lacks are None.
    """

    ltp: int
    total_buy_qty: int | None
    total_sell_qty: int | None
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ltq: int | None
    ltt: int | None
    volume: int | None
    open: int | None
    high: int | None
    low: int | None
    prev_close: int | None
    atp: int | None
    upper_ckt: int | None
    lower_ckt: int | None
    oi: int | None


class UnfitError(Exception):
    """A book that lacks a value that a row needs, or has it in another type or range; the message is printable."""


def read_book(book: dict[str, Any]) -> Depth:
    """The row of a book whose fractions are Decimals. Raises UnfitError.

    The last price and both sides, which may be empty, are required: without them there is no row. The totals must be
    there and may be null. The rest may be missing or odd.
    """
    return Depth(
        ltp=_require(to_paise(book.get("ltp")), "ltp", "a price in whole paise"),
        total_buy_qty=_total(book, "totalbuyqty"),
        total_sell_qty=_total(book, "totalsellqty"),
        bids=_side(book, "bids"),
        asks=_side(book, "ask"),
        ltq=to_count(book.get("ltq")),
        ltt=to_count(book.get("ltt")),
        volume=to_count(book.get("v")),
        open=to_paise(book.get("o")),
        high=to_paise(book.get("h")),
        low=to_paise(book.get("l")),
        prev_close=to_paise(book.get("c")),
        atp=to_paise(book.get("atp"), noise=None),
        upper_ckt=to_paise(book.get("upper_ckt")),
        lower_ckt=to_paise(book.get("lower_ckt")),
        oi=to_count(book.get("oi")),
    )


def _side(book: dict[str, Any], key: str) -> tuple[Level, ...]:
    """Five levels. More than five mean that answers were run together, and cannot be told apart."""
    if key not in book:
        raise UnfitError(f"the book has no {key!r}")
    levels = [] if book[key] is None else book[key]
    if not isinstance(levels, list) or len(levels) > LEVELS:
        raise UnfitError(f"{key!r} is not a list of at most {LEVELS} levels")
    read = [_level(level) for level in levels]
    if None in read:
        raise UnfitError(f"{key}[{read.index(None)}] is not a level with a price in whole paise, a volume and orders")
    return (*(level for level in read if level), *[ABSENT] * (LEVELS - len(read)))


def _level(level: object) -> Level | None:
    if level is None or (isinstance(level, dict) and level and not any(level.get(key) for key in LEVEL_KEYS)):
        return ABSENT
    if not isinstance(level, dict):
        return None
    price = to_paise(level.get("price"))
    quantity = to_count(level.get("volume"))
    orders = to_count(level.get("ord") or 0, INT32)
    if price is None or quantity is None or orders is None:
        return None
    return Level(price, quantity, orders)


def _require(value: int | None, place: str, what: str) -> int:
    if value is None:
        raise UnfitError(f"{place} is missing or not {what}")
    return value


def _total(book: dict[str, Any], key: str) -> int | None:
    if key in book and book[key] is None:
        return None
    return _require(to_count(book.get(key)), key, "a count")
