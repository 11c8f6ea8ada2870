"""Schwab's login against a stand-in that answers as its documents say: 30 minutes, 7 days, and no longer."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.tokens import schwab
from harvester.tokens.claims import TokenError
from harvester.tokens.expiry import Opaque, expires_at_ns, unwrap, wrap
from harvester.tokens.login import App, LoginError
from harvester.tokens.refresh import RefreshError

APP = App("schwab-app-key", Secret("schwab-secret"), "https://127.0.0.1:8182/")
MINUTE_NS, DAY_NS = 60 * NS_PER_SECOND, 86_400 * NS_PER_SECOND


class StandIn(ThreadingHTTPServer):
    """Schwab's token endpoint: codes count once, the pair of key and secret must be right."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.codes = {"good-code"}
        self.refresh = ""
        self.number = 0
        self.status = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        form = {
            key: values[0]
            for key, values in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
        }
        status, body = self._judge(form)
        content = json.dumps(body).encode()
        self.send_response(self.server.status or status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _judge(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        pair = base64.b64encode(b"schwab-app-key:schwab-secret").decode()
        if self.path != "/v1/oauth/token" or self.headers["Authorization"] != f"Basic {pair}":
            return 401, {"error": "invalid_client", "error_description": "Unauthorized"}
        if form["grant_type"] == "authorization_code":
            if form["code"] not in self.server.codes or form["redirect_uri"] != APP.redirect_uri:
                return 400, {"error": "invalid_grant", "error_description": "Bad authorization code"}
            self.server.codes.discard(form["code"])
            self.server.refresh = "refresh-token-of-schwab"
        elif form["refresh_token"] != self.server.refresh:
            return 400, {"error": "unsupported_token_type", "error_description": "Refresh token invalid or expired"}
        self.server.number += 1
        access = f"access-token-{self.server.number:08}"
        return 200, {"access_token": access, "refresh_token": self.server.refresh, "expires_in": 1800}

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def log_in(server: StandIn) -> schwab.SchwabTokens:
    return schwab.exchange_code(APP, Secret("good-code"), wall_ns=time.time_ns(), api_url=server.url)


def test_the_login_address_names_app_redirect_and_state() -> None:
    login = schwab.begin_login(APP)

    query = parse_qs(urlsplit(login.url).query)
    assert login.url.startswith("https://api.schwabapi.com/v1/oauth/authorize?")
    assert query["redirect_uri"] == [APP.redirect_uri] and query["state"] == [login.state]
    assert "schwab-secret" not in login.url


def test_a_code_gives_a_pair_with_its_ends(server: StandIn) -> None:
    now = time.time_ns()
    tokens = log_in(server)

    assert abs(tokens.access.expires_at_ns - now - 30 * MINUTE_NS) < MINUTE_NS
    assert abs(tokens.refresh.expires_at_ns - now - 7 * DAY_NS) < MINUTE_NS


def test_a_renewal_gives_a_new_access_token_and_the_old_end_of_the_refresh_token(server: StandIn) -> None:
    tokens = log_in(server)

    renewed = schwab.renew(APP, tokens.refresh, wall_ns=time.time_ns() + 6 * DAY_NS, api_url=server.url)

    assert renewed.access.token.get_secret_value() != tokens.access.token.get_secret_value()
    assert renewed.refresh.expires_at_ns == tokens.refresh.expires_at_ns


def test_after_seven_days_a_person_is_needed_and_nothing_is_sent(server: StandIn) -> None:
    tokens = log_in(server)
    sent = server.number

    with pytest.raises(RefreshError, match="7 days are over") as caught:
        schwab.renew(APP, tokens.refresh, wall_ns=time.time_ns() + 7 * DAY_NS + MINUTE_NS, api_url=server.url)

    assert (caught.value.kind, server.number) == ("refused", sent)


@pytest.mark.parametrize(("status", "kind"), [(400, "refused"), (401, "refused"), (500, "later"), (429, "later")])
def test_refusals_ask_for_a_person_and_outages_for_patience(server: StandIn, status: int, kind: str) -> None:
    tokens = log_in(server)
    server.status, server.refresh = status, "another"

    with pytest.raises(RefreshError) as caught:
        schwab.renew(APP, tokens.refresh, wall_ns=time.time_ns(), api_url=server.url)

    assert caught.value.kind == kind
    assert "refresh-token-of-schwab" not in str(caught.value)


def test_a_used_code_and_a_wrong_secret_are_refused(server: StandIn) -> None:
    log_in(server)
    with pytest.raises(LoginError, match="Bad authorization code"):
        log_in(server)
    with pytest.raises(LoginError, match="Unauthorized") as caught:
        wrong = APP._replace(secret=Secret("wrong-secret"))
        schwab.exchange_code(wrong, Secret("good-code"), wall_ns=time.time_ns(), api_url=server.url)
    assert "wrong-secret" not in str(caught.value)


def test_an_opaque_token_is_stored_with_its_end() -> None:
    opaque = Opaque(Secret("opaque"), 1_800_000_000 * NS_PER_SECOND)

    assert unwrap(wrap(opaque)) == opaque
    assert expires_at_ns(wrap(opaque)) == opaque.expires_at_ns
    assert expires_at_ns(Secret("a password")) is None
    with pytest.raises(TokenError):
        unwrap(Secret('{"token": 1}'))
