"""The login of token-push, against the local exchange, and the ways a person brings the redirect home."""

import io
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchanges import serving

from exchange.client import open_client
from exchange.login import login_as_a_person
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import Secret
from harvester.tokens.login import Login, LoginError
from harvester.tokens.stores import DeniedError
from runbook.fleet.inventory import Host
from runbook.tokens.broker_login import log_in, page_opener, read_app
from runbook.tokens.redirect import Catcher


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running exchange; its state directory."""
    state = tmp_path_factory.mktemp("exchange")
    with serving(state):
        yield state


@pytest.fixture
def host(exchange: Path) -> Host:
    app = json.loads((exchange / "app.json").read_bytes())
    ready = json.loads((exchange / "ready.json").read_bytes())
    variables = {
        "harvester_settings": {"broker": {"app_id": app["app_id"]}},
        "broker_secret_file": str(exchange / "app.json"),
        "broker_proxy": ready["proxy"],
        "broker_ca_file": ready["ca"],
    }
    return Host("h1", "192.0.2.1", variables=variables)


def sign_in(state: Path, url: str) -> str:
    with open_client(state) as client:
        return login_as_a_person(url, state, client)


def test_a_login_at_the_exchange_gives_a_proven_token(exchange: Path, host: Host) -> None:
    obtained = log_in(host, lambda login: sign_in(exchange, login.url), app=read_app(host))

    assert obtained.claims.account == "XX00000"
    assert obtained.token.get_secret_value().count(".") == 2
    assert obtained.notes == (), "the data socket was reached, and let the token in"


def test_a_wrong_secret_is_refused_without_being_shown(exchange: Path, host: Host) -> None:
    with pytest.raises(LoginError, match="do not belong together") as caught:
        log_in(host, lambda login: sign_in(exchange, login.url), app=read_app(host, Secret("WRONGSECRET")))

    assert "WRONGSECRET" not in str(caught.value)


def test_an_address_of_another_login_is_not_used(exchange: Path, host: Host) -> None:
    def stale(login: Login) -> str:
        return sign_in(exchange, login.url.replace("state=", "state=other"))

    with pytest.raises(LoginError, match="another login"):
        log_in(host, stale, app=read_app(host))


def test_a_token_of_another_account_is_refused(exchange: Path, host: Host) -> None:
    with pytest.raises(LoginError, match="the harvester records as AB12345"):
        log_in(host, lambda login: sign_in(exchange, login.url), app=read_app(host), account="AB12345")


def test_the_redirect_is_caught_on_its_loopback_port_and_strangers_are_ignored() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}/back"
    answers: list[int] = []
    good = f"{uri}?s=ok&auth_code=abc&state=xyz"

    def browser() -> None:
        for path in (uri.replace("/back", "/favicon.ico"), uri, good.replace("xyz", "other")):
            answers.append(httpx.get(path, trust_env=False).status_code)
        answers.append(httpx.get(good, trust_env=False, headers={"Host": "evil.example"}).status_code)
        answers.append(httpx.post(good, trust_env=False).status_code)
        answers.append(httpx.get(good, trust_env=False).status_code)

    with Catcher(uri, "xyz") as catcher:
        thread = threading.Thread(target=browser)
        thread.start()
        address = catcher.wait(timeout_seconds=10)
    thread.join(10)

    assert address == good
    assert answers == [404, 400, 400, 404, 501, 200]


def test_nobody_coming_to_log_in_ends_with_the_way_out() -> None:
    with Catcher("http://127.0.0.1:0/", "xyz") as catcher, pytest.raises(HarvesterError, match="--paste"):
        catcher.wait(timeout_seconds=0.05)


def test_a_redirect_elsewhere_is_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("  https://example.org/back?s=ok&auth_code=1 \n"))
    told: list[str] = []

    address = page_opener("https://example.org/back", told.append)(Login("https://login", "xyz"))

    assert address == "https://example.org/back?s=ok&auth_code=1"
    assert "https://login" in told[0]


def described(**variables: object) -> Host:
    return Host("h1", "192.0.2.1", variables={"harvester_settings": {"broker": {"app_id": "A-100"}}, **variables})


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (Host("h1", "192.0.2.1", variables={"harvester_settings": {}}), "broker.app_id"),
        (described(), "broker_redirect_uri"),
        (described(broker_redirect_uri="http://127.0.0.1/"), "nowhere to be had"),
        (described(broker_redirect_uri="http://127.0.0.1/", broker_secret_file="/nowhere/app.json"), "cannot be read"),
    ],
)
def test_what_is_missing_for_a_login_is_named(host: Host, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    with pytest.raises(ConfigError, match=said):
        read_app(host)


def test_who_may_not_read_the_stored_secret_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(place: str, region: str | None) -> Any:
        raise DeniedError(f"{place}: this login may not read it")

    monkeypatch.setattr("runbook.tokens.broker_login.open_place", deny)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "S3CR3TS3CR3T")
    host = described(broker_redirect_uri="http://127.0.0.1/", broker_secret_parameter="/ours/app-secret")

    assert read_app(host).secret.get_secret_value() == "S3CR3TS3CR3T"


def test_a_secret_file_may_be_bare_and_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("S3CR3TS3CR3T\n")
    path.chmod(0o640)
    host = described(broker_redirect_uri="http://127.0.0.1/", broker_secret_file=str(path))

    with pytest.raises(ConfigError, match="chmod 600"):
        read_app(host)
    path.chmod(0o600)

    assert read_app(host).secret.get_secret_value() == "S3CR3TS3CR3T"
