"""The 50-level socket of a recorded day: recorded messages, byte for byte to those who get all symbols in them."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exchange.replay.tbt_state import TbtState
from exchange.sockets.feeds import TbtListener
from harvester.decode.protobuf import MalformedError, read_length, read_tag, skip
from harvester.decode.tbt_layout import FEEDS, TICKER, VALUE

PADDING = bytes(16)
"""Spare bytes that the protobuf reader wants behind a message."""


class Part(NamedTuple):
    """A top-level field of a message as it is; `ticker` when it is a symbol's part."""

    raw: bytes
    ticker: str = ""


def fields(raw: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, begin, begin of the content (or value) and end of each field. Raises MalformedError."""
    at = start
    while at < end:
        tag, inside = read_tag(raw, at)
        if tag & 7 == 2:
            inside, after = read_length(raw, inside, end)
        else:
            after = skip(raw, tag, inside, end)
        yield tag, at, inside, after
        at = after


def split(message: bytes) -> list[Part]:
    """The top-level fields. Raises MalformedError."""
    raw = message + PADDING
    return [
        Part(raw[begin:end], _ticker(raw, inside, end) if tag == FEEDS else "")
        for tag, begin, inside, end in fields(raw, 0, len(message))
    ]


def _ticker(raw: bytes, start: int, end: int) -> str:
    for tag, _, inside, after in fields(raw, start, end):
        if tag == VALUE:
            for inner, _, begin, close in fields(raw, inside, after):
                if inner == TICKER:
                    return raw[begin:close].decode("utf-8", "replace")
    return ""


class ReplayTbt:
    """`symbols` are those recorded; `on_join` is told of each subscription."""

    def __init__(self, symbols: Iterable[str], on_join: Callable[[], None]) -> None:
        self._symbols = frozenset(symbols)
        self._on_join = on_join
        self._states: dict[int, TbtState] = {}
        self._owners: dict[str, int] = {}
        self._listeners: dict[TbtListener, set[str]] = {}

    def serves(self, symbol: str) -> bool:
        return symbol in self._symbols

    def join(self, listener: TbtListener, symbol: str) -> None:
        self._listeners.setdefault(listener, set()).add(symbol)
        state = self._states.get(self._owners.get(symbol, -1))
        message = state.snapshot(symbol) if state else None
        if message is not None:
            listener.send_message(message, 1, symbol)
        self._on_join()

    def leave(self, listener: TbtListener, symbol: str) -> None:
        symbols = self._listeners.get(listener, set())
        symbols.discard(symbol)
        if not symbols:
            self._listeners.pop(listener, None)

    @property
    def is_complete(self) -> bool:
        """Whether every recorded symbol has a subscriber."""
        return set().union(*self._listeners.values()) >= self._symbols

    def end(self, stream: int) -> None:
        """A recorded connection is over."""
        self._states.pop(stream, None)
        self._owners = {symbol: owner for symbol, owner in self._owners.items() if owner != stream}

    def end_all(self) -> None:
        """Another run of the recorder: all its connections are over."""
        self._states.clear()
        self._owners.clear()

    def play(self, stream: int, message: bytes) -> None:
        """The next message of a recorded connection."""
        try:
            parts = split(message)
        except (MalformedError, IndexError):
            self._play_damaged(stream, message)
            return
        self._states.setdefault(stream, TbtState()).take(message)
        tickers = [part.ticker for part in parts if part.ticker]
        served = {ticker for ticker in tickers if self._owners.setdefault(ticker, stream) == stream}
        for listener, symbols in self._listeners.items():
            mine = served & symbols
            if mine and len(mine) == len(tickers):
                listener.send_message(message, len(tickers), tickers[0])
            elif mine:
                raw = b"".join(part.raw for part in parts if not part.ticker or part.ticker in mine)
                listener.send_message(raw, len(mine), min(mine))

    def _play_damaged(self, stream: int, message: bytes) -> None:
        """A message that nobody can read goes to those who have all symbols of its connection."""
        mine = {symbol for symbol, owner in self._owners.items() if owner == stream}
        for listener, symbols in self._listeners.items():
            if mine and mine <= symbols:
                listener.send_message(message, 1, min(mine))
