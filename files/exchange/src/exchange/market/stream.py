"""One symbol's books one after the other, as time goes on: what a socket sends."""

from datetime import timedelta

from exchange.market.book import Book
from exchange.market.model import BookModel, Playback
from harvester.base.clock import to_ist

FAR_NS = 2**62
SPREAD = 1000


class BookStream:
    """Walks through the model's updates of one symbol. `book` is in force until `next_ns`; FAR_NS: none is known.

    The next slice is made by `prepare`, at a moment that differs from symbol to symbol, so that the turn of a minute
    costs nothing.
    """

    def __init__(self, model: BookModel, symbol: str, levels: int, wall_ns: int) -> None:
        self._model = model
        self.symbol = symbol
        self._levels = levels
        self._share = sum(symbol.encode()) * 7919 % SPREAD
        self.seek(wall_ns)

    def seek(self, wall_ns: int) -> Book:
        """Go to the book in force at a moment."""
        plan, index, self._place = self._model.locate(self.symbol, wall_ns)
        self._now: Playback = self._model.play(plan, index, self._levels)
        self._following: Playback | None = None
        self.book = self._now.book(self._place)
        self.look(wall_ns)
        return self.book

    def look(self, wall_ns: int) -> None:
        """Find out when the next book comes."""
        times = self._now.times
        if self._place + 1 < len(times):
            self.next_ns = times[self._place + 1]
            return
        self.prepare(wall_ns)
        self.next_ns = self._following.times[0] if self._following else FAR_NS

    @property
    def prepare_ns(self) -> int:
        """When `prepare` should be called, for this slice."""
        piece = self._now.plan[self._now.index]
        return piece.start_ns + (piece.end_ns - piece.start_ns) * self._share // SPREAD

    def prepare(self, wall_ns: int) -> None:
        """Make the next slice; nothing when the calendar knows no more of today or tomorrow."""
        if self._following is not None:
            return
        plan, index = self._now.plan, self._now.index + 1
        if index < len(plan):
            self._following = self._model.play(plan, index, self._levels)
            return
        today = to_ist(wall_ns).date()
        for day in (today, today + timedelta(days=1)):
            later = self._model.plan(self.symbol, day) if day > plan.day else None
            if later is not None:
                self._following = self._model.play(later, 0, self._levels)
                return

    def advance(self, wall_ns: int) -> Book:
        """The next book, whose time `next_ns` has come."""
        if self._place + 1 < len(self._now.times):
            self._place += 1
        elif self._following is not None:
            self._now, self._following, self._place = self._following, None, 0
        self.book = self._now.book(self._place)
        self.look(wall_ns)
        return self.book
