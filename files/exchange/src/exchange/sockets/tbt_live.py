"""The 50-level books, made from the book model as time goes on, and their messages: whole, or what has changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.market.book import Book, Level
from exchange.market.disruptions import Show
from exchange.market.instruments import Instrument
from exchange.market.model import BookModel
from exchange.sockets.feeds import TbtListener
from exchange.sockets.pump import BookPump
from exchange.wire import tbt
from exchange.wire.tbt import SLOTS
from harvester.base.clock import NS_PER_SECOND, Clock

NO_LEVEL = Level(0, 0, 0)


def _at(levels: Sequence[Level], num: int) -> Level:
    return levels[num] if num < len(levels) else NO_LEVEL


def _whole(levels: Sequence[Level]) -> list[tbt.Level]:
    return [tbt.Level(num, *_at(levels, num)) for num in range(tbt.SLOTS)]


def _changed(before: Sequence[Level], now: Sequence[Level]) -> list[tbt.Level]:
    found = []
    for num in range(tbt.SLOTS):
        old, new = _at(before, num), _at(now, num)
        if old != new:
            values = (right if left != right else None for left, right in zip(old, new, strict=True))
            found.append(tbt.Level(num, *values))
    return found


def encode_snapshot(book: Book, token: str, sequence: int, sent_ns: int) -> bytes:
    """All fifty slots of both sides; those without an order are present and zero."""
    return _message(book, token, sequence, sent_ns, None)


def encode_difference(before: Book, book: Book, token: str, sequence: int, sent_ns: int) -> bytes:
    """The slots that differ, with the numbers of each that differ. A level that went has price and quantity 0."""
    return _message(book, token, sequence, sent_ns, before)


def _message(book: Book, token: str, sequence: int, sent_ns: int, before: Book | None) -> bytes:
    feed = tbt.Feed(
        book.symbol,
        bids=_changed(before.bids, book.bids) if before else _whole(book.bids),
        asks=_changed(before.asks, book.asks) if before else _whole(book.asks),
        tbq=book.total_buy if before is None or before.total_buy != book.total_buy else None,
        tsq=book.total_sell if before is None or before.total_sell != book.total_sell else None,
        feed_time=book.time_ns // NS_PER_SECOND,
        send_time=sent_ns // NS_PER_SECOND,
        sequence=sequence,
        snapshot=before is None,
        token=token,
    )
    return tbt.socket_message([feed], snapshot=before is None)


NSE, CASH, DERIVATIVES = 10, 10, 11


@dataclass
class _Symbol:
    """A symbol that somebody listens to. `sequence` numbers its books, from 1."""

    book: Book
    sequence: int
    listeners: dict[TbtListener, None] = field(default_factory=dict)


def is_served(instrument: Instrument) -> bool:
    """NSE shares and derivatives only (Fyers API docs, TBT)."""
    return instrument.exchange == NSE and instrument.segment in (CASH, DERIVATIVES) and not instrument.is_index


class LiveTbt:
    """All listeners of a symbol share its books, messages and sequence numbers."""

    def __init__(self, model: BookModel, clock: Clock, show: Show) -> None:
        self._model = model
        self._clock = clock
        self.pump = BookPump(model, clock, SLOTS, self._on_book, lambda: None, show)
        self._symbols: dict[str, _Symbol] = {}
        self._sequences: dict[str, int] = {}
        """Last number of symbols that nobody listens to now: numbers never go back."""

    def serves(self, symbol: str) -> bool:
        instrument = self._model.instruments.get(symbol)
        return instrument is not None and is_served(instrument)

    def join(self, listener: TbtListener, symbol: str) -> None:
        state = self._symbols.get(symbol)
        if state is None:
            state = _Symbol(self.pump.follow(symbol), self._sequences.pop(symbol, 0) + 1)
            self._symbols[symbol] = state
        state.listeners[listener] = None
        listener.send_message(
            encode_snapshot(state.book, self._token(symbol), state.sequence, self._clock.wall_ns()), 1, symbol
        )

    def leave(self, listener: TbtListener, symbol: str) -> None:
        state = self._symbols.get(symbol)
        if state is None:
            return
        state.listeners.pop(listener, None)
        if not state.listeners:
            self._sequences[symbol] = state.sequence
            del self._symbols[symbol]
            self.pump.unfollow(symbol)

    def _token(self, symbol: str) -> str:
        return self._model.instruments[symbol].token

    def _on_book(self, book: Book) -> None:
        state = self._symbols[book.symbol]
        if book == state.book:  # it is halted
            return
        before, state.book = state.book, book
        state.sequence += 1
        message = encode_difference(before, book, self._token(book.symbol), state.sequence, self._clock.wall_ns())
        for listener in state.listeners:
            listener.send_message(message, 1, book.symbol)
