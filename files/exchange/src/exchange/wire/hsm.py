"""Frames of the data socket (HSM), as the broker's server sends them.

All numbers are big-endian. A feed frame holds entries: a snapshot of a topic, an update of some of its values, or
a lite entry with the last price alone. Values are 32 bits; None stands for absent (in a snapshot) or unchanged (in
an update). Topic fields and their order: FIELDS.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

AUTH, SUBSCRIBE, UNSUBSCRIBE, FEED, PAUSE, RESUME, MODE, BUFFER, NOTICE = 1, 4, 5, 6, 7, 8, 12, 13, 51
UNCHANGED = 0x80000000
ACCEPTED, REFUSED = b"K", b"N"

FIELDS = {
    "sf": (  # noqa: SIM905
        "ltp vol_traded_today last_traded_time exch_feed_time bid_size ask_size bid_price ask_price last_traded_qty "
        "tot_buy_qty tot_sell_qty avg_trade_price OI low_price high_price Yhigh Ylow lower_ckt upper_ckt open_price "
        "prev_close_price"
    ).split(),
    "dp": [
        f"{side}_{what}{level}"
        for side, what in (
            ("bid", "price"), ("ask", "price"), ("bid", "size"), ("ask", "size"), ("bid", "order"), ("ask", "order")
        )
        for level in range(1, 6)
    ],
    "if": "ltp prev_close_price exch_feed_time high_price low_price open_price year_high year_low".split(),  # noqa: SIM905
}  # fmt: skip
"""Names of a topic's values in wire order; those that the SDK delivers bear the SDK's names."""

Values = Sequence[int | None]


@dataclass(frozen=True)
class Topic:
    """What a snapshot says about a topic besides its values. A price is value / (10**precision * multiplier)."""

    name: str
    """Such as "dp|nse_cm|3045"."""
    multiplier: int = 1
    precision: int = 2
    exchange: str = ""
    token: str = ""
    text: str = ""


def _pack(values: Values) -> bytes:
    words = (UNCHANGED if value is None else value & 0xFFFFFFFF for value in values)
    return struct.pack(f">B{len(values)}I", len(values), *words)


def _text(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw


def snapshot(topic_id: int, topic: Topic, values: Values, *, reserved: bytes = b"\0\0") -> bytes:
    """An entry that defines a topic id for the rest of the connection. `reserved`: two bytes that no client reads."""
    head = struct.pack(">BH", 0x53, topic_id) + _text(topic.name)
    tail = reserved + struct.pack(">HB", topic.multiplier, topic.precision)
    return head + _pack(values) + tail + b"".join(map(_text, (topic.exchange, topic.token, topic.text)))


def update(topic_id: int, values: Values) -> bytes:
    """An entry with the values of a topic by position; None: unchanged."""
    return struct.pack(">BH", 0x55, topic_id) + _pack(values)


def lite(topic_id: int, ltp: int | None) -> bytes:
    """An entry with the last price alone."""
    return struct.pack(">BHI", 0x4C, topic_id, UNCHANGED if ltp is None else ltp & 0xFFFFFFFF)


def _envelope(body: bytes) -> bytes:
    return struct.pack(">H", len(body) & 0xFFFF) + body


def feed(message_number: int, entries: Iterable[bytes]) -> bytes:
    """A frame of entries; a client asked to acknowledge names `message_number`."""
    parts = list(entries)
    return _envelope(struct.pack(">BIH", FEED, message_number & 0xFFFFFFFF, len(parts)) + b"".join(parts))


def control(kind: int, *fields: tuple[int, bytes]) -> bytes:
    """A control frame with (field id, value) pairs."""
    body = b"".join(struct.pack(">BH", number, len(value)) + value for number, value in fields)
    return _envelope(bytes([kind, len(fields)]) + body)


def auth_reply(*, accepted: bool = True, schema: bytes = b"{}", ack_every: int | None = None) -> bytes:
    """Answer to authentication. With `ack_every` None it has the live server's form: a 2-byte field and the schema.

    With a number, field 2 has the four bytes that clients expect, and they acknowledge every so many frames.
    """
    result = (1, ACCEPTED if accepted else REFUSED)
    if ack_every is None:
        return control(AUTH, result, (2, struct.pack(">H", 2)), (3, schema))
    return control(AUTH, result, (2, struct.pack(">I", ack_every)))


def reply(kind: int, *, accepted: bool = True) -> bytes:
    """Answer to subscribe, unsubscribe, pause, resume or mode."""
    result = (1, ACCEPTED if accepted else REFUSED)
    return control(kind, result, (2, b"\xff\xff")) if kind == SUBSCRIBE else control(kind, result)


def notice(code: int, text: str, refers_to: int) -> bytes:
    """A message of type 51: a code, such as 51001 for the plan's symbol limit, a text and the request's type."""
    return control(NOTICE, (1, struct.pack(">i", code)), (2, text.encode()), (3, bytes([refers_to])))
