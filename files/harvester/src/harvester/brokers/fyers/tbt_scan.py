"""Scans 50-level (TBT) messages while recording: which books changed, which came whole, and what they were last.

A message is protobuf: SocketMessage {1 type, 2 feeds map<string, MarketFeed>, 3 snapshot, 4 msg, 5 error}; field 11 of
a MarketFeed is the ticker (schema: msg.proto of the broker's SDK 3.2.0).
"""

from collections.abc import Callable

from harvester.brokers.fyers.protobuf import BYTES, iterate_fields
from harvester.brokers.fyers.tbt_book import TbtBook

FEEDS, IS_SNAPSHOT, TEXT, IS_ERROR = 2, 3, 4, 5
KEY, VALUE, TICKER = 1, 2, 11
MOST_KEYS = 100
"""A server that makes keys up must not fill our memory."""
Snapshot = Callable[[str, TbtBook, int], None]
"""Called with a ticker, its book and the message's wall ns when the book came whole."""


class TbtScanner:
    """Counts of one connection by ticker. Times are wall ns."""

    def __init__(self, symbols: frozenset[str], on_snapshot: Snapshot) -> None:
        self.unknown = 0
        """Messages that are not of the schema, and feeds of tickers that were not asked for."""
        self.updates = dict.fromkeys(symbols, 0)
        self.last_ns: dict[str, int] = {}
        self.books: dict[str, TbtBook] = {}
        """Of each symbol since its snapshot."""
        self.error = ""
        """What the server said when it last refused something."""
        self._symbols = symbols
        self._by_key = {symbol.encode(): symbol for symbol in symbols}
        self._on_snapshot = on_snapshot

    def scan(self, message: bytes, wall_ns: int) -> bool:
        """Take in one binary message; True when it holds a feed."""
        symbol = self._scan_common(message)
        if symbol:
            self.updates[symbol] += 1
            self.last_ns[symbol] = wall_ns
            self._follow(symbol, message, 4 if message[3] < 0x80 else 5, len(message))
            return True
        return self._scan_fields(message, wall_ns)

    def _scan_common(self, message: bytes) -> str | None:
        """The symbol of a message of the most common shape, a type and one feed of a known key; None for any other."""
        try:
            if message[0] != 8 or message[2] != FEEDS << 3 | BYTES:
                return None
            size, at = message[3], 4
            if size >= 0x80:
                size, at = size & 0x7F | message[4] << 7, 5
            if at + size != len(message) or message[at] != KEY << 3 | BYTES:
                return None
            return self._by_key.get(message[at + 2 : at + 2 + message[at + 1]])
        except IndexError:
            return None

    def _scan_fields(self, message: bytes, wall_ns: int) -> bool:
        feeds: list[tuple[str, int, int]] = []
        snapshot = False
        try:
            for field, start, end in iterate_fields(message, 0, len(message)):
                if field == FEEDS:
                    feeds.append((self._ticker(message, start, end), start, end))
                elif field == IS_SNAPSHOT:
                    snapshot = start != 0
                elif field == IS_ERROR and start:
                    self.error = _text(message) or "no text"
        except (IndexError, ValueError):
            self.unknown += 1
        for ticker, start, end in feeds:
            if ticker not in self._symbols:
                self.unknown += 1
                continue
            self.updates[ticker] += 1
            self.last_ns[ticker] = wall_ns
            if snapshot:
                self.books[ticker] = TbtBook()
            self._follow(ticker, message, start, end)
            if snapshot:
                self._on_snapshot(ticker, self.books[ticker], wall_ns)
        return bool(feeds)

    def _follow(self, ticker: str, message: bytes, start: int, end: int) -> None:
        """Bring the ticker's book up to a map entry, bytes [start, end); what is malformed leaves it as it was."""
        book = self.books.get(ticker)
        if book is None:
            return
        try:
            for field, begin, finish in iterate_fields(message, start, end):
                if field == VALUE:
                    book.take(message, begin, finish)
        except (IndexError, ValueError):
            self.unknown += 1

    def _ticker(self, message: bytes, start: int, end: int) -> str:
        """The ticker of a map entry. Its key may be a ticker or a number, so the ticker of each key is remembered."""
        size = message[start + 1]
        if message[start] != KEY << 3 | BYTES or size >= 0x80:
            return _find_ticker(message, start, end)
        key = message[start + 2 : start + 2 + size]
        known = self._by_key.get(key)
        if known is None:
            known = _find_ticker(message, start, end)
            if known in self._symbols and len(self._by_key) < MOST_KEYS:
                self._by_key[key] = known
        return known


def _find_ticker(message: bytes, start: int, end: int) -> str:
    for field, value_start, value_end in iterate_fields(message, start, end):
        if field == VALUE:
            for inner, ticker_start, ticker_end in iterate_fields(message, value_start, value_end):
                if inner == TICKER:
                    return message[ticker_start:ticker_end].decode("utf-8", "replace")
    return ""


def _text(message: bytes) -> str:
    for field, start, end in iterate_fields(message, 0, len(message)):
        if field == TEXT:
            return " ".join(message[start:end][:200].decode("utf-8", "backslashreplace").split())
    return ""
