"""Halts and circuits: what the market shows in place of the model's books while such a fault lasts.

Sources: NSE's index circuit breakers (10, 15, 20 %) halt all trading. At a symbol's own upper limit (NSE, price bands)
there are buyers alone: no asks, and a best bid at the limit.
"""

from collections.abc import Callable

from exchange.faults import Armed, FaultSchedule
from exchange.market.book import Book
from exchange.market.model import BookModel
from harvester.base.clock import Clock

Show = Callable[[Book, int], Book]
"""Gives what the market shows in place of a book with so many levels."""


class Disruptions:
    """Applies the schedule's faults of the market. Books are those of one model."""

    def __init__(self, schedule: FaultSchedule, model: BookModel, clock: Clock) -> None:
        self._schedule = schedule
        self._model = model
        self._clock = clock

    def show(self, book: Book, levels: int) -> Book:
        """The book as traders see it. After a halt it goes on with what the model has then, as after an auction."""
        for armed in self._schedule.of_market(book.symbol):
            book = self._halted(armed, book, levels) if armed.fault.action == "halt" else at_upper_limit(book)
        return book

    def _halted(self, armed: Armed, book: Book, levels: int) -> Book:
        return self._model.book_at(book.symbol, armed.began_at(self._clock), levels)


def at_upper_limit(book: Book) -> Book:
    """The same book with its best bid at the upper limit and nobody who sells."""
    if not book.bids or not book.upper_circuit:
        return book
    step = book.upper_circuit - book.bids[0].price
    bids = tuple(level._replace(price=level.price + step) for level in book.bids)
    limit = book.upper_circuit
    return book._replace(bids=bids, asks=(), total_sell=0, last_price=limit, high=max(book.high, limit))
