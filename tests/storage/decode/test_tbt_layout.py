"""Tags and tables of the 50-level socket against the broker's own protobuf classes, made anew in each test."""

import fyers_apiv3.FyersWebsocket.msg_pb2 as schema
import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tests.storage.decode.tables import anew

from exchange.wire import tbt
from harvester.decode import tbt_cursor, tbt_layout, tbt_levels
from harvester.decode.frames import ABSENT
from harvester.decode.protobuf import Many, Plain

TAGS = {
    "MarketLevel": {"PRICE": "price", "QTY": "qty", "ORDERS": "nord", "NUM": "num"},
    "Depth": {"TOTAL_BUY": "tbq", "TOTAL_SELL": "tsq", "ASKS": "asks", "BIDS": "bids"},
    "MarketFeed": {
        "QUOTE": "quote", "EXTENDED": "eq", "DAILY": "dq", "BARS": "ohlcv", "DEPTH": "depth", "FEED_TIME": "feed_time",
        "SEND_TIME": "send_time", "TOKEN": "token", "SEQUENCE": "sequence_no", "FEED_SNAPSHOT": "snapshot",
        "TICKER": "ticker", "DETAIL": "symdetail",
    },
    "SocketMessage": {"KIND": "type", "FEEDS": "feeds", "SNAPSHOT": "snapshot", "MESSAGE": "msg", "ERROR": "error"},
    "SocketMessage.FeedsEntry": {"KEY": "key", "VALUE": "value"},
}  # fmt: skip
SCHEMAS = {
    "MarketLevel": "LEVEL", "Depth": "DEPTH_BODY", "MarketFeed": "MARKET_FEED", "SocketMessage": "SOCKET_MESSAGE",
    "SocketMessage.FeedsEntry": "MAP_ENTRY",
}  # fmt: skip
LENGTH_DELIMITED = (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING)


def message(name: str) -> Descriptor:
    outer, _, inner = name.partition(".")
    found = schema.DESCRIPTOR.message_types_by_name[outer]
    return found.nested_types_by_name[inner] if inner else found


def tag_of(field: FieldDescriptor) -> int:
    return field.number << 3 | (2 if field.type in LENGTH_DELIMITED else 0)


@pytest.mark.parametrize("name", TAGS)
def test_every_tag_is_the_number_and_the_wire_type_of_its_field(name: str) -> None:
    layout, fields = anew(tbt_layout), message(name).fields_by_name

    for ours, theirs in TAGS[name].items():
        assert getattr(layout, ours) == getattr(tbt_layout, ours) == tag_of(fields[theirs]), ours
    assert set(TAGS[name].values()) == set(fields)
    assert set(getattr(layout, SCHEMAS[name])) == {tag_of(field) for field in fields.values()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_holds_what_the_broker_says(name: str) -> None:
    layout = anew(tbt_layout)
    for field in message(name).fields:
        holds = getattr(layout, SCHEMAS[name])[tag_of(field)]
        if field.type == FieldDescriptor.TYPE_STRING:
            assert holds is Plain.TEXT
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            assert holds is Plain.NUMBER
        elif field.name == "depth":
            assert holds is Plain.SPAN
        elif field.is_repeated:
            assert isinstance(holds, Many)
        else:
            inner = {tag_of(each): each for each in field.message_type.fields}
            assert set(holds) == set(inner), field.name
    assert layout.SLOTS == 50


def test_the_step_over_a_level_is_its_length_and_two_or_beyond_any_end() -> None:
    steps = anew(tbt_levels).STEPS
    for first in range(256):
        for second in range(256):
            known = first in (tbt_layout.ASKS, tbt_layout.BIDS) and second < 128
            assert steps[first | second << 8] == (2 + second if known else 1 << 40)


NUMBERS = [0, 1, 127, 128, 255, 16_383, 16_384, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**32, 2**35 - 1]


@pytest.mark.parametrize(
    "rest", [b"", b"\x12\x02\x08\x05", b"\xff" * 8, b"\x00" * 8], ids=lambda rest: rest.hex() or "end"
)
@pytest.mark.parametrize("tag", [tbt_layout.PRICE, tbt_layout.NUM, tbt_layout.SEND_TIME])
def test_a_cursor_reads_wrappers_and_numbers_of_every_length(tag: int, rest: bytes) -> None:
    cursor_of = anew(tbt_cursor)
    for value in [None, *NUMBERS]:
        written = tbt.wrapped(tag >> 3, value)
        raw = written + rest + bytes(64)
        cursor = cursor_of.Cursor(cursor_of.words_at_each_byte(raw), np.array([0]), np.array([len(written)]))
        if value is None and rest[:1] == bytes([tag]):
            continue
        assert cursor.wrapper(tag).tolist() == [ABSENT if value is None else value]
        assert cursor.at.tolist() == [len(written)] and cursor.finish().tolist() == [False]

        plain = tbt.varint(9 << 3) + tbt.varint(value) if value is not None else b""
        raw = plain + rest + bytes(64)
        cursor = cursor_of.Cursor(cursor_of.words_at_each_byte(raw), np.array([0]), np.array([len(plain)]))
        assert cursor.number(9 << 3).tolist() == [value or 0]
        assert cursor.at.tolist() == [len(plain)] and cursor.finish().tolist() == [False]


@pytest.mark.parametrize(
    "odd",
    [
        b"\x0a\x01\x08", b"\x0a\x02\x10\x05", b"\x0a\x03\x08\x05\x00", b"\x0a\x02\x08\x85", b"\x0a\x03\x08\x05\x05",
        b"\x0a\x07\x08\x80\x80\x80\x80\x80\x01", b"\x0a\x04\x08\x05\x08\x06", b"\x0a\x80\x01", b"\x0a\xff\x01",
        b"\x0a\x06\x08\x80\x80\x80\x80\x80", b"\x0a\x06\x08\x80\x01\x80\x80\x01",
    ],
)  # fmt: skip
def test_a_wrapper_of_another_form_is_irregular(odd: bytes) -> None:
    cursor_of = anew(tbt_cursor)
    raw = odd + bytes(300)

    cursor = cursor_of.Cursor(cursor_of.words_at_each_byte(raw), np.array([0, 1]), np.array([len(odd), 1]))
    cursor.wrapper(tbt_layout.PRICE)

    assert cursor.finish().tolist()[0] is True


def test_a_number_of_more_than_35_bits_is_irregular_and_one_that_is_not_next_is_0() -> None:
    cursor_of = anew(tbt_cursor)
    raws = [b"\x48" + tbt.varint(2**35), b"\x50\x05", b"\x48\x05"]
    raw = b"".join(raws) + bytes(64)
    ends = np.cumsum([len(each) for each in raws])

    cursor = cursor_of.Cursor(cursor_of.words_at_each_byte(raw), ends - [len(each) for each in raws], ends)

    assert cursor.number(0x48).tolist()[1:] == [0, 5]
    assert cursor.irregular.tolist() == [True, False, False]
    assert (cursor.at - ends).tolist()[1:] == [-2, 0]


def test_a_text_that_goes_beyond_its_message_is_irregular_and_the_others_are_read() -> None:
    cursor_of = anew(tbt_cursor)
    raws = [b"\x5a\x03abc", b"\x5a\x04abc", b"\x42\x01x", b"\x5a\x00"]
    raw = b"".join(raws) + bytes(64)
    sizes = [len(each) for each in raws]
    ends = np.cumsum(sizes)
    cursor = cursor_of.Cursor(cursor_of.words_at_each_byte(raw), ends - sizes, ends)

    start, end, there = cursor.span(0x5A)

    assert there.tolist() == [True, True, False, True]
    assert [raw[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)][::2] == [b"abc", b""]
    assert start.tolist()[3] == end.tolist()[3] == ends[3]
    assert cursor.finish().tolist() == [False, True, True, False]
    assert cursor.at.tolist() == [ends[0], ends[1], ends[1], ends[3]]
