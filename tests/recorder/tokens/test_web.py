"""One request and its answer, against a server of this process: what is sent, and what counts as an answer."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, register_secret
from harvester.base.release import USER_AGENT
from harvester.tokens import web
from harvester.tokens.web import BrokerUnreachableError, ask


class Server(ThreadingHTTPServer):
    """Gives one answer to everything, and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/x"
        self.status, self.body = 200, b'{"s": "ok"}'
        self.headers: dict[str, str] = {"Date": "Wed, 18 Nov 2026 11:06:40 GMT"}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        self.send_response_only(self.server.status)
        for name, value in {"Content-Length": str(len(self.server.body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_question_names_who_asks_and_the_answer_has_the_servers_clock(server: Server) -> None:
    assert ask("GET", server.url, headers={"X-Own": "1"}) == (200, {"s": "ok"}, 1_795_000_000 * NS_PER_SECOND)
    [(method, path, headers, body)] = server.asked
    assert (method, path, headers["user-agent"], headers["x-own"], body) == ("GET", "/x", USER_AGENT, "1", b"")
    assert "content-type" not in headers


@pytest.mark.parametrize(
    ("given", "kind", "body"),
    [
        ({"json_body": {"a": "ü"}}, "application/json", b'{"a": "\\u00fc"}'),
        ({"json_body": {}}, "application/json", b"{}"),
        ({"form": {"a": "b c", "d": "&"}}, "application/x-www-form-urlencoded", b"a=b+c&d=%26"),
    ],
)
def test_a_body_goes_in_the_form_that_it_is_given(server: Server, given: Any, kind: str, body: bytes) -> None:
    ask("POST", server.url, **given)
    [(method, _, headers, sent)] = server.asked
    assert (method, headers["content-type"], sent) == ("POST", kind, body)


@pytest.mark.parametrize("status", [201, 302, 400, 429, 503])
def test_every_status_is_an_answer_and_no_redirect_is_followed(server: Server, status: int) -> None:
    server.status, server.headers = status, {"Location": server.url + "/elsewhere"}
    assert ask("GET", server.url) == (status, {"s": "ok"}, None)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"7", b"\xff", b"[" * 60_000])
def test_a_body_that_is_no_object_is_empty(server: Server, body: bytes) -> None:
    server.body = body
    assert ask("GET", server.url).body == {}


def test_a_body_is_read_to_a_limit(server: Server) -> None:
    server.body = json.dumps({"a": "x" * (web.BODY_LIMIT - 9)}).encode()
    assert len(server.body) == web.BODY_LIMIT
    assert ask("GET", server.url).body["a"].startswith("x")
    server.body += b"z"
    assert ask("GET", server.url).body["a"].startswith("x"), "what is after the limit is not read"
    server.body = b" " + server.body
    assert ask("GET", server.url).body == {}


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_date_that_is_none_is_none(server: Server, date: str) -> None:
    server.headers = {"Date": date}
    assert ask("GET", server.url).date_ns is None


def test_an_answer_that_takes_too_long_in_all_is_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CHUNK", 1)
    moments = iter((0.0, 15.0, 15.1))
    monkeypatch.setattr("harvester.tokens.web.time.monotonic", lambda: next(moments))
    with pytest.raises(BrokerUnreachableError) as caught:
        ask("GET", server.url)
    assert str(caught.value) == f"{server.url} could not be reached (TimeoutError: no whole answer within 15 s)."


def test_a_server_that_is_not_there_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(BrokerUnreachableError) as caught:
            ask("GET", url)
    assert str(caught.value) == f"{url} could not be reached (URLError: [Errno 111] Connection refused)."


def test_a_reason_is_masked_and_short(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    register_secret(Secret("hunter2-secret"))

    def broken(*_: object) -> None:
        raise OSError(f"hunter2-secret {'y' * 300}")

    monkeypatch.setattr(web, "_read", broken)
    with pytest.raises(BrokerUnreachableError) as caught:
        ask("GET", server.url)
    assert str(caught.value) == f"{server.url} could not be reached (OSError: [redacted] {'y' * 189})."


def test_a_server_that_waits_is_given_so_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    connect = socket.create_connection

    def connected(address: Any, timeout: object = None, *rest: Any) -> socket.socket:
        seen.append(timeout)
        return connect(address, timeout, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_connection", connected)
    ask("GET", server.url)
    assert seen == [15.0]
