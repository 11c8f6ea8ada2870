"""Messages of the 50-level depth socket (TBT), as the broker's server sends them: protobuf, written by hand.

Field numbers are those of the broker's public msg.proto 1.0.0. Numbers of the wrapper types (UInt64Value and so on)
are given as int or None: None is absent, 0 is present and zero, which is an empty sub-message on the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

DEPTH, RESPONSE = 6, 8
SLOTS = 50
_VARINT, _BYTES = 0, 2


def varint(value: int) -> bytes:
    """A protobuf varint; negative numbers take their 64-bit two's complement."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(number: int, value: int) -> bytes:
    """A scalar of proto3: zero is not sent."""
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


def message(number: int, body: bytes) -> bytes:
    """A length-delimited field: a sub-message, a text or bytes."""
    return varint(number << 3 | _BYTES) + varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return message(number, text.encode()) if text else b""


def wrapped(number: int, value: int | None) -> bytes:
    """A field of a wrapper type."""
    return b"" if value is None else message(number, _number(1, value))


@dataclass(frozen=True)
class Level:
    """One level of a side. `price` in paise, `orders` the number of orders, `num` the slot from the top, 0 to 49."""

    num: int | None
    price: int | None = None
    qty: int | None = None
    orders: int | None = None

    def encode(self) -> bytes:
        return wrapped(1, self.price) + wrapped(2, self.qty) + wrapped(3, self.orders) + wrapped(4, self.num)


@dataclass(frozen=True)
class Feed:
    """One symbol's part of a message. Times are epoch seconds; `tbq`, `tsq` the total quantities of the sides."""

    ticker: str
    bids: Sequence[Level] = ()
    asks: Sequence[Level] = ()
    tbq: int | None = None
    tsq: int | None = None
    feed_time: int | None = None
    send_time: int | None = None
    sequence: int = 0
    snapshot: bool = False
    token: str = ""
    depth: bool = True
    """Whether there is a depth part at all."""
    other: bytes = b""
    """Further encoded fields, such as a quote part made with `message` and `wrapped`."""
    key: str = field(default="")
    """Key in the message's map; the ticker when empty."""

    def encode(self) -> bytes:
        levels = b"".join(message(3, level.encode()) for level in self.asks)
        levels += b"".join(message(4, level.encode()) for level in self.bids)
        depth = message(5, wrapped(1, self.tbq) + wrapped(2, self.tsq) + levels) if self.depth else b""
        times = wrapped(6, self.feed_time) + wrapped(7, self.send_time)
        rest = _number(9, self.sequence) + _number(10, self.snapshot) + _text(11, self.ticker)
        return self.other + depth + times + _text(8, self.token) + rest


def socket_message(
    feeds: Sequence[Feed], *, snapshot: bool = False, kind: int = DEPTH, text: str = "", error: bool = False
) -> bytes:
    """A whole frame: the feeds of some symbols, or a text to the client with `error`."""
    parts = [_number(1, kind)]
    parts += [message(2, message(1, (feed.key or feed.ticker).encode()) + message(2, feed.encode())) for feed in feeds]
    return b"".join(parts) + _number(3, snapshot) + _text(4, text) + _number(5, error)
