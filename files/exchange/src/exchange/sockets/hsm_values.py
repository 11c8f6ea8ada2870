"""A book as the values of a data-socket topic, and what of it has changed."""

from collections.abc import Callable, Sequence
from itertools import repeat

from exchange.market.book import Book, Level
from harvester.base.clock import NS_PER_SECOND

LEVELS = 5
NO_LEVEL = Level(0, 0, 0)
Values = Sequence[int | None]


def symbol_values(book: Book, year: tuple[int, int]) -> list[int | None]:
    """`sf`. `year` is the range of the year before in paise."""
    bid, ask = (side[0] if side else NO_LEVEL for side in (book.bids, book.asks))
    return [
        book.last_price, book.volume, book.last_trade_ns // NS_PER_SECOND, book.time_ns // NS_PER_SECOND,
        bid.quantity, ask.quantity, bid.price, ask.price, book.last_quantity, book.total_buy, book.total_sell,
        book.average_price, book.open_interest, book.low, book.high,
        max(year[0], book.high), min(year[1], book.low or year[1]),
        book.lower_circuit, book.upper_circuit, book.open, book.previous_close,
    ]  # fmt: skip


def depth_values(book: Book, _: object = None) -> list[int | None]:
    """`dp`: prices, then quantities, then orders, each of five bids and five asks."""
    levels = [*_five(book.bids), *_five(book.asks)]
    return [value for column in zip(*levels, strict=True) for value in column]


def _five(levels: Sequence[Level]) -> list[Level]:
    return [*levels[:LEVELS], *repeat(NO_LEVEL, LEVELS - len(levels))]


def index_values(book: Book, year: tuple[int, int]) -> list[int | None]:
    """`if`, with the two values that the SDK does not name."""
    return [
        book.last_price, book.previous_close, book.time_ns // NS_PER_SECOND, book.high, book.low, book.open,
        max(year[0], book.high), min(year[1], book.low or year[1]),
    ]  # fmt: skip


MAKERS: dict[str, Callable[[Book, tuple[int, int]], list[int | None]]] = {
    "sf": symbol_values,
    "dp": depth_values,
    "if": index_values,
}


def changes(before: Values, now: Values) -> list[int | None] | None:
    """The values with None for those unchanged; None when nothing has changed."""
    if before == now:
        return None
    return [None if old == new else new for old, new in zip(before, now, strict=True)]
