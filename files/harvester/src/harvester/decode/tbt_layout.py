"""What the 50-level depth socket (TBT) sends: tags of the messages in the broker's public msg.proto 1.0.0."""

from harvester.decode.protobuf import LENGTH, NUMBER, SPAN, TEXT, VARINT, WRAPPED, Many, Schema

SLOTS = 50
"""Levels a side. Slot 0 is the best."""


def length(number: int) -> int:
    """Tag of a text, a message or a wrapper."""
    return number << 3 | LENGTH


def varint(number: int) -> int:
    """Tag of a plain number."""
    return number << 3 | VARINT


def _wrappers(count: int) -> Schema:
    return {length(number): WRAPPED for number in range(1, count + 1)}


PRICE, QTY, ORDERS, NUM = (length(number) for number in (1, 2, 3, 4))
LEVEL: Schema = {PRICE: WRAPPED, QTY: WRAPPED, ORDERS: WRAPPED, NUM: WRAPPED}

TOTAL_BUY, TOTAL_SELL, ASKS, BIDS = (length(number) for number in (1, 2, 3, 4))
DEPTH_BODY: Schema = {TOTAL_BUY: WRAPPED, TOTAL_SELL: WRAPPED, ASKS: Many(LEVEL), BIDS: Many(LEVEL)}

QUOTE, EXTENDED, DAILY, BARS, DEPTH, FEED_TIME, SEND_TIME, TOKEN = (length(number) for number in range(1, 9))
SEQUENCE, FEED_SNAPSHOT, TICKER, DETAIL = varint(9), varint(10), length(11), length(12)
MARKET_FEED: Schema = {
    QUOTE: _wrappers(7),
    EXTENDED: _wrappers(9),
    DAILY: _wrappers(6),
    BARS: _wrappers(6),
    DEPTH: SPAN,
    FEED_TIME: WRAPPED,
    SEND_TIME: WRAPPED,
    TOKEN: TEXT,
    SEQUENCE: NUMBER,
    FEED_SNAPSHOT: NUMBER,
    TICKER: TEXT,
    DETAIL: {length(1): TEXT},
}

KEY, VALUE = length(1), length(2)
MAP_ENTRY: Schema = {KEY: TEXT, VALUE: MARKET_FEED}

KIND, FEEDS, SNAPSHOT, MESSAGE, ERROR = varint(1), length(2), varint(3), length(4), varint(5)
SOCKET_MESSAGE: Schema = {KIND: NUMBER, FEEDS: Many(MAP_ENTRY), SNAPSHOT: NUMBER, MESSAGE: TEXT, ERROR: NUMBER}
