"""A conversation on the data socket: when a symbol is live, what counts as missed, and how frames are acknowledged."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.recorder.fakes import make_token

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.brokers.fyers.hsm import HsmSession
from harvester.brokers.fyers.hsm_wire import ACK, subscribe
from harvester.tokens.handover import Token

SBIN, INFY, NIFTY = "NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:NIFTY50-INDEX"
TOPICS = {
    "sf|nse_cm|3045": SBIN,
    "dp|nse_cm|3045": SBIN,
    "sf|nse_cm|1594": INFY,
    "dp|nse_cm|1594": INFY,
    "if|nse_cm|Nifty 50": NIFTY,
}
WIDTHS = {"sf": 21, "dp": 30, "if": 8}
TOKEN = Token(Secret(make_token(time.time() + 36_000)), "file:1", (int(time.time()) + 36_000) * NS_PER_SECOND)


class Socket:
    """Keeps what is sent on it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def acknowledged(self) -> list[int]:
        return [int.from_bytes(frame[-4:], "big") for frame in self.sent if frame[2] == ACK]


def talk(story: Callable[[HsmSession, list[str]], Coroutine[Any, Any, None]]) -> None:
    """Run a story with a session and the symbols that became live in it."""

    async def play() -> None:
        live: list[str] = []
        await story(HsmSession(TOPICS, None, lambda symbol, wall_ns: live.append(symbol)), live)

    asyncio.run(play())


def snapshot(name: str, number: int = 7, **changes: int) -> bytes:
    """A frame with one topic's snapshot: every value is `number`, but for some by name."""
    values = [number] * WIDTHS[name[:2]]
    for field, value in changes.items():
        values[hsm.FIELDS[name[:2]].index(field)] = value
    return hsm.feed(1, [hsm.snapshot(list(TOPICS).index(name), hsm.Topic(name), values)])


@pytest.mark.parametrize("first", ["sf", "dp"])
def test_a_symbol_is_live_when_each_of_its_topics_has_had_its_snapshot(first: str) -> None:
    quote, depth = (f"{kind}|nse_cm|3045" for kind in (first, "dp" if first == "sf" else "sf"))

    async def story(session: HsmSession, live: list[str]) -> None:
        session.scan(snapshot(quote), 1)
        assert (live, SBIN in session.missing()) == ([], True)
        session.scan(snapshot("sf|nse_cm|1594"), 2)
        session.scan(snapshot(depth), 3)
        assert (live, set(session.missing())) == ([SBIN], {INFY, NIFTY})
        session.scan(snapshot("if|nse_cm|Nifty 50"), 4)
        assert (live, session.missing()) == ([SBIN, NIFTY], [INFY])

    talk(story)


@pytest.mark.parametrize(
    ("topic", "field", "is_missed"),
    [
        ("sf|nse_cm|3045", "exch_feed_time", False),
        ("sf|nse_cm|3045", "last_traded_time", True),
        ("sf|nse_cm|3045", "vol_traded_today", True),
        ("dp|nse_cm|3045", "bid_price1", True),
        ("dp|nse_cm|3045", "bid_price4", True),
        ("if|nse_cm|Nifty 50", "exch_feed_time", False),
        ("if|nse_cm|Nifty 50", "ltp", True),
    ],
)
def test_the_exchanges_clock_alone_may_go_on_while_nothing_is_missed(topic: str, field: str, is_missed: bool) -> None:
    async def story(before: HsmSession, live: list[str]) -> None:
        after = HsmSession(TOPICS, None, lambda symbol, wall_ns: None)
        before.scan(snapshot(topic), 1)
        after.expect(before.state())
        after.scan(snapshot(topic, **{field: 8}), 2)
        assert after.differing == ({TOPICS[topic]} if is_missed else set())

    talk(story)


@pytest.mark.parametrize(("every", "acknowledged"), [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6]), (7, [7]), (0, [])])
def test_frames_are_acknowledged_as_often_as_the_server_asks(every: int, acknowledged: list[int]) -> None:
    async def story(session: HsmSession, live: list[str]) -> None:
        socket = Socket()
        subscribing = asyncio.create_task(session.subscribe(socket, TOKEN))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        session.scan(hsm.auth_reply(ack_every=every), 1)
        await subscribing
        for number in range(1, 8):
            session.scan(hsm.feed(number, [hsm.lite(0, number)]), 1)
        assert socket.acknowledged() == acknowledged

    talk(story)


@pytest.mark.parametrize(
    ("topics", "frames"), [(1, [1]), (1500, [1500]), (1501, [1500, 1]), (4000, [1500, 1500, 1000])]
)
def test_a_frame_subscribes_to_no_more_topics_than_the_sdk_sends(topics: int, frames: list[int]) -> None:
    names = [f"sf|nse_cm|{number}" for number in range(topics)]

    sent = list(subscribe(names))

    assert [int.from_bytes(frame[7:9], "big") for frame in sent] == frames
    assert all(b"".join(sent).count(f"|{number}".encode()) for number in (0, topics - 1))
