"""The 50-level decoder agrees with the broker's unmodified SDK, and with protobuf itself on any bytes."""

from collections.abc import Sequence
from typing import Any

import fyers_apiv3.FyersWebsocket.msg_pb2 as schema
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import Phase, given
from hypothesis import strategies as st
from tests.bench import days
from tests.conftest import Figure
from tests.differential.sdk import SdkTbt
from tests.differential.sessions import tbt_sessions
from tests.examples import examples

from exchange.wire import tbt
from harvester.decode.frames import ABSENT, FrameBatch, Reason
from harvester.decode.fyers_tbt import Books, TbtDecoder
from harvester.decode.tbt_parts import Messages, Symbols, read_messages

FOUND_IS_ENOUGH = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking, which takes minutes for messages of this size."""
SIDES = (("bid", "bidprice", "bidqty", "bidordn"), ("ask", "askprice", "askqty", "askordn"))


def row_differs(books: Books, row: int, depth: Any) -> list[str]:
    """Where a row of ours and the SDK's book differ, beyond its defects."""
    wrong = []
    for name, theirs in (
        ("feed_time", depth.timestamp),
        ("send_time", depth.sendtime),
        ("sequence", depth.seqNo),
        ("total_buy", depth.tbq),
        ("total_sell", depth.tsq),
        ("snapshot", depth.snapshot),
    ):
        ours = getattr(books, name)[row].item()
        if ours != theirs and not (ours == ABSENT and theirs == 0):
            wrong.append(f"{name}: {ours}, the SDK's {theirs}")
    for side, px, qty, orders in SIDES:
        for slot in range(tbt.SLOTS):
            ours = tuple(int(getattr(books, f"{side}_{what}")[slot, row]) for what in ("px", "qty", "ord"))
            theirs = getattr(depth, px)[slot], getattr(depth, qty)[slot], getattr(depth, orders)[slot]
            is_empty = ours == (ABSENT, 0, 0) and theirs[1] == 0
            if not is_empty and (ours[0] / 100, *ours[1:]) != theirs:
                wrong.append(f"{side} {slot}: {ours}, the SDK's {theirs}")
    return wrong


def differences(frames: Sequence[bytes], size: int) -> tuple[int, list[str]]:
    """How many books both gave, and where they differ."""
    sdk, decoder = SdkTbt(), TbtDecoder()
    compared, wrong = 0, []
    for start in range(0, len(frames), size):
        batch = decoder.decode(frames[start : start + size])
        books = batch.books
        by_frame: dict[tuple[int, str], int] = {
            (frame, batch.tickers[symbol]): row
            for row, (frame, symbol) in enumerate(zip(books.frame.tolist(), books.symbol.tolist(), strict=True))
        }
        theirs = {
            (number, ticker): depth
            for number, frame in enumerate(frames[start : start + size])
            for ticker, depth in sdk.take(frame)
        }
        assert by_frame.keys() == theirs.keys()
        for key, row in by_frame.items():
            wrong += [f"{key}: {line}" for line in row_differs(books, row, theirs[key])]
        compared += len(theirs)
    assert sdk.errors == []
    return compared, wrong


@examples(40, phases=FOUND_IS_ENOUGH)
@given(tbt_sessions(), st.integers(1, 8))
def test_sessions_of_any_content_agree(frames: list[bytes], size: int) -> None:
    _, wrong = differences(frames, size)

    assert wrong == []


def test_a_long_busy_session_agrees_in_every_level(figure: Figure) -> None:
    compared, wrong = differences(list(days.tbt_messages(300, levels=10)), 64)

    figure("tbt_books_compared", compared, bound=">= 300", unit="books", gate=True)
    figure("tbt_levels_that_differ", len(wrong), bound="== 0", unit="levels", gate=True)


@examples(40, phases=FOUND_IS_ENOUGH)
@given(tbt_sessions())
def test_the_exchange_writes_what_protobuf_writes(frames: list[bytes]) -> None:
    for frame in frames:
        message = schema.SocketMessage.FromString(frame)
        again = schema.SocketMessage.FromString(message.SerializeToString())

        assert again == message
        assert len(message.SerializeToString()) == len(frame)  # the map's order is not protobuf's to promise


def has_too_large(feed: schema.MarketFeed) -> bool:
    """Whether a feed, with depth or without, has a number beyond 63 bits: no quantity or time is."""
    values = (feed.feed_time, feed.send_time, feed.depth.tbq, feed.depth.tsq)
    return max(feed.sequence_no, *(value.value for value in values)) >= 2**63


def from_protobuf(frame: bytes) -> list[tuple[Any, ...]] | None:
    """Parts and levels of a message as protobuf parses it; None when it does not, or has what we take for damage."""
    try:
        message = schema.SocketMessage.FromString(frame)
    except DecodeError:
        return None
    if any(map(has_too_large, message.feeds.values())):
        return None
    found = []
    for key, feed in message.feeds.items():
        if feed.HasField("depth"):
            header = (
                feed.ticker or feed.token or key,
                feed.feed_time.value if feed.HasField("feed_time") else ABSENT,
                feed.send_time.value if feed.HasField("send_time") else ABSENT,
                feed.sequence_no,
                feed.snapshot,
                message.snapshot,
                feed.depth.tbq.value if feed.depth.HasField("tbq") else ABSENT,
                feed.depth.tsq.value if feed.depth.HasField("tsq") else ABSENT,
            )
            sides = [
                [
                    tuple(
                        getattr(level, name).value if level.HasField(name) else ABSENT
                        for name in ("price", "qty", "nord", "num")
                    )
                    for level in side
                ]
                for side in (feed.depth.asks, feed.depth.bids)
            ]
            found.append((header, *sides))
    return sorted(found, key=repr)


def from_ours(messages: Messages, tickers: list[str]) -> list[tuple[Any, ...]] | None:
    """The same of our parser."""
    if any(left.reason is Reason.MALFORMED for left in messages.leftovers):
        return None
    parts, levels, found = messages.parts, messages.levels, []
    numbers = np.stack([levels.price, levels.qty, levels.orders, levels.num], axis=1)
    for place in range(len(parts.frame)):
        header = (
            tickers[parts.symbol[place]],
            *(
                column[place].item()
                for column in (
                    parts.feed_time,
                    parts.send_time,
                    parts.sequence,
                    parts.snapshot,
                    parts.message_snapshot,
                    parts.total_buy,
                    parts.total_sell,
                )
            ),
        )
        own = levels.message == place
        sides = [[tuple(level) for level in numbers[own & (levels.is_ask == ask)].tolist()] for ask in (True, False)]
        found.append((header, *sides))
    return sorted(found, key=repr)


def assert_parsed_like_protobuf(frame: bytes) -> None:
    symbols = Symbols()
    ours = from_ours(read_messages(FrameBatch.of([frame]), symbols), symbols.tickers)
    theirs = from_protobuf(frame)
    if frame == b"pong":
        theirs = []
    assert ours == theirs


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A message with some bytes changed, taken out, put in or repeated."""
    frame = bytearray(draw(tbt_sessions())[0][:600] if draw(st.booleans()) else draw(small_messages()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(frame)))
        cut = draw(st.integers(0, 4))
        frame[at : at + cut] = draw(st.binary(max_size=4) | st.just(bytes(frame[at : at + 2 * cut])))
    return bytes(frame)


@st.composite
def small_messages(draw: st.DrawFn) -> bytes:
    levels = st.lists(
        st.builds(
            tbt.Level,
            st.none() | st.integers(0, 60),
            st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
            st.none() | st.integers(0, 2**40),
            st.none() | st.integers(0, 200),
        ),
        max_size=3,
    )
    other = st.sampled_from(
        [b"", tbt.message(1, tbt.wrapped(1, 5)), tbt.message(12, b"\n\x010"), b"\x93\x01\x08\x01\x94\x01"]
    )
    feeds = st.builds(
        tbt.Feed,
        st.sampled_from(["NSE:A-EQ", "", "é"]),
        levels,
        levels,
        st.none() | st.integers(0, 2**64 - 1),
        st.none() | st.integers(0, 2**36),
        sequence=st.integers(0, 2**64 - 1) | st.integers(0, 9),
        snapshot=st.booleans(),
        token=st.sampled_from(["", "1", "ß"]),
        depth=st.booleans(),
        other=other,
        key=st.sampled_from(["", "k"]),
    )
    text = draw(st.sampled_from(["", "no", "ü"]))
    return tbt.socket_message(
        draw(st.lists(feeds, max_size=3)), snapshot=draw(st.booleans()), text=text, error=draw(st.booleans())
    )


@examples(500, phases=FOUND_IS_ENOUGH)
@given(mutations() | st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused_as_protobuf_does(frame: bytes) -> None:
    assert_parsed_like_protobuf(frame)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x08\x86\x80\x80\x80\x80\x80\x80\x80\x80\x01", id="number of ten bytes"),
        pytest.param(b"\x08\x86\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", id="number of eleven bytes"),
        pytest.param(b"\x22\x02\xff\xfe", id="text that is not UTF-8"),
        pytest.param(b"\x12\x07\x12\x05\x2a\x03\x1a\x01\x0a", id="level cut short"),
        pytest.param(b"\x12\x0a\x12\x08\x2a\x02\x0a\x00\x2a\x02\x12\x00", id="depth in two pieces"),
        pytest.param(b"\x12\x0c\x12\x0a\x2a\x08\x1a\x06\x22\x02\x08\x05\x0a\x00", id="level with fields out of order"),
        pytest.param(b"\x12\x0c\x12\x0a\x2a\x08\x0a\x02\x08\x05\x0a\x02\x08\x06", id="total twice"),
        pytest.param(b"\x12\x08\x12\x06\x2a\x04\x0a\x02\x08\x05\x18\x00\x18\x01", id="flag twice"),
        pytest.param(b"\x03\x04", id="group of field 0"),
        pytest.param(b"\x0b\x0b\x0c\x0c", id="groups in each other"),
        pytest.param(b"\x0b\x14", id="end of another group"),
        pytest.param(b"\x80\x80\x80\x80\x10\x00", id="field number beyond 32 bits"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_odd_messages_are_parsed_or_refused_as_protobuf_does(frame: bytes) -> None:
    assert_parsed_like_protobuf(frame)
