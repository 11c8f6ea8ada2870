"""The recorder's conversation with Schwab's streamer, moment by moment, without a network: see recorder/lines.py."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.journals import HandClock
from tests.recorder.lines import Line, Wire, play
from tests.us.test_chart_frames import BEGIN_MS, data, row

from harvester.brokers.protocol import OnLive
from harvester.brokers.schwab import chart
from harvester.brokers.schwab.chart import Streamer
from harvester.brokers.schwab.streamer import ChartSession, StreamerLookup
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded, WebSocket
from harvester.tokens.handover import Token

SYMBOLS = QQQ, SPY = ("QQQ", "SPY")
STREAMER = Streamer("wss://streamer.example/ws", "customer-7", "correlation-7", "IO", "APIAPP")


async def look_up(token: Token) -> Streamer:
    return STREAMER


def talk(symbols: tuple[str, ...], on_live: OnLive) -> ChartSession:
    return ChartSession(symbols, on_live, look_up=look_up)


def reply(wire: Wire, service: str, code: int, *, command: str = "", request: int = 0, said: str = "") -> None:
    answer = {
        "service": service,
        "command": command,
        "requestid": str(request),
        "content": {"code": code, "msg": said},
    }
    wire.text(json.dumps({"response": [answer]}))


class Server:
    """Answers requests as told; `wire.sent` has them."""

    def __init__(self, **codes: int) -> None:
        """`codes`: what LOGIN, SUBS and ADD are answered with, where not 0; -1: not at all."""
        self.codes = codes
        self.asked: list[dict[str, Any]] = []

    def open(self, wire: Wire) -> None:
        send = wire.send

        def take(kind: Any, message: Any) -> None:
            send(kind, message)
            for request in json.loads(message)["requests"]:
                self.asked.append(request)
                code = self.codes.get(request["command"], 0)
                if code >= 0:
                    number = int(request["requestid"])
                    reply(wire, request["service"], code, command=request["command"], request=number, said="as told")

        wire.send = take  # type: ignore[method-assign]

    @property
    def commands(self) -> list[str]:
        return [request["command"] for request in self.asked]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Line]:
    options = {"is_text": True, "has_heartbeats": True, "stale_seconds": 30, "talk": talk, "symbols": SYMBOLS}
    return partial(play, monkeypatch, **options)


def ended(line: Line) -> list[tuple[str, str]]:
    return [(each["cause"], each["detail"]) for each in line.journal.of_type("disconnect")]


def gaps(line: Line) -> list[tuple[str, float]]:
    """Cause and begin, in seconds, of the gaps after the first connection, of both tickers."""
    found = [(each["cause"], (each["from_ns"] - line.wall_ns(0)) / 1e9) for each in line.journal.of_type("gap_open")]
    return [(cause, round(begin, 3)) for cause, begin in found if cause not in ("not_started", "stopped")]


def test_it_logs_in_first_and_subscribes_and_a_ticker_is_live_once_that_is_confirmed(
    tell: Callable[..., Line],
) -> None:
    server = Server()

    async def story(line: Line) -> None:
        assert line.access.token
        await line.at(1)
        login, subscription = server.asked
        assert login["parameters"]["Authorization"] == line.access.token.access_token.get_secret_value()
        assert (login["service"], login["command"], login["requestid"]) == ("ADMIN", "LOGIN", "0")
        assert login["SchwabClientCustomerId"] == "customer-7" and login["SchwabClientCorrelId"] == "correlation-7"
        assert login["parameters"]["SchwabClientChannel"] == "IO"
        assert login["parameters"]["SchwabClientFunctionId"] == "APIAPP"
        assert (subscription["service"], subscription["command"]) == ("CHART_EQUITY", "SUBS")
        assert subscription["parameters"] == {"keys": "QQQ,SPY", "fields": "0,1,2,3,4,5,6,7,8"}
        assert line.ledger.is_live(QQQ) and line.ledger.is_live(SPY)
        await line.at(20)
        line.wires[0].text(data(row(), row("SPY"), row("NOPE"), row(f5="x")).decode())
        assert [line.feed.count(symbol).updates for symbol in SYMBOLS] == [1, 1]
        assert line.feed.count(QQQ).last_recv_ns == line.wall_ns(20)
        assert line.connections[0].counts()[2] == 2, "a ticker that was not asked for, and a price that is none"

    line = tell(story, opening=server.open)

    journal = b"".join(line.journal.messages) + json.dumps(line.journal.controls).encode()
    assert line.access.token and line.access.token.access_token.get_secret_value().encode() not in journal
    assert b"customer-7" not in journal


def test_tickers_are_asked_for_in_batches_of_which_the_first_replaces_and_the_others_add(
    tell: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "BATCH", 1)
    server = Server(ADD=-1)

    async def story(line: Line) -> None:
        await line.at(1)
        assert (line.ledger.is_live(QQQ), line.ledger.is_live(SPY)) == (True, False)
        assert line.connections[0].missing() == {SPY}
        server.codes = {}
        await line.at(72)
        line.wires[0].text('{"notify": [{"heartbeat": "1"}]}')

    line = tell(story, opening=server.open, stale_seconds=600)

    told = [(each["requestid"], each["command"], each["parameters"].get("keys")) for each in server.asked]
    assert told == [
        ("0", "LOGIN", None),
        ("1", "SUBS", "QQQ"),
        ("2", "ADD", "SPY"),
        ("1002", "ADD", "SPY"),
    ], "what was not confirmed is asked for again, and nothing else"
    assert line.ledger.is_live is not None and len(line.tries) == 1


def test_the_first_batch_asked_again_is_added_and_does_not_replace_what_is_subscribed(
    tell: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "BATCH", 1)
    server = Server(SUBS=-1)

    async def story(line: Line) -> None:
        await line.at(72)
        assert line.ledger.is_live(QQQ) and line.ledger.is_live(SPY)

    tell(story, opening=server.open, stale_seconds=600)

    told = [(each["requestid"], each["command"], each["parameters"].get("keys")) for each in server.asked]
    assert told[1:] == [("1", "SUBS", "QQQ"), ("2", "ADD", "SPY"), ("1001", "ADD", "QQQ")]


def test_minutes_alone_are_data_and_heartbeats_and_answers_are_none() -> None:
    session = talk(SYMBOLS, lambda symbol, wall_ns: None)
    answer = b'{"response": [{"service": "CHART_EQUITY", "requestid": "1", "content": {"code": 0}}]}'

    assert session.scan(data(row()), 1)
    assert not session.scan(b'{"notify": [{"heartbeat": "1"}]}', 2) and not session.scan(answer, 3)
    assert session.tally(QQQ).updates == 1 and session.unknown == 0


def test_a_token_that_the_server_echoes_is_in_no_journal_however_often_it_comes(tell: Callable[..., Line]) -> None:
    async def story(line: Line) -> None:
        assert line.access.token
        secret = line.access.token.access_token.get_secret_value()
        await line.at(1)
        line.wires[0].text(json.dumps({"notify": [{"heartbeat": secret, "echo": secret}]}))
        await line.at(2)

    line = tell(story, opening=Server().open)

    assert line.access.token
    written = b"".join(line.journal.messages)
    assert b'"echo"' in written and line.access.token.access_token.get_secret_value().encode() not in written


@pytest.mark.parametrize("code", [0, 26, 28])
def test_success_has_several_codes(tell: Callable[..., Line], code: int) -> None:
    server = Server(SUBS=code)

    async def story(line: Line) -> None:
        await line.at(1)
        assert line.ledger.is_live(QQQ)

    tell(story, opening=server.open)


@pytest.mark.parametrize(
    ("service", "code", "cause", "detail"),
    [
        (
            *("ADMIN", 12, "refused"),
            "another program took the streamer's connection, of which a user has one (code 12: why)",
        ),
        ("ADMIN", 30, "disconnect", "the streamer logged this user out (code 30: why)"),
        ("CHART_EQUITY", 20, "disconnect", "the streamer does not know the login any more (code 20: why)"),
    ],
)
def test_a_code_that_ends_the_login_is_the_cause_of_the_gap_and_it_logs_in_again(
    tell: Callable[..., Line], service: str, code: int, cause: str, detail: str
) -> None:
    server = Server()

    async def story(line: Line) -> None:
        await line.at(4)
        reply(line.wires[0], service, code, said="why")
        line.wires[0].cut()
        await line.at(15)
        assert line.ledger.is_live(QQQ)

    line = tell(story, opening=server.open)

    assert ended(line)[0] == (cause, detail)
    assert gaps(line) == [(cause, 4.0)] * 2
    assert server.commands == ["LOGIN", "SUBS"] * 2
    assert not line.trading.is_token_doubted


def test_a_code_that_comes_unasked_counts_as_well(tell: Callable[..., Line]) -> None:
    server = Server()

    async def story(line: Line) -> None:
        await line.at(4)
        line.wires[0].text('{"notify": [{"service": "ADMIN", "content": {"code": 30, "msg": "empty subscription"}}]}')
        await line.at(5)

    assert ended(tell(story, opening=server.open))[0][1].endswith("(code 30: empty subscription)")


def test_a_denied_login_is_of_the_token_which_is_to_be_proven_and_is_tried_again(tell: Callable[..., Line]) -> None:
    server = Server(LOGIN=3)

    async def story(line: Line) -> None:
        await line.at(1)
        assert line.trading.is_token_doubted
        server.codes = {}
        await line.at(10)
        assert line.ledger.is_live(QQQ)

    line = tell(story, opening=server.open)

    assert ended(line)[0] == ("token_refused", "the streamer refuses the login (code 3: as told)")


@pytest.mark.parametrize("code", [9, 11])
def test_a_login_that_fails_otherwise_is_not_of_the_token(tell: Callable[..., Line], code: int) -> None:
    async def story(line: Line) -> None:
        await line.at(1)

    line = tell(story, opening=Server(LOGIN=code).open)

    assert ended(line)[0] == ("refused", f"the streamer refuses the login (code {code}: as told)")
    assert not line.trading.is_token_doubted


def test_a_login_that_nobody_answers_ends_and_nothing_was_subscribed(tell: Callable[..., Line]) -> None:
    server = Server(LOGIN=-1)

    async def story(line: Line) -> None:
        await line.at(10.2)

    line = tell(story, opening=server.open)

    assert ended(line)[0][0] in ("timeout", "no_snapshot") and server.commands == ["LOGIN"]


def test_a_refused_subscription_is_told_in_the_servers_words(tell: Callable[..., Line]) -> None:
    async def story(line: Line) -> None:
        await line.at(11)

    line = tell(story, opening=Server(SUBS=19).open)

    assert ended(line)[0] == ("refused", "the streamer refuses the subscription (code 19: as told)")


@pytest.mark.parametrize("code", [27, 29])
def test_the_success_of_another_command_subscribes_nothing(tell: Callable[..., Line], code: int) -> None:
    """27 is of UNSUBS, 29 of VIEW."""

    async def story(line: Line) -> None:
        await line.at(1)
        assert not line.ledger.is_live(QQQ) and line.connections[0].missing() == {QQQ, SPY}

    tell(story, opening=Server(SUBS=code).open)


def test_a_connection_that_says_nothing_is_made_anew(tell: Callable[..., Line]) -> None:
    server = Server()

    async def story(line: Line) -> None:
        line.wires[0].answers = False
        await line.at(29)
        assert len(line.tries) == 1
        await line.at(60)

    line = tell(story, opening=server.open)

    assert ended(line)[0] == ("mute", "nothing came for 30 s, not even a heartbeat")
    assert len(line.tries) == 2


def test_a_streamer_that_cannot_be_found_is_the_cause_and_is_looked_up_again(
    tell: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[float] = []

    async def fail(token: Token) -> Streamer:
        times.append(0)
        raise ConnectionEnded(Outage("server_error", "look-up of the streamer: HTTP 503"))

    async def story(line: Line) -> None:
        await line.at(3)
        assert line.connections[0].outage == Outage("server_error", "look-up of the streamer: HTTP 503")

    def lost(symbols: tuple[str, ...], on_live: OnLive) -> ChartSession:
        return ChartSession(symbols, on_live, look_up=fail)

    tell(story, talk=lost)
    assert len(times) >= 2


def test_a_renewed_token_changes_nothing_of_the_login_that_was_made(tell: Callable[..., Line]) -> None:
    """A second connection would end the first; Schwab's login lasts beyond its access token."""
    server = Server()

    async def story(line: Line) -> None:
        await line.at(4)
        line.hand_over("n")
        line.feed.change_token()
        await line.at(20)
        line.wires[0].text(data(row(f7=BEGIN_MS)).decode())
        assert line.feed.count(QQQ).updates == 1

    line = tell(story, opening=server.open)

    assert len(line.tries) == 1 and gaps(line) == []


class Broker:
    """What the recorder's access and its client for requests say to a look-up."""

    def __init__(self, *, limit: Outage | None = None, outage: Outage | None = None, body: bytes = b"{}") -> None:
        self.limit, self.outage, self.body, self.asked = limit, outage, body, 0

    def check_limits(self, wall_ns: int, mono_ns: int) -> Outage | None:
        return self.limit

    async def prove_token(self, token: Any) -> "Broker":
        self.asked += 1
        return self

    def note_result(self, result: "Broker", token: Any) -> "Broker":
        return result


def looked_up(broker: Any) -> ConnectionEnded:
    token: Any = SimpleNamespace(access_token="t")
    with pytest.raises(ConnectionEnded) as ended:
        asyncio.run(StreamerLookup(broker, broker, HandClock()).find(token))
    return ended.value


def test_a_look_up_beyond_the_limits_is_not_sent() -> None:
    broker = Broker(limit=Outage("rate_limited", "waiting"))

    assert looked_up(broker).outage == Outage("rate_limited", "waiting") and broker.asked == 0


@pytest.mark.parametrize(("cause", "is_of_the_token"), [("refused", True), ("server_error", False)])
def test_a_look_up_that_is_refused_is_of_the_token_and_one_that_fails_is_not(cause: Any, is_of_the_token: bool) -> None:
    ended = looked_up(Broker(outage=Outage(cause, "HTTP 4xx")))

    assert ended.outage == Outage(cause, "look-up of the streamer: HTTP 4xx")
    assert ended.about_token is is_of_the_token


def test_an_answer_that_names_no_streamer_is_no_good_one() -> None:
    assert looked_up(Broker()).outage == Outage("bad_response", "userPreference names no streamer (2 bytes)")


def test_what_is_missing_is_not_asked_for_before_the_login() -> None:
    session = talk(SYMBOLS, lambda symbol, wall_ns: None)
    socket, token = SimpleNamespace(sent=list[str]()), cast(Token, None)
    socket.send = socket.sent.append
    asyncio.run(session.locate(token))

    session.ask_again(cast(WebSocket, socket))
    assert socket.sent == []
    session.scan(b'{"response": [{"service": "ADMIN", "requestid": "0", "content": {"code": 0}}]}', 1)
    session.ask_again(cast(WebSocket, socket))
    assert [json.loads(text)["requests"][0]["command"] for text in socket.sent] == ["SUBS"]
