"""What a grid can hold: each field with its definition. docs/reading.md has them with their sources.

Prices are rupees, quantities shares. A value is NaN where it is not defined, such as the middle of a one-sided book.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harvester.lake.layout import DEPTH, DEPTH50, QUOTES
from harvester.reader.errors import QuestionError

Floats = NDArray[np.float64]
NUMBERED = re.compile(r"([a-z_]+?)_([1-9][0-9]?)", re.ASCII)
LEVELS = {DEPTH: 5, DEPTH50: 50}
BASIS_POINTS = 10_000.0


class Book(NamedTuple):
    """Both sides of books, [rows, levels], the best level first: an absent level has price NaN and 0 shares."""

    bid_px: Floats
    bid_qty: Floats
    ask_px: Floats
    ask_qty: Floats

    def take(self, rows: NDArray[np.int64]) -> "Book":
        return Book(*(side[rows] for side in self))


def mid(book: Book, _: int) -> Floats:
    """(best ask + best bid) / 2."""
    return (book.bid_px[:, 0] + book.ask_px[:, 0]) / 2


def spread(book: Book, _: int) -> Floats:
    """Best ask less best bid."""
    return book.ask_px[:, 0] - book.bid_px[:, 0]


def spread_bp(book: Book, _: int) -> Floats:
    """The spread in parts of ten thousand of the mid price."""
    return spread(book, 0) / mid(book, 0) * BASIS_POINTS


def microprice(book: Book, _: int) -> Floats:
    """The best prices, each weighted by the quantity on the other side (Gatheral and Oomen 2010)."""
    bid, ask = book.bid_qty[:, 0], book.ask_qty[:, 0]
    return (book.ask_px[:, 0] * bid + book.bid_px[:, 0] * ask) / (bid + ask)


def imbalance(book: Book, levels: int) -> Floats:
    """(bid - ask) / (bid + ask) of the shares in the best levels (Cao, Hansch and Wang 2009)."""
    bid, ask = bid_depth(book, levels), ask_depth(book, levels)
    return (bid - ask) / (bid + ask)


def bid_depth(book: Book, levels: int) -> Floats:
    """Shares in the best bid levels."""
    total: Floats = book.bid_qty[:, :levels].sum(axis=1)
    return total


def ask_depth(book: Book, levels: int) -> Floats:
    """Shares in the best ask levels."""
    total: Floats = book.ask_qty[:, :levels].sum(axis=1)
    return total


def order_flow(book: Book, levels: int) -> Floats:
    """What each book adds to the order flow imbalance since the book before, over the best levels; 0 of the first.

    Of a level: the bid quantity if the bid did not fall, less the bid quantity before if it did not rise, less the
    same of the ask with rising for falling (Cont, Kukanov and Stoikov 2014, e_n; of several levels: Xu, Gould and
    Howison 2018).
    """
    bid = np.where(np.isnan(book.bid_px[:, :levels]), -np.inf, book.bid_px[:, :levels])
    ask = np.where(np.isnan(book.ask_px[:, :levels]), np.inf, book.ask_px[:, :levels])
    bid_qty, ask_qty = book.bid_qty[:, :levels], book.ask_qty[:, :levels]
    added = np.zeros(len(bid))
    added[1:] = (
        np.where(bid[1:] >= bid[:-1], bid_qty[1:], 0.0)
        - np.where(bid[1:] <= bid[:-1], bid_qty[:-1], 0.0)
        - np.where(ask[1:] <= ask[:-1], ask_qty[1:], 0.0)
        + np.where(ask[1:] >= ask[:-1], ask_qty[:-1], 0.0)
    ).sum(axis=1)
    return added


OF_BOOK: dict[str, Callable[[Book, int], Floats]] = {
    "mid": mid,
    "spread": spread,
    "spread_bp": spread_bp,
    "microprice": microprice,
    "imbalance": imbalance,
    "bid_depth": bid_depth,
    "ask_depth": ask_depth,
    "bid_px": lambda book, level: book.bid_px[:, level - 1],
    "bid_qty": lambda book, level: book.bid_qty[:, level - 1],
    "ask_px": lambda book, level: book.ask_px[:, level - 1],
    "ask_qty": lambda book, level: book.ask_qty[:, level - 1],
}
"""Of the last book."""
OFI, UPDATES, AGE = "ofi", "updates", "age_ms"
WITH_NUMBER = ("imbalance", "bid_depth", "ask_depth", "bid_px", "bid_qty", "ask_px", "ask_qty", OFI)
OF_QUOTE = ("ltp", "volume", "oi")
"""Of the last quote: last traded price, shares traded today, open interest."""
NAMES = tuple(f"{name}_N" if name in WITH_NUMBER else name for name in (*OF_BOOK, OFI, UPDATES, AGE, *OF_QUOTE))


class Field(NamedTuple):
    """A field of a grid; `number` is that of levels, or of the level."""

    text: str
    name: str
    number: int = 1


def parse_fields(fields: str | Sequence[str]) -> list[Field]:
    """Raises QuestionError."""
    texts = [fields] if isinstance(fields, str) else list(fields)
    if not texts or len({*texts}) < len(texts):
        raise QuestionError(f"fields={fields!r} must name at least one field, and each once.")
    return [_parse(text) for text in texts]


def book_of(fields: Sequence[Field]) -> str:
    """The table of books that has as many levels as the fields need."""
    return DEPTH if max(field.number for field in fields) <= LEVELS[DEPTH] else DEPTH50


def table_of(field: Field, book: str) -> str:
    """The logical table that a field comes from."""
    return QUOTES if field.name in OF_QUOTE else book


def _parse(text: str) -> Field:
    match = NUMBERED.fullmatch(text) if isinstance(text, str) else None
    if match and match[1] in WITH_NUMBER and int(match[2]) <= LEVELS[DEPTH50]:
        return Field(text, match[1], int(match[2]))
    if text in (*OF_BOOK, UPDATES, AGE, *OF_QUOTE) and text not in WITH_NUMBER:
        return Field(text, text)
    raise QuestionError(
        f"{text!r} is no field of a grid. There are {', '.join(NAMES)}, where N is a number of levels from 1 to"
        f" {LEVELS[DEPTH50]}, such as imbalance_5."
    )
