"""The 50-level books, made from the book model as time goes on."""

from dataclasses import dataclass, field

from exchange.market.book import Book
from exchange.market.instruments import Instrument
from exchange.market.model import BookModel
from exchange.sockets.feeds import TbtListener
from exchange.sockets.pump import BookPump
from exchange.sockets.tbt_values import encode_difference, encode_snapshot
from exchange.wire.tbt import SLOTS
from harvester.base.clock import Clock

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

    def __init__(self, model: BookModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self.pump = BookPump(model, clock, SLOTS, self._on_book, lambda: None)
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
        before, state.book = state.book, book
        state.sequence += 1
        message = encode_difference(before, book, self._token(book.symbol), state.sequence, self._clock.wall_ns())
        for listener in state.listeners:
            listener.send_message(message, 1, book.symbol)
