"""Messages that come in fragments: whole ones are journalled, and none of them can hold the loop or fill the memory."""

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picows import WSMsgType

from harvester.journal.format import MAX_PAYLOAD
from harvester.net.websocket import FRAGMENTS_LIMIT, Handlers, WebSocket


class Counted(bytes):
    """A fragment that counts how often it is looked at."""

    looks = 0

    def __len__(self) -> int:
        Counted.looks += 1
        return super().__len__()


class Frame(NamedTuple):
    """As much of a frame as the receiver asks for."""

    msg_type: WSMsgType
    fin: bool
    payload: bytes

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


class Receiver:
    """A connection without a network, and what it passes on."""

    def __init__(self, *, is_text_data: bool = False) -> None:
        self.messages: list[bytes] = []
        self.texts: list[str] = []
        self.oversizes: list[int] = []
        heard = self.texts.append, self.oversizes.append, lambda: None
        handlers = Handlers(self._record, lambda *_: True, *heard, is_text_data=is_text_data)
        self.socket = WebSocket(handlers)

    def _record(self, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        self.messages.append(message)
        return True

    def take(self, parts: list[bytes], kind: WSMsgType = WSMsgType.BINARY, *, is_whole: bool = True) -> int:
        """Give a message in these fragments until the connection has ended; how many were given."""
        for place, part in enumerate(parts):
            if self.socket.is_over:
                return place
            frame = Frame(WSMsgType.CONTINUATION if place else kind, is_whole and place == len(parts) - 1, part)
            self.socket.on_ws_frame(None, frame)  # type: ignore[arg-type]
        return len(parts)

    def why(self) -> tuple[str, str]:
        return asyncio.run(self.socket.wait_over()).outage


@given(st.lists(st.lists(st.binary(max_size=20), min_size=2, max_size=30), max_size=4))
def test_a_message_in_fragments_is_journalled_whole_and_once(messages: list[list[bytes]]) -> None:
    receiver = Receiver()

    for parts in messages:
        receiver.take(parts)

    assert receiver.messages == [b"".join(parts) for parts in messages]
    assert not receiver.socket.is_over


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([(WSMsgType.CONTINUATION, True)], "a continuation of no message"),
        ([(WSMsgType.CONTINUATION, False)], "a continuation of no message"),
        ([(WSMsgType.BINARY, False), (WSMsgType.BINARY, False)], "a message that began inside another"),
        ([(WSMsgType.BINARY, False), (WSMsgType.TEXT, True)], "a message that began inside another"),
        ([(WSMsgType.TEXT, False), (WSMsgType.BINARY, False)], "a message that began inside another"),
    ],
)
def test_fragments_that_belong_to_no_message_end_the_connection_and_nothing_is_lost_silently(
    frames: list[tuple[WSMsgType, bool]], says: str
) -> None:
    receiver = Receiver()

    for kind, is_last in frames:
        receiver.socket.on_ws_frame(None, Frame(kind, is_last, b"x"))  # type: ignore[arg-type]

    assert receiver.why() == ("bad_response", f"not the WebSocket protocol: {says}")
    assert (receiver.messages, receiver.texts) == ([], [])


def test_text_in_fragments_is_heard_whole() -> None:
    receiver = Receiver()

    receiver.take([b"po", b"", b"ng"], WSMsgType.TEXT)

    assert receiver.texts == ["pong"]


@pytest.mark.parametrize(
    "parts", [[b'{"a": "\xe2\x82\xac"}'], [b'{"a": "\xe2', b"\x82", b'\xac"}'], [b"\xff no UTF-8"]]
)
def test_text_that_is_data_is_journalled_byte_for_byte_in_fragments_or_not(parts: list[bytes]) -> None:
    receiver = Receiver(is_text_data=True)

    receiver.take(parts, WSMsgType.TEXT)

    assert (receiver.messages, receiver.texts) == ([b"".join(parts)], [])
    assert (receiver.socket.frames, receiver.socket.size) == (1, len(b"".join(parts)))


def test_text_that_is_data_and_larger_than_a_record_ends_the_connection() -> None:
    receiver = Receiver(is_text_data=True)

    receiver.take([b"x" * (MAX_PAYLOAD + 1)], WSMsgType.TEXT)

    assert (receiver.messages, receiver.oversizes) == ([], [MAX_PAYLOAD + 1])


def test_work_grows_with_the_fragments_and_not_with_their_square() -> None:
    receiver, count = Receiver(), FRAGMENTS_LIMIT
    Counted.looks = 0

    receiver.take([Counted(b"x")] * count)

    assert receiver.messages == [b"x" * count]
    assert Counted.looks <= 4 * count


def ends(part: bytes, outage_says: str) -> Receiver:
    """A message that never ends, in such fragments, ends the connection; fewer than the limit are taken."""
    receiver = Receiver()
    taken = receiver.take([part] * (4 * FRAGMENTS_LIMIT), is_whole=False)
    cause, detail = receiver.why()
    assert taken <= FRAGMENTS_LIMIT + 1
    assert cause == "bad_response"
    assert outage_says in detail
    assert receiver.messages == []
    return receiver


def test_a_message_of_too_many_fragments_ends_the_connection() -> None:
    ends(b"x", f"more than {FRAGMENTS_LIMIT} fragments")


def test_empty_fragments_count_too() -> None:
    ends(b"", f"more than {FRAGMENTS_LIMIT} fragments")


def test_a_message_that_grows_too_large_ends_the_connection() -> None:
    receiver = ends(bytes(MAX_PAYLOAD // 10), f"the journal takes {MAX_PAYLOAD}")

    assert len(receiver.oversizes) == 1
    assert MAX_PAYLOAD < receiver.oversizes[0] <= MAX_PAYLOAD * 1.1
