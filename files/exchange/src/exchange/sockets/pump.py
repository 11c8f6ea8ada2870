"""Plays the model's books of the followed symbols as their times come, all from one schedule."""

import asyncio
import heapq
import logging
from collections.abc import Callable
from datetime import timedelta

from exchange.market.book import Book
from exchange.market.disruptions import Show
from exchange.market.model import BookModel, Playback
from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import to_local

FAR_NS = 2**62
SPREAD = 1000


class BookStream:
    """The model's books of one symbol, one after the other.

    `book` is in force until `next_ns` (wall ns; FAR_NS: no later book is known).

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
        today = to_local(wall_ns).date()
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


NEXT, PREPARE, LOOK = 0, 1, 2
JUMP_NS = 10 * NS_PER_SECOND
"""A clock that moved by more was set: books in between are not played."""
LOOK_NS = NS_PER_SECOND
SHORTEST, LONGEST = 0.004, 0.05
"""Seconds between looks: books that come closer together go out together."""
MOST = 2000
"""Books between two turns of the event loop."""
log = logging.getLogger("exchange")


class BookPump:
    """Calls `on_book` for each book as it comes, and `on_pause` after those that came together."""

    def __init__(
        self,
        model: BookModel,
        clock: Clock,
        levels: int,
        on_book: Callable[[Book], None],
        on_pause: Callable[[], None],
        show: Show,
    ) -> None:
        """`show` says what of a book is seen."""
        self._model, self._clock, self._levels = model, clock, levels
        self._on_pause = on_pause
        self._tell, self._show = on_book, show
        self._streams: dict[str, BookStream] = {}
        self._due: list[tuple[int, str, int]] = []
        self._wanted = asyncio.Event()
        self._last_ns = 0

    def follow(self, symbol: str) -> Book:
        """Begin to play a symbol. Returns the book in force."""
        stream = self._streams.get(symbol)
        if stream is None:
            now = self._clock.wall_ns()
            self._last_ns = self._last_ns or now
            stream = self._streams[symbol] = BookStream(self._model, symbol, self._levels, now)
            self._plan(stream, now)
            heapq.heappush(self._due, (stream.prepare_ns, symbol, PREPARE))
            self._wanted.set()
        return self._show(stream.book, self._levels)

    def unfollow(self, symbol: str) -> None:
        """Stop playing a symbol."""
        self._streams.pop(symbol, None)
        if not self._streams:
            self._wanted.clear()
            self._due.clear()
            self._last_ns = 0

    def forget(self) -> None:
        """The calendar has changed: go to the books that are now in force."""
        self._seek_all(self._clock.wall_ns())

    def _on_book(self, book: Book) -> None:
        self._tell(self._show(book, self._levels))

    def _plan(self, stream: BookStream, now: int) -> None:
        if stream.next_ns == FAR_NS:
            heapq.heappush(self._due, (now + LOOK_NS, stream.symbol, LOOK))
        else:
            heapq.heappush(self._due, (stream.next_ns, stream.symbol, NEXT))

    def _seek_all(self, now: int) -> None:
        self._due.clear()
        for stream in self._streams.values():
            before = stream.book
            if stream.seek(now) != before:
                self._on_book(stream.book)
            self._plan(stream, now)
            heapq.heappush(self._due, (stream.prepare_ns, stream.symbol, PREPARE))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            now = self._clock.wall_ns()
            if self._last_ns and not -JUMP_NS < now - self._last_ns < JUMP_NS:
                self._seek_all(now)
            self._last_ns = now
            self._play(now)
            self._on_pause()
            left = (self._due[0][0] - self._clock.wall_ns()) / NS_PER_SECOND if self._due else LONGEST
            await asyncio.sleep(min(max(left, SHORTEST), LONGEST))

    def _play(self, now: int) -> None:
        for _ in range(MOST):
            if not self._due or self._due[0][0] > now:
                return
            when, symbol, what = heapq.heappop(self._due)
            stream = self._streams.get(symbol)
            if stream is None:
                continue
            if what == PREPARE:
                stream.prepare(now)
            elif what == LOOK:
                stream.look(now)
                self._plan(stream, now)
            elif when == stream.next_ns:
                self._advance(stream, now)

    def _advance(self, stream: BookStream, now: int) -> None:
        slice_ns = stream.prepare_ns
        self._on_book(stream.advance(now))
        self._plan(stream, now)
        if stream.prepare_ns != slice_ns:
            heapq.heappush(self._due, (stream.prepare_ns, stream.symbol, PREPARE))
