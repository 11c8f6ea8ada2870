"""The token page's answers to the letter: what a person reads, what the browser keeps, what is said of each request."""

import json
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.journals import HandClock
from tests.recorder.fakes import make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.page import service as pages
from harvester.page.html import HEADERS
from harvester.page.html import page as document
from harvester.page.links import LinkSigner
from harvester.page.local import make_server
from harvester.page.once import Budget, FolderOnce
from harvester.page.service import Service, handle
from harvester.tokens.login import App

NOW = 1_795_000_000 * NS_PER_SECOND
SIGNER = LinkSigner(Secret("k" * 32), "test")
OTHER = "This link is not one of ours, or not whole. Open it from the message, as it is there."


class World:
    """The page over TLS or without, a browser without memory, and what the page said of each request."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, redirect: str = "https://page.example/back"
    ) -> None:
        self.said: list[dict[str, Any]] = []
        self.used = folder / "used"
        self.keep: Any = lambda _: "ssm:7"
        clock = HandClock()
        self.now_ns = clock.now_ns
        grant = SimpleNamespace(access_token=Secret(make_token(clock.now_ns / 1e9 + 86_400)))
        self.complete = Mock(return_value=(grant, SimpleNamespace(account="XY01")))
        monkeypatch.setattr(pages, "complete_login", lambda *args, **named: self.complete(*args, **named))
        self.service = Service(
            app=App("ABCDE12345-100", Secret("s" * 20), redirect), account="XY01", api_url="https://broker.example",
            signer=SIGNER, once=FolderOnce(self.used), keep=lambda grant: self.keep(grant), clock=clock,
            budget=Budget(10_000), say=lambda line: self.said.append(json.loads(line)),
        )  # fmt: skip

    def get(self, path: str, query: str = "", method: str = "GET", **event: Any) -> Any:
        http = {"method": method, "sourceIp": "192.0.2.1"}
        event = {"rawPath": path, "rawQueryString": query, "requestContext": {"http": http}} | event
        return handle(event, self.service)

    def begin(self) -> tuple[str, str]:
        """The query with which the broker's login comes back, and the cookie."""
        answer = self.get("/login", f"l={SIGNER.make_link(self.now_ns)}")
        [state] = parse_qs(urlsplit(answer["headers"]["Location"]).query)["state"]
        return f"s=ok&code=200&auth_code=abcdefgh&state={state}", answer["cookies"][0].partition(";")[0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("redirect", "cookie", "more"),
    [("https://page.example/back", "__Host-login", "; Secure"), ("http://127.0.0.1:8080/back", "login", "")],
)
def test_the_cookie_of_a_login_lives_as_long_as_it_and_is_for_this_page_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redirect: str, cookie: str, more: str
) -> None:
    world = World(tmp_path, monkeypatch, redirect)
    answer = world.get("/login", f"l={SIGNER.make_link(world.now_ns)}")

    name, _, rest = answer["cookies"][0].partition("=")
    value, _, attributes = rest.partition("; ")
    assert (name, attributes) == (cookie, f"Path=/; Max-Age=600; HttpOnly; SameSite=Lax{more}")
    assert (answer["statusCode"], answer["body"], len(value)) == (303, "", 32)
    kept = world.get("/login", f"l={SIGNER.make_link(world.now_ns)}", cookies=[f"{cookie}=mine"])
    assert kept["cookies"][0].startswith(f"{cookie}=mine;"), "a second tab must not end the first one's login"


def test_a_login_that_succeeds_says_whose_token_is_kept_where_and_until_when(world: World) -> None:
    query, cookie = world.begin()
    answer = world.get("/back", query, headers={"cookie": f"x=y; {cookie}"})

    assert answer["statusCode"] == 200
    assert "<title>Done, valid until " in answer["body"] and 'class="ok"' in answer["body"]
    assert "<p>The token of account XY01 is stored as ssm:7, valid until " in answer["body"]
    assert "<p>The servers take it within seconds. You can close this page.</p>" in answer["body"]
    [args], named = world.complete.call_args.args[1:], world.complete.call_args.kwargs
    assert args.get_secret_value() == "abcdefgh"
    assert named == {"api_url": "https://broker.example", "account": "XY01"}
    begun, done = world.said
    assert begun["outcome"].startswith("to the broker, link ") and done["outcome"].startswith("stored ssm:7, link ")
    assert (begun["path"], begun["status"], done["path"], done["status"]) == ("/login", 303, "callback", 200)

    again = world.get("/back", query, cookies=[cookie])
    assert "This login was used already. If it said Done then, all is well." in again["body"]
    assert (again["statusCode"], world.said[-1]["outcome"]) == (403, "refused")


def test_a_used_link_says_that_a_token_is_there_whichever_login_comes_second(world: World) -> None:
    link = SIGNER.make_link(world.now_ns)
    answers = [world.get("/login", f"l={link}") for _ in range(2)]
    states = [parse_qs(urlsplit(each["headers"]["Location"]).query)["state"][0] for each in answers]
    cookies = [each["cookies"][0].partition(";")[0] for each in answers]
    backs = [
        world.get("/back", f"s=ok&code=200&auth_code=abcdefgh&state={state}", cookies=[cookie])
        for state, cookie in zip(states, cookies, strict=True)
    ]
    used = "This link was used: a token is stored since. The next message has a new link."

    assert [each["statusCode"] for each in backs] == [200, 403] and used in backs[1]["body"]
    assert used in world.get("/login", f"l={link}")["body"]


def test_a_store_that_fails_leaves_the_link_and_its_words_are_shown(world: World) -> None:
    def refuse(_: object) -> str:
        raise HarvesterError("the store is <down>")

    world.keep = refuse
    query, cookie = world.begin()
    answer = world.get("/back", query, cookies=[cookie])

    assert answer["statusCode"] == 502
    assert (
        "<title>The login did not succeed</title>" in answer["body"]
        and "<p>the store is &lt;down&gt;</p>" in answer["body"]
    )
    assert world.said[-1] == {"path": "/back", "outcome": "failed", "status": 502}
    assert [path.name[:6] for path in world.used.iterdir()] == ["state-"], "its link may be used again"


@pytest.mark.parametrize(
    ("path", "query", "method"),
    [("/", "", "GET"), ("/login", "", "GET"), ("/back", "l=x", "GET"), ("/login", "state=x", "GET"),
     ("/login", "l=x", "POST"), ("/login", "l=" + "x" * 8_191, "GET")],
)  # fmt: skip
def test_all_else_is_not_here(world: World, path: str, query: str, method: str) -> None:
    answer = world.get(path, query, method)

    assert answer["statusCode"] == 404 and "<h1>Nothing here</h1>" in answer["body"]
    assert world.said == [{"path": "other", "outcome": "not found", "status": 404}]


def test_the_longest_query_is_read_and_a_flood_is_told_to_wait(world: World) -> None:
    longest = world.get("/login", "l=" + "x" * 8_190)
    assert longest["statusCode"] == 403 and OTHER in longest["body"]
    world.service = world.service._replace(budget=Budget(0))
    answer = world.get("/login", "l=x")
    assert answer["statusCode"] == 429 and "<p>Wait a minute, then open the link again.</p>" in answer["body"]
    assert world.said[-1] == {"path": "/login", "outcome": "too often", "status": 429}


def test_a_document_escapes_all_texts_and_shows_whether_it_is_well() -> None:
    text = document("A & B", "one <b>", "two", good=False)

    assert text.startswith('<!doctype html><html lang="en"><head><meta charset="utf-8">')
    assert (
        "<title>A &amp; B</title>" in text and "<h1>A &amp; B</h1>" in text and text.endswith("</main></body></html>")
    )
    assert '<div class="no" role="status"><p>one &lt;b&gt;</p><p>two</p></div>' in text


def test_on_a_machine_of_ones_own_the_page_is_served_with_the_same_answers(world: World) -> None:
    budget = Mock(**{"allows.return_value": True})
    world.service = world.service._replace(budget=budget)
    with make_server(world.service, ("127.0.0.1", 0)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        host, port = "127.0.0.1", server.server_address[1]
        answers = []
        for path, headers in (
            (f"/login?l={SIGNER.make_link(world.now_ns)}", {"Cookie": "x=y; __Host-login=mine"}),
            ("/login?l=x", {}),
        ):
            client = HTTPConnection(host, port, timeout=60)
            client.request("GET", path, headers=headers)
            answers.append(client.getresponse())
            client.close()
        with pytest.raises(HarvesterError, match=rf"^127\.0\.0\.1 port {port} cannot be listened on \(Address already"):
            make_server(world.service, (host, port))
        with pytest.raises(HarvesterError, match=r"\)\. End what uses it, or name another address with --listen\.$"):
            make_server(world.service, (host, port))
        server.shutdown()
        thread.join()

    assert [answer.status for answer in answers] == [303, 403]
    assert str(answers[0].headers["Set-Cookie"]).startswith("__Host-login=mine; ")
    assert (answers[0].headers["Content-Length"], answers[1].headers["Server"].strip()) == ("0", "token-page")
    assert int(answers[1].headers["Content-Length"]) > 100 and "Set-Cookie" not in answers[1].headers
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["Connection"] == "close"
    assert [call.args for call in budget.allows.call_args_list] == [(host,)] * 2


def test_the_code_of_a_login_is_in_no_page_and_no_log_whatever_an_error_says(world: World) -> None:
    def refuse(_: object) -> str:
        raise HarvesterError("odd: code-of-this-login-0123456789")

    world.keep = refuse
    query, cookie = world.begin()
    answer = world.get("/back", query.replace("abcdefgh", "code-of-this-login-0123456789"), cookies=[cookie])

    assert answer["statusCode"] == 502 and "odd: " in answer["body"]
    assert "code-of-this-login" not in json.dumps([answer, world.said])


def test_the_code_of_a_login_that_the_broker_refused_is_not_shown_with_the_brokers_words(world: World) -> None:
    query, cookie = world.begin()
    code = "code-of-a-refused-login-0123456789"
    query = query.replace("s=ok", f"s=error&message=odd:+{code}").replace("abcdefgh", code)
    answer = world.get("/back", query, cookies=[cookie])

    assert answer["statusCode"] == 502 and "The broker refused the login: odd: [redacted]" in answer["body"]
    assert "code-of-a-refused-login" not in json.dumps([answer, world.said])
