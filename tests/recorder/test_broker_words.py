"""What is said to the broker word for word, and what becomes of its answers that are odd."""

import asyncio
import json
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.journals import HandClock
from tests.recorder.fakes import make_token

from exchange.wire import hsm as wire
from exchange.wire import tbt
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.brokers.fyers.candles import RANGE_LIMIT, FyersHistory
from harvester.brokers.fyers.headers import data_headers
from harvester.brokers.fyers.history import judge_range
from harvester.brokers.fyers.hsm import HsmSession
from harvester.brokers.fyers.responses import say_message
from harvester.brokers.fyers.socket_lookup import SocketLookup
from harvester.brokers.fyers.symbol_lookup import SymbolLookup
from harvester.brokers.fyers.tbt import TbtSession
from harvester.brokers.protocol import PollResult
from harvester.config.resolutions import parse_resolution
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded
from harvester.tokens.handover import Token

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
SECRET = Secret(make_token(4_000_000_000))
TOKEN = Token(SECRET, "file:1", 4_000_000_000 * NS_PER_SECOND)


class Socket:
    """Keeps what is sent on it."""

    def __init__(self, *, is_over: bool = False) -> None:
        self.sent: list[Any] = []
        self.is_over = is_over

    def send(self, message: Any) -> None:
        self.sent.append(message)


def deep(url: str | None = None) -> tuple[TbtSession, list[Token]]:
    """A session of the 50-level socket, and the tokens with which its address was asked for."""
    asked: list[Token] = []

    async def look_up(token: Token) -> str:
        asked.append(token)
        return "wss://told.example/tbt"

    return TbtSession((SBIN, INFY), lambda *_: None, app_id="APP-100", url=url, look_up=look_up), asked


def test_the_50_level_socket_is_told_symbols_mode_and_channel_and_then_to_begin() -> None:
    socket, (session, _) = Socket(), deep()
    asyncio.run(session.subscribe(socket, TOKEN))  # type: ignore[arg-type]
    session.ping(socket)  # type: ignore[arg-type]
    session.ask_again(socket)  # type: ignore[arg-type]

    data = {"subs": 1, "symbols": [SBIN, INFY], "mode": "depth", "channel": "1"}
    begin = {"type": 2, "data": {"resumeChannels": ["1"], "pauseChannels": []}}
    assert [json.loads(each) for each in socket.sent[:2]] == [{"type": 1, "data": data}, begin]
    assert socket.sent[2] == "ping"
    assert json.loads(socket.sent[3]) == {"type": 1, "data": data | {"symbols": sorted([SBIN, INFY])}}
    assert (session.hear("pong"), session.hear("ping")) == (True, False)
    assert (session.differing, session.describe(), session.refusal) == (set(), {}, "")


def test_a_socket_that_was_cut_before_it_subscribed_is_a_disconnect() -> None:
    with pytest.raises(ConnectionEnded, match="cut before anything was subscribed") as ended:
        asyncio.run(deep()[0].subscribe(Socket(is_over=True), TOKEN))  # type: ignore[arg-type]
    assert ended.value.outage.cause == "disconnect"


@pytest.mark.parametrize(
    ("url", "found"), [(None, "wss://told.example/tbt"), ("wss://mine.example", "wss://mine.example")]
)
def test_the_50_level_socket_is_where_the_broker_says_unless_the_settings_do(url: str | None, found: str) -> None:
    session, asked = deep(url)

    address = asyncio.run(session.locate(TOKEN))

    assert address == (found, {"authorization": f"APP-100:{SECRET.get_secret_value()}"})
    assert asked == ([] if url else [TOKEN])


@pytest.mark.parametrize(
    ("message", "refusal"),
    [(b"\x28\x01", "the server says: no text"), (b"\x22\x05no   \x28\x01", "the server says: no"), (b"\x28\x00", "")],
)
def test_what_the_50_level_socket_refuses_is_told_in_its_words(message: bytes, refusal: str) -> None:
    """By the schema of the SDK's msg.proto: field 4 is the text, field 5 whether it is an error."""
    session, _ = deep()

    assert not session.scan(message, 1)
    assert (session.refusal, session.unknown) == (refusal, 0)


def test_a_book_goes_on_by_changes_of_any_size() -> None:
    """A field of 128 bytes and more has its size in two bytes."""
    books = []
    for changes in ([tbt.Level(0, 100, 6, 1)], [tbt.Level(place, 100 - place, 6, 1) for place in range(20)]):
        session, _ = deep()
        session.scan(tbt.socket_message([tbt.Feed(SBIN, bids=[tbt.Level(0, 100, 5, 1)], sequence=7)], snapshot=True), 1)
        message = tbt.socket_message([tbt.Feed(SBIN, bids=changes, sequence=8)])
        assert session.scan(message, 2) and session.unknown == 0
        whole, _ = deep()
        whole.scan(tbt.socket_message([tbt.Feed(SBIN, bids=changes, sequence=8)], snapshot=True), 1)
        books.append((len(message) > 128, whole.state()[SBIN].follows(session.state()[SBIN])))

    assert books == [(False, True), (True, True)]


def test_a_token_without_the_data_sockets_key_is_refused_in_a_sentence_before_anything_is_sent() -> None:
    async def story() -> None:
        session = HsmSession({"sf|nse_cm|3045": SBIN}, None, lambda *_: None)
        await session.subscribe(Socket(), Token(Secret("x.y.z"), "file:1", 1))  # type: ignore[arg-type]

    with pytest.raises(ConnectionEnded) as ended:
        asyncio.run(story())
    assert ended.value.outage.cause == "token_refused"
    assert len(ended.value.outage.detail) > len("None") and ended.value.outage.detail[0].isupper()


def test_between_two_frames_of_topics_the_data_socket_has_the_pause_that_the_sdk_makes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def story() -> int:
        socket = Socket()
        session = HsmSession({f"sf|nse_cm|{number}": f"S{number}" for number in range(3001)}, None, lambda *_: None)
        subscribing = asyncio.create_task(session.subscribe(socket, TOKEN))  # type: ignore[arg-type]
        await sleep(0)
        session.scan(wire.auth_reply(ack_every=0), 1)
        await subscribing
        return len(socket.sent)

    monkeypatch.setattr(asyncio, "sleep", pause)
    assert asyncio.run(story()) == 2 + 3
    assert pauses == [0.5, 0.5]


def answer(outage: Outage | None, body: bytes = b"") -> PollResult:
    return PollResult("", 0, 1, 2, 3, 200, body, outage)


class Client:
    """Answers by what it was given, and keeps what it was asked."""

    def __init__(self, result: PollResult) -> None:
        self.result, self.asked = result, list[Any]()

    async def find_socket(self, token: Secret) -> PollResult:
        self.asked.append(token)
        return self.result

    async def ask(self, *asked: Any) -> PollResult:
        self.asked.append(asked)
        return self.result


@pytest.mark.parametrize(("cause", "about_token"), [("refused", True), ("server_error", False)])
def test_only_a_refused_look_up_of_the_socket_casts_doubt_on_the_token(cause: Any, about_token: bool) -> None:
    access = SimpleNamespace(check_limits=lambda *_: None, note_result=lambda result, _: result)
    lookup = SocketLookup(Client(answer(Outage(cause, "HTTP 500"))), access, HandClock())  # type: ignore[arg-type]

    with pytest.raises(ConnectionEnded) as ended:
        asyncio.run(lookup.find(TOKEN))
    assert ended.value.about_token is about_token
    assert ended.value.outage == Outage(cause, "look-up of the 50-level socket: HTTP 500")


def test_a_used_up_limit_keeps_the_look_up_of_the_socket_back() -> None:
    client, used_up = Client(answer(None)), Outage("rate_limited", "not sent")
    lookup = SocketLookup(client, SimpleNamespace(check_limits=lambda *_: used_up), HandClock())  # type: ignore[arg-type]

    with pytest.raises(ConnectionEnded) as ended:
        asyncio.run(lookup.find(TOKEN))
    assert (ended.value.outage, ended.value.about_token, client.asked) == (used_up, False, [])


def test_candles_of_days_past_are_asked_for_by_symbol_resolution_and_both_days() -> None:
    client = Client(answer(None, b"{}"))
    fetch = FyersHistory(client).fetch  # type: ignore[arg-type]

    result = asyncio.run(fetch(SBIN, parse_resolution("1W"), date(2026, 11, 2), date(2026, 11, 20), SECRET))

    query = {"symbol": SBIN, "resolution": "1W", "date_format": "1", "range_from": "2026-11-02",
             "range_to": "2026-11-20", "cont_flag": "1"}  # fmt: skip
    assert client.asked == [("/data/history", SECRET, query, judge_range, RANGE_LIMIT)]
    assert (result.symbol, result.body) == (SBIN, b"{}")


def test_each_data_call_has_the_headers_that_the_docs_name() -> None:
    headers = {"accept": "application/json", "version": "3", "authorization": "APP-100:abc"}
    assert data_headers("APP-100", Secret("abc")) == headers


def test_the_brokers_message_is_cut_to_a_line_of_120() -> None:
    assert (say_message({"message": "x" * 300}), say_message({})) == ("x" * 120, "no message")


def test_what_a_look_up_found_odd_is_logged_each_in_its_words_and_segments_are_taken_over() -> None:
    found = {"topics": {}, "unknown": {}, "lost": {INFY: "it is gone"}, "remarks": ["cut"], "symbols": [], "rules": [],
             "segments": {SBIN: "nse_cash"}, "contradictions": ["hours differ"]}  # fmt: skip
    answers = [found]

    def look_up() -> dict[str, Any]:
        if not answers:
            raise HarvesterError("no way")
        return answers.pop()

    lookup = SymbolLookup(look_up, HandClock())
    with capture_logs() as said:
        asyncio.run(lookup.run())
        asyncio.run(lookup.run())

    assert [(each["event"], each["detail"], each["log_level"]) for each in said] == [
        ("symbol_lost", "it is gone", "error"),
        ("symbol_master_odd", "cut", "warning"),
        ("calendar_contradicted", "hours differ", "error"),
        ("symbols_not_checked", "no way", "warning"),
    ]
    assert (lookup.segments, lookup.contradictions) == ({SBIN: "nse_cash"}, ["hours differ"])
    assert lookup.describe()["calendar_contradictions"] == ["hours differ"]
