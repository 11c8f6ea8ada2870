"""The operator's commands for credentials: push, status, undo, secret-put and the page on this machine."""

import io
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.tokens.conftest import PREFIX, REGION
from tests.tokens.pages import Phone

from exchange.client import call_control, open_client
from exchange.login import login_as_a_person
from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.commands import token_file
from harvester.tokens.aws_stores import SsmStore
from harvester.tokens.claims import TokenError, check_token
from harvester.tokens.login import LoginError, check_clock, read_redirect
from harvester.tokens.stores import StoreError
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from runbook.tokens import credentials, data_socket, token_page, token_push
from runbook.tokens.broker_login import Obtained, check_given, log_in, read_app

PARAMETER = f"{PREFIX}/fyers/access-token"
HOUR = 3600


@pytest.fixture
def mint(exchange: Path) -> Callable[..., str]:
    return Tokens(StateDir(exchange), SystemClock()).mint_access_token


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


def use_newest(hosts: Sequence[Host]) -> list[HostStatus]:
    """Hosts whose service uses what is in SSM now."""
    stored = SsmStore(PARAMETER, REGION).read()
    report = {"token_version": stored.version if stored else None, "status": {"token": {"state": "ok"}}}
    return [HostStatus(host.name, report) for host in hosts]


def obtained(text: str) -> Obtained:
    return Obtained(Secret(text), check_token(Secret(text), time.time_ns()))


def test_a_login_is_proven_pushed_and_said(exchange: Path, host: Host, target: Target) -> None:
    def sign_in(login: Any) -> str:
        with open_client(exchange) as client:
            return login_as_a_person(login.url, exchange, client)

    got = log_in(host, sign_in, app=read_app(host), account="XX00000")
    pushed = token_push.push(got, [host], target, ask=use_newest)

    assert pushed.account == "XX00000" and pushed.notes == ()
    assert pushed.versions == {"h1": "ssm:1"}
    assert pushed.next_session is not None and pushed.next_session > pushed.expires_at


def test_of_two_who_push_at_once_the_later_is_used_and_the_other_is_told(
    host: Host, target: Target, mint: Callable[..., str]
) -> None:
    def meanwhile(hosts: Sequence[Host]) -> list[HostStatus]:
        if SsmStore(PARAMETER, REGION).read().version == "ssm:1":  # type: ignore[union-attr]
            SsmStore(PARAMETER, REGION).write(Secret(mint()))
        return use_newest(hosts)

    pushed = token_push.push(obtained(mint()), [host], target, ask=meanwhile)

    assert pushed.notes == ("h1 uses ssm:2: another token was stored after yours, ssm:1. Both work.",)


def test_a_token_that_the_broker_has_ended_is_refused_though_it_looks_well(
    exchange: Path, host: Host, mint: Callable[..., str]
) -> None:
    token = mint()
    call_control(exchange, "POST", "/faults", b'[{"action": "revoke"}]')
    deadline = time.monotonic() + 10
    with pytest.raises(LoginError, match=r"While proving the token|data socket refuses"):
        while time.monotonic() < deadline:
            check_given(host, Secret(token), check_token(Secret(token), time.time_ns()), "XX00000")
            time.sleep(0.1)


def test_the_data_socket_is_really_asked(host: Host, mint: Callable[..., str]) -> None:
    with environment_of(host):
        assert data_socket.check(Secret(mint())) == ""
        with pytest.raises(LoginError, match="data socket refuses"):
            data_socket.check(Secret(_with_foreign_key(mint())))
        assert "could not be asked" in data_socket.check(Secret(mint()), "wss://127.0.0.1:9/")


def _with_foreign_key(token: str) -> str:
    import base64
    import json

    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["hsm_key"] = "0" * 56
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


@pytest.mark.parametrize("text", ["", "garbage", "http://[::1", "\x00", "https://evil.example/?state=x", "x" * 20_000])
def test_pasted_garbage_is_answered_with_what_to_paste(host: Host, text: str) -> None:
    with pytest.raises(LoginError, match="Copy the whole address line"):
        read_redirect(text, read_app(host), "state")


@pytest.mark.parametrize(("seconds", "side"), [(600, "behind"), (-600, "ahead of")])
def test_a_clock_that_is_off_is_named_before_anything_is_stored(seconds: int, side: str) -> None:
    with pytest.raises(LoginError, match=f"{side} the broker's"):
        check_clock(time.time_ns() + seconds * 10**9)
    check_clock(time.time_ns() + 30 * 10**9)
    check_clock(None)


def test_status_shows_versions_ages_and_next_actions_and_never_a_value(host: Host, mint: Callable[..., str]) -> None:
    token = mint()
    missing = {credential.name: credential for credential in credentials.look([host])}
    SsmStore(PARAMETER, REGION).write(Secret(token))
    SsmStore(f"{PREFIX}/token-page/signing-key", REGION).write(Secret("k" * 64))
    found = {credential.name: credential for credential in credentials.look([host])}
    later = {credential.name: credential for credential in credentials.look([host], time.time_ns() + 30 * HOUR * 10**9)}

    assert (missing["access token"].good, missing["access token"].action) == (False, "./inv token-push")
    assert missing["PIN for the refresh"].good, "what is not used is not missing"
    access = found["access token"]
    assert (access.version, access.good) == ("ssm:1", True)
    assert access.age is not None and access.age.total_seconds() < 60
    assert access.action.startswith("./inv token-push, before ")
    assert found["key of the token page"].version == "ssm:1"
    assert not later["access token"].good
    assert token not in str([credential.to_dict() for credential in found.values()])


def test_undo_goes_back_to_a_token_that_works_and_to_no_other(
    host: Host, target: Target, mint: Callable[..., str]
) -> None:
    first, second, dead = mint(), mint(), mint(1)
    store = SsmStore(PARAMETER, REGION)
    with pytest.raises(ConfigError, match="keeps no earlier token"):
        credentials.undo([host], target, ask=use_newest)
    for text in (first, second):
        store.write(Secret(text))

    assert credentials.undo([host], target, ask=use_newest) == {"h1": "ssm:3"}
    assert store.read().value.get_secret_value() == first  # type: ignore[union-attr]

    store.write(Secret(dead))
    store.write(Secret(second))
    time.sleep(1.1)
    with pytest.raises(TokenError, match="expired"):
        credentials.undo([host], target, ask=use_newest)
    assert store.read().version == "ssm:5", "nothing has changed"  # type: ignore[union-attr]


def test_a_secret_is_stored_from_standard_input_encrypted(
    host: Host, ssm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("json://channel/secret-part\n"))

    said = credentials.put([host], "channels")

    assert said.startswith(f"SSM parameter {PREFIX}/alerts/channels is ssm:1 now. h1 reads its channels from /var/")
    assert ssm.get_parameter(Name=f"{PREFIX}/alerts/channels")["Parameter"]["Type"] == "SecureString"
    with pytest.raises(ConfigError, match="There are: app-secret"):
        credentials.put([host], "access-token")
    with pytest.raises(ConfigError, match="Nothing was typed"):
        credentials.put([host], "page-key")


def test_the_token_file_is_taken_and_taken_back(tmp_path: Path, mint: Callable[..., str], capsys: Any) -> None:
    import argparse

    path, incoming = tmp_path / "credential", tmp_path / "incoming"
    parser = argparse.ArgumentParser()
    token_file.add_arguments(parser)
    first, second = mint(), mint()
    for text in (first, second):
        incoming.write_text(text)
        token_file.run(parser.parse_args(["--file", str(path), "--take", str(incoming)]), None)
    assert not incoming.exists()

    token_file.run(parser.parse_args(["--file", str(path), "--undo"]), None)

    assert path.read_text().strip() == first
    incoming.write_text("garbage")
    with pytest.raises(TokenError):
        token_file.run(parser.parse_args(["--file", str(path), "--take", str(incoming)]), None)
    assert path.read_text().strip() == first
    with pytest.raises(StoreError, match="holds no token"):
        token_file.run(parser.parse_args(["--file", str(path), "--take", str(tmp_path / "none")]), None)
    assert first not in capsys.readouterr().out


def test_the_page_on_this_machine_ends_with_a_pushed_token(
    exchange: Path, host: Host, app: dict[str, str], target: Target
) -> None:
    told: list[str] = []
    done: list[token_push.Pushed] = []

    def push(got: Obtained, hosts: Sequence[Host], where: Target) -> token_push.Pushed:
        return token_push.push(got, hosts, where, ask=use_newest)

    thread = threading.Thread(
        target=lambda: done.append(token_page.serve([host], target, told.append, push=push)), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + 20
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)

    def over_http(event: dict[str, Any]) -> dict[str, Any]:
        where = urlsplit(app["redirect_uri"])
        address = f"{where.scheme}://{where.netloc}{event['rawPath']}?{event['rawQueryString']}"
        answer = httpx.get(address, headers={"Cookie": "; ".join(event["cookies"])}, trust_env=False, timeout=30)
        cookies = [value for name, value in answer.headers.multi_items() if name == "set-cookie"]
        return {
            "statusCode": answer.status_code,
            "headers": {"Location": answer.headers.get("location")},
            "cookies": cookies,
        }

    answer = Phone(exchange, over_http).log_in(told[0])
    thread.join(20)

    assert answer["statusCode"] == 200
    assert done and done[0].versions == {"h1": "ssm:1"}
    assert done[0].expires_at > datetime.now(UTC)
