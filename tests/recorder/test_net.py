"""WebSocket and HTTPS at their edges: slow readers, sizes, proofs, refusals, what an answer is, and whom one asks."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from picows import WSHandshakeError, WSMsgType, WSProtocolError
from tests.recorder.lines import Frame, Wire

from harvester.base.redaction import Secret, register_secret
from harvester.base.release import USER_AGENT
from harvester.journal.format import MAX_PAYLOAD
from harvester.ledger.outage import Outage
from harvester.net import https, websocket
from harvester.net.https import BadAnswer, HttpsAnswer, HttpsClient
from harvester.net.websocket import STAMP, ConnectionEnded, Handlers, WebSocket, connect

SECRET = "s3cret-" + "k" * 40
UNUSED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of connections that are not made."""


class End:
    """A socket without a network, the server's end of it, and what was passed on."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.oversizes: list[int] = []
        handlers = Handlers(self._record, lambda *_: True, lambda _: None, self.oversizes.append, lambda: None)
        self.socket = WebSocket(handlers)
        self.wire = Wire(self.socket)
        self.wire.answers = False
        self.socket.on_ws_connected(self.wire)  # type: ignore[arg-type]

    def _record(self, message: bytes, wall_ns: int, mono_ns: int) -> bool:
        self.messages.append(message)
        return True

    def why(self, trouble: Exception | None = None) -> Outage:
        async def wait() -> Outage:
            if trouble:
                self.wire.wait_disconnected = fail(trouble)  # type: ignore[method-assign]
            return (await self.socket.wait_over()).outage

        return asyncio.run(wait())


def fail(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def raise_it(*_: Any, **__: Any) -> None:
        raise error

    return raise_it


def test_while_the_server_does_not_read_nothing_more_is_sent() -> None:
    end = End()
    end.socket.pause_writing()
    end.socket.send(b"subscribe")
    end.socket.ping()
    assert (end.wire.sent, end.wire.pings) == ([], [])

    end.socket.resume_writing()
    end.socket.send(b"subscribe")
    end.socket.ping()
    assert (end.wire.sent, len(end.wire.pings)) == ([b"subscribe"], 1)


def test_after_its_end_nothing_is_sent_and_nothing_is_taken() -> None:
    end = End()
    end.socket.end(Outage("mute", "first"))
    end.socket.send(b"subscribe")
    end.socket.ping()
    end.wire.give(b"late")
    end.wire.give(b"late", WSMsgType.TEXT)

    assert (end.wire.sent, end.wire.pings, end.messages, end.socket.is_over) == ([], [], [], True)


def test_an_answered_ping_proves_what_was_sent_before_the_ping_and_no_later_moment() -> None:
    end = End()
    end.wire.give(STAMP.pack(1000), WSMsgType.PONG)
    assert (end.socket.proven_ns, end.socket.answers_pings, end.socket.whole_ns) == (1000, True, 1000)

    end.wire.give(STAMP.pack(900), WSMsgType.PONG)
    end.wire.give(b"", WSMsgType.PONG)
    end.wire.give(b"another ping's", WSMsgType.PONG)
    assert end.socket.proven_ns == 1000

    end.wire.give(b"data")
    assert end.socket.whole_ns == end.socket.last_wall_ns > 1000


@pytest.mark.parametrize("kind", [WSMsgType.PONG, WSMsgType.TEXT, WSMsgType.PING])
def test_any_frame_is_a_sign_of_life_and_control_is_no_data(monkeypatch: pytest.MonkeyPatch, kind: WSMsgType) -> None:
    monkeypatch.setattr(websocket, "monotonic_ns", lambda: 7)
    end = End()
    monkeypatch.setattr(websocket, "monotonic_ns", lambda: 90)
    end.wire.give(b"", kind)

    assert (end.socket.heard_mono_ns, end.socket.data_mono_ns, end.socket.frames) == (90, 7, 0)


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("too_many", [0, 1])
def test_a_message_as_large_as_a_record_is_taken_and_no_larger_one(pieces: int, too_many: int) -> None:
    end, size = End(), MAX_PAYLOAD + too_many
    cuts = [size * number // pieces for number in range(pieces + 1)]
    for place, (begins, ends) in enumerate(pairwise(cuts)):
        kind = WSMsgType.CONTINUATION if place else WSMsgType.BINARY
        end.socket.on_ws_frame(end.wire, Frame(kind, bytes(ends - begins), fin=place == pieces - 1))  # type: ignore[arg-type]

    assert [len(message) for message in end.messages] == ([] if too_many else [MAX_PAYLOAD])
    assert end.oversizes == ([size] if too_many else [])
    assert end.socket.is_over is bool(too_many)


def test_what_is_not_the_protocol_says_so_and_how_large_a_message_would_have_been() -> None:
    end = End()
    outage = end.why(WSProtocolError(1009, f"frame too large: 4000000 > {MAX_PAYLOAD}"))
    assert outage.cause == "bad_response" and "not the WebSocket protocol" in outage.detail
    assert end.oversizes == [4_000_000]

    register_secret(Secret(SECRET))
    outage = End().why(ValueError(f"{'x' * 150} {SECRET}"))
    assert outage.cause == "bad_response" and "ValueError while taking a message" in outage.detail
    assert "s3cret" not in outage.detail


def test_an_end_without_a_word_is_a_cut() -> None:
    end = End()
    end.wire.cut()
    assert end.why() == Outage("disconnect", "the connection was cut")


@pytest.mark.parametrize("reason", [b"", b"go away \xff" + b"x" * 200])
def test_the_code_and_the_reason_of_a_close_are_told(reason: bytes) -> None:
    end = End()
    end.wire.give((4001).to_bytes(2, "big") + reason, WSMsgType.CLOSE)

    cause, detail = end.why()
    assert cause == "disconnect" and detail.startswith(
        f"the server closed with code 4001 {reason[:7].decode()}".strip()
    )
    assert len(detail) <= 160


def attempt(monkeypatch: pytest.MonkeyPatch, error: Exception) -> ConnectionEnded:
    monkeypatch.setattr(websocket, "ws_connect", fail(error))
    with pytest.raises(ConnectionEnded) as ended:
        asyncio.run(connect(End().socket, "wss://broker.example:8443/x", {}, UNUSED))
    return ended.value


@pytest.mark.parametrize(
    ("status", "cause", "about_token"),
    [
        (401, "refused", True),
        (403, "refused", True),
        (302, "refused", False),
        (404, "refused", False),
        (429, "rate_limited", False),
        (499, "refused", False),
        (500, "server_error", False),
        (503, "server_error", False),
    ],
)
def test_an_upgrade_that_is_refused_has_its_cause_and_doubts_the_token_only_where_that_was_refused(
    monkeypatch: pytest.MonkeyPatch, status: int, cause: str, about_token: bool
) -> None:
    response: Any = SimpleNamespace(status=status)
    ended = attempt(monkeypatch, WSHandshakeError("no upgrade", response=response))

    assert ended.outage == (cause, f"broker.example: HTTP {status} instead of an upgrade")
    assert ended.about_token is about_token


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(111, f"{'x' * 120} {SECRET}"), "disconnect"),
        (EOFError(f"{'x' * 150} {SECRET}"), "disconnect"),
        (WSHandshakeError(f"{'x' * 150} {SECRET}"), "bad_response"),
        (RuntimeError(f"{'x' * 150} {SECRET}\nhere"), "unknown"),
    ],
)
def test_a_connection_that_cannot_be_made_has_its_cause_in_a_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, error: Exception, cause: str
) -> None:
    register_secret(Secret(SECRET))

    outage = attempt(monkeypatch, error).outage

    assert outage.cause == cause
    assert outage.detail.startswith("broker.example: ") and "\n" not in outage.detail
    assert "s3cret" not in outage.detail and "kkkk" not in outage.detail


def test_an_upgrade_is_asked_for_once_of_whom_one_wants_to_talk_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect would take the token elsewhere."""
    asked: dict[str, Any] = {}

    async def keep(make: Callable[[], WebSocket], url: str, **options: Any) -> None:
        asked.update(options, url=url, socket=make())

    monkeypatch.setattr(websocket, "ws_connect", keep)
    socket = End().socket
    asyncio.run(connect(socket, "wss://broker.example/x", {"authorization": "a:b"}, UNUSED))

    assert (asked["url"], asked["socket"], asked["ssl_context"]) == ("wss://broker.example/x", socket, UNUSED)
    assert (asked["max_redirects"], asked["max_frame_size"]) == (0, MAX_PAYLOAD)
    assert asked["extra_headers"] == {"User-Agent": USER_AGENT, "authorization": "a:b"}


Ask = Callable[[HttpsClient], Awaitable[Any]]


def ask(certificate: tuple[Path, Path], answers: list[bytes], story: Ask) -> tuple[Any, list[str]]:
    """What a story gets of a server that sends these bytes, one after the other; and what it was asked.

    Each entry begins with the number of its connection.
    """
    asked: list[str] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(f"{mine} {head.decode()}")
                writer.write(answers.pop(0))
        writer.close()

    async def play() -> Any:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            client = HttpsClient(f"https://localhost:{port}", ssl.create_default_context())
            try:
                return await story(client), [each.replace(str(port), "PORT") for each in asked]
            finally:
                await client.close()

    result: tuple[Any, list[str]] = asyncio.run(play())
    return result


def ok(body: bytes = b"{}", *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def once(limit: int = 100) -> Ask:
    return lambda client: client.get("/data", {"symbol": "NSE:M&M-EQ"}, {"version": "3"}, limit)


def twice(client: HttpsClient) -> Awaitable[HttpsAnswer]:
    async def both() -> HttpsAnswer:
        await once()(client)
        return await once()(client)  # type: ignore[no-any-return]

    return both()


def test_the_request_names_host_and_port_and_keeps_what_has_a_meaning_in_a_query(trusted: tuple[Path, Path]) -> None:
    _, [head] = ask(trusted, [ok()], once())

    lines = head.split("\r\n")
    assert lines[0] == "1 GET /data?symbol=NSE%3AM%26M-EQ HTTP/1.1"
    assert {line.lower() for line in lines[1:]} >= {"host: localhost:port", "accept-encoding: identity", "version: 3"}


def test_a_word_before_the_answer_is_none(trusted: tuple[Path, Path]) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    answer, _ = ask(trusted, [early + early + ok(b"here", "X-Name: Value")], once())

    assert (answer.status, answer.headers["x-name"], answer.body) == (200, "Value", b"here")


def test_a_body_may_be_as_long_as_the_limit_and_no_longer(trusted: tuple[Path, Path]) -> None:
    assert ask(trusted, [ok(b"x" * 100)], once())[0].body == b"x" * 100
    with pytest.raises(BadAnswer, match=r"longer than 99 bytes \(HTTP 200\)"):
        ask(trusted, [ok(b"x" * 100)], once(99))


@pytest.mark.parametrize(("header", "connections"), [("X-Any: 1", 1), ("Connection: close", 2)])
def test_a_connection_is_used_again_unless_the_server_ends_it(
    trusted: tuple[Path, Path], header: str, connections: int
) -> None:
    _, asked = ask(trusted, [ok(b"{}", header), ok()], twice)

    assert [int(head[0]) for head in asked] == [1, connections]


def test_a_connection_that_was_idle_too_long_is_not_used_again(
    trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https, "KEEPALIVE_SECONDS", 0.0)

    assert [int(head[0]) for head in ask(trusted, [ok(), ok()], twice)[1]] == [1, 2]


def test_a_refused_answer_leaves_no_connection_to_the_next(trusted: tuple[Path, Path]) -> None:
    async def story(client: HttpsClient) -> None:
        with pytest.raises(BadAnswer):
            await client.get("/data", {}, {}, 10)
        assert (await client.get("/data", {}, {}, 10)).body == b"{}"

    _, asked = ask(trusted, [ok(b"x" * 11), ok()], story)

    assert [int(head[0]) for head in asked] == [1, 2]


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 999999 no\r\n\r\n"])
def test_what_is_not_http_says_so(trusted: tuple[Path, Path], nonsense: bytes) -> None:
    with pytest.raises(BadAnswer, match="not HTTP"):
        ask(trusted, [nonsense], once())
