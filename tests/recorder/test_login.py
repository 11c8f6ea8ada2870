"""The broker login: what comes back is checked, exchanged and proven; each refusal is one paragraph."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from tests.recorder.broker import FakeBroker
from tests.recorder.fakes import APP_ID, make_token

from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.tokens.login import App, LoginError, Profile, begin_login, read_redirect
from harvester.tokens.login import complete_login as complete

REDIRECT = "https://127.0.0.1:8080/callback"
SECRET = "app-secret-hunter2"
APP = App(APP_ID, Secret(SECRET), REDIRECT)
HASH = hashlib.sha256(b"ABCDE12345-100:app-secret-hunter2").hexdigest()


class LoginServer:
    """A broker whose answer to the code exchange a test sets; runs on a thread of its own."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.exchange: tuple[int, Any] = (200, {})
        self.profile: tuple[int, Any] = (
            200,
            {"s": "ok", "code": 200, "data": {"fy_id": "XX00000", "name": "A PERSON"}},
        )
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self._certificate = certificate
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        broker = FakeBroker(self._certificate)
        broker.extra_routes["/api/v3/validate-authcode"] = self._exchange
        broker.extra_routes["/api/v3/profile"] = self._profile
        async with broker:
            self.url = broker.url
            self._ready.set()
            await self._done.wait()

    async def _exchange(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        return self._answer(*self.exchange)

    async def _profile(self, request: web.Request) -> web.Response:
        self.asked.append({"authorization": request.headers["authorization"]})
        return self._answer(*self.profile)

    @staticmethod
    def _answer(status: int, content: Any) -> web.Response:
        body = content if isinstance(content, str) else json.dumps(content)
        return web.Response(status=status, text=body)


@pytest.fixture
def server(trusted: tuple[Path, Path]) -> Iterator[LoginServer]:
    server = LoginServer(trusted)
    server.start()
    yield server
    server.stop()


def complete_login(app: App, address: str, state: str, *, api_url: str) -> tuple[Secret, Profile]:
    grant, profile = complete(app, read_redirect(address, app, state), api_url=api_url)
    return grant.access_token, profile


def redirect(state: str, **changes: str) -> str:
    return f"{REDIRECT}?{urlencode({'s': 'ok', 'code': '200', 'auth_code': 'the-auth-code', 'state': state} | changes)}"


def test_the_login_address_is_the_sdks_own(server: LoginServer) -> None:
    login = begin_login(APP, "https://api-t1.fyers.in")

    parts = urlsplit(login.url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    assert (parts.netloc, parts.path) == ("api-t1.fyers.in", "/api/v3/generate-authcode")
    assert query == {"client_id": APP_ID, "redirect_uri": REDIRECT, "response_type": "code", "state": login.state}
    assert len(login.state) >= 32
    assert begin_login(APP, server.url).url.startswith(server.url)
    assert begin_login(APP, server.url).state != login.state
    assert SECRET not in login.url


def test_a_login_ends_with_a_proven_token(server: LoginServer) -> None:
    token = make_token(time.time() + 3600)
    server.exchange = (200, {"s": "ok", "code": 200, "access_token": token})

    got, profile = complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)

    assert got.get_secret_value() == token
    assert profile == ("XX00000", "A PERSON")
    assert server.asked[0] == {"grant_type": "authorization_code", "appIdHash": HASH, "code": "the-auth-code"}
    assert server.asked[1] == {"authorization": f"{APP_ID}:{token}"}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "not the address"),
        ("the-auth-code", "not the address"),
        ("https://evil.example/callback?s=ok&auth_code=x&state=state-1", "not the address"),
        (REDIRECT, "another login"),
        (redirect("state-2"), "another login"),
        (redirect(""), "another login"),
        (redirect("state-1", s="error", message="user denied"), "user denied"),
        (redirect("state-1", auth_code=""), "no auth_code"),
    ],
)
def test_an_address_that_does_not_belong_to_this_login_is_refused(address: str, reason: str) -> None:
    with pytest.raises(LoginError, match=reason):
        read_redirect(address, APP, "state-1")


def error(code: int) -> dict[str, Any]:
    return {"s": "error", "code": code, "message": "the broker's words"}


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (400, error(-352), "app ID"),
        (400, error(-371), "do not belong together"),
        (400, error(-441), "kind of grant"),
        (401, error(-8), "expired"),
        (401, error(-15), "used before"),
        (401, error(-16), "used before"),
        (401, error(-17), "used before"),
        (403, error(-373), "permission"),
        (429, "<html>", "too often"),
        (429, error(-429), "too often"),
        (500, "<html>oops</html>", "unexpected"),
        (200, "", "unexpected"),
        (200, "[]", "unexpected"),
        (200, error(-9999), "unexpected"),
        (200, {"s": "ok"}, "not an access token"),
        (200, {"s": "ok", "access_token": "garbage"}, "not an access token"),
        (200, {"s": "ok", "access_token": make_token(5)}, "expired"),
    ],
)
def test_each_refusal_of_the_exchange_is_one_paragraph(
    server: LoginServer, status: int, content: Any, reason: str
) -> None:
    server.exchange = (status, content)

    with pytest.raises(HarvesterError) as refused:
        complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)

    message = str(refused.value)
    assert reason in message
    assert "\n" not in message
    assert SECRET not in message
    assert "the-auth-code" not in message


def test_a_secret_that_the_broker_says_back_is_masked_before_it_is_cut(server: LoginServer) -> None:
    words = f"{'x' * 152} the-auth-code is no good"
    server.exchange = (400, {"s": "error", "code": -9999, "message": words})

    with pytest.raises(LoginError) as refused:
        complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)

    assert "the-au" not in str(refused.value)


def test_a_token_that_is_dead_on_arrival_is_found_by_the_profile(server: LoginServer) -> None:
    server.exchange = (200, {"s": "ok", "access_token": make_token(time.time() + 3600)})
    server.profile = (401, error(-16))

    with pytest.raises(LoginError, match="While proving the token"):
        complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)


def test_a_profile_without_an_owner_is_no_proof(server: LoginServer) -> None:
    server.exchange = (200, {"s": "ok", "access_token": make_token(time.time() + 3600)})
    server.profile = (200, {"s": "ok"})

    with pytest.raises(LoginError, match="without a profile"):
        complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)


@pytest.mark.parametrize("data", [{}, {"fy_id": None}, {"fy_id": " ", "name": "A PERSON"}, {"fy_id": 7}])
def test_a_profile_that_names_no_account_is_called_incomplete(server: LoginServer, data: dict[str, Any]) -> None:
    server.exchange = (200, {"s": "ok", "access_token": make_token(time.time() + 3600)})
    server.profile = (200, {"s": "ok", "data": data})

    with pytest.raises(LoginError, match="incomplete profile: it names no account"):
        complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)


def test_a_login_is_not_lost_for_a_name_that_is_not_given(server: LoginServer) -> None:
    server.exchange = (200, {"s": "ok", "access_token": make_token(time.time() + 3600)})
    server.profile = (200, {"s": "ok", "data": {"fy_id": "XX00000"}})

    assert complete_login(APP, redirect("state-1"), "state-1", api_url=server.url)[1] == ("XX00000", "")


def test_a_broker_out_of_reach_is_explained() -> None:
    with pytest.raises(LoginError, match="could not be reached"):
        complete_login(APP, redirect("state-1"), "state-1", api_url="https://localhost:1")


def test_secrets_are_masked_in_representations() -> None:
    assert SECRET not in repr(APP)
