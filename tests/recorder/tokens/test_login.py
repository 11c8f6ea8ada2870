"""The login by its parts: what is sent, what is taken, and the words for each that is not."""

import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.recorder.fakes import APP_ID, make_token
from tests.recorder.tokens.conftest import API_URL, APP, Broker

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, redact
from harvester.tokens import login
from harvester.tokens.claims import TokenError
from harvester.tokens.login import BusyError, Grant, LoginError, Profile
from harvester.tokens.web import BrokerUnreachableError

CODE, TOKEN = Secret("the-auth-code"), Secret(make_token(time.time() + 36_000))
HASH = hashlib.sha256(b"ABCDE12345-100:app-secret-hunter2").hexdigest()
EXCHANGE, PROFILE = "/api/v3/validate-authcode", "/api/v3/profile"
OWNER = {"s": "ok", "data": {"fy_id": "XX00000", "name": "A PERSON"}}
AGAIN = "Start the login again: ./inv token-push."


def refusal(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(LoginError) as caught:
        call(*given, **named)
    return str(caught.value)


def grant(**more: object) -> dict[str, object]:
    return {"s": "ok", "access_token": TOKEN.get_secret_value(), **more}


def redirect(**query: str) -> str:
    return f"https://127.0.0.1:8080/callback?{urlencode({'s': 'ok', 'auth_code': 'code-1', 'state': 'st'} | query)}"


def test_the_browsers_address_carries_app_redirect_and_state() -> None:
    begun = login.begin_login(APP, API_URL, "st")
    parts = urlsplit(begun.url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{API_URL}/api/v3/generate-authcode"
    assert parse_qs(parts.query) == {
        "client_id": [APP_ID],
        "redirect_uri": [APP.redirect_uri],
        "response_type": ["code"],
        "state": ["st"],
    }
    assert begun.state == "st"
    states = {login.begin_login(APP, API_URL).state for _ in range(2)}
    assert {len(state) for state in states} == {32} and len(states) == 2


@pytest.mark.parametrize(
    "address", [redirect(), f" {redirect()}\n", redirect().replace("callback?", "callback/?"), redirect(x="1")]
)
def test_the_code_is_taken_from_the_apps_own_address(address: str) -> None:
    assert login.read_redirect(address, APP, "st") == Secret("code-1")
    assert redact("code-1") == "[redacted]"
    assert login.read_redirect_query(address, APP, "st")["auth_code"] == "code-1"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://[",
        redirect().replace("https", "http"),
        redirect().replace(":8080", ":8081"),
        redirect().replace("callback", "another"),
        redirect().replace("callback", "callback/x"),
    ],
)
def test_another_address_is_refused_with_the_right_one(address: str) -> None:
    assert refusal(login.read_redirect, address, APP, "st") == (
        f"That is not the address the broker sends you back to: it must begin with {APP.redirect_uri} . Copy the whole"
        " address line of the browser after the login."
    )


@pytest.mark.parametrize("address", [redirect(state="ts"), redirect(state=""), redirect().partition("&state")[0]])
def test_an_address_of_another_login_is_refused(address: str) -> None:
    said = f"That address belongs to another login (its state differs), so its code is not used. {AGAIN}"
    assert refusal(login.read_redirect, address, APP, "st") == said


def test_a_redirect_without_a_code_says_what_the_broker_said() -> None:
    assert refusal(login.read_code, {"s": "error", "message": "user\ndenied"}) == (
        f"The broker refused the login: user denied. {AGAIN}"
    )
    assert refusal(login.read_code, {}) == f"The broker refused the login: no message. {AGAIN}"
    said = f"The address has no auth_code, so the login was not finished. {AGAIN}"
    assert refusal(login.read_code, {"s": "ok"}) == refusal(login.read_code, {"s": "ok", "auth_code": ""}) == said


def test_a_code_becomes_a_grant(broker: Broker) -> None:
    broker.will(EXCHANGE, grant(refresh_token="the-refresh-token"))
    assert login.exchange_code(APP, CODE, api_url=API_URL) == Grant(TOKEN, Secret("the-refresh-token"))
    sent = {"grant_type": "authorization_code", "appIdHash": HASH, "code": "the-auth-code"}
    assert broker.asked == [("POST", EXCHANGE, {"json_body": sent})]
    assert redact("the-refresh-token") == redact(TOKEN.get_secret_value()) == redact("k" * 56) == "[redacted]"


@pytest.mark.parametrize("refresh", [None, "", 7, {}])
def test_an_account_without_the_refresh_flow_gets_no_refresh_token(broker: Broker, refresh: object) -> None:
    broker.will(EXCHANGE, grant(refresh_token=refresh), grant())
    assert login.exchange_code(APP, CODE, api_url=API_URL) == Grant(TOKEN, None)
    assert login.exchange_code(APP, CODE, api_url=API_URL) == Grant(TOKEN, None)


@pytest.mark.parametrize("token", [None, "", make_token(5), make_token(time.time() + 99, hsm_key="")])
def test_a_token_that_is_no_use_is_not_taken(broker: Broker, token: object) -> None:
    broker.will(EXCHANGE, grant(access_token=token))
    with pytest.raises(TokenError):
        login.exchange_code(APP, CODE, api_url=API_URL)


def test_an_answer_without_a_token_is_told_as_nothing(broker: Broker) -> None:
    broker.will(EXCHANGE, {"s": "ok"})
    with pytest.raises(TokenError, match="it is 0 characters of something else"):
        login.exchange_code(APP, CODE, api_url=API_URL)


def test_a_code_that_is_no_number_is_something_unexpected(broker: Broker) -> None:
    broker.will(EXCHANGE, {"s": "error", "code": [-8]}, status=400)
    assert "something unexpected" in refusal(login.exchange_code, APP, CODE, api_url=API_URL)


@pytest.mark.parametrize(("offset", "side"), [(125, "behind"), (-125, "ahead of")])
def test_a_clock_that_is_off_is_said_with_its_size_and_side(broker: Broker, offset: int, side: str) -> None:
    broker.will(EXCHANGE, grant(), date_ns=time.time_ns() + offset * NS_PER_SECOND)
    said = refusal(login.exchange_code, APP, CODE, api_url=API_URL)
    seconds = [number for number in range(122, 129) if f" {number} s " in said]
    assert len(seconds) == 1
    assert said == (
        f"The clock of this machine is {seconds[0]} s {side} the broker's, so the token's expiry cannot be judged and"
        " nothing is stored. Set the clock (timedatectl), then log in again."
    )


def test_a_clock_may_be_off_by_two_minutes_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_795_000_000 * NS_PER_SECOND
    monkeypatch.setattr("harvester.tokens.login.SystemClock.wall_ns", lambda _: now)
    for date_ns in (None, now, now + 120 * NS_PER_SECOND, now - 120 * NS_PER_SECOND):
        login.check_clock(date_ns)
    for date_ns in (now + 120 * NS_PER_SECOND + 1, now - 120 * NS_PER_SECOND - 1):
        assert " 120 s " in refusal(login.check_clock, date_ns)


def test_a_profile_is_asked_with_app_and_token(broker: Broker) -> None:
    broker.will(PROFILE, OWNER)
    assert login.fetch_profile(APP, TOKEN, api_url=API_URL) == Profile("XX00000", "A PERSON")
    headers = {"authorization": f"{APP_ID}:{TOKEN.get_secret_value()}", "version": "3"}
    assert broker.asked == [("GET", PROFILE, {"headers": headers})]


@pytest.mark.parametrize("name", [None, 7])
def test_a_profile_needs_no_name(broker: Broker, name: object) -> None:
    broker.will(PROFILE, {"s": "ok", "data": {"fy_id": "XX00000", "name": name}})
    assert login.fetch_profile(APP, TOKEN, api_url=API_URL) == Profile("XX00000", "")


@pytest.mark.parametrize("data", [{}, {"fy_id": None}, {"fy_id": " "}, {"fy_id": 7}])
def test_a_profile_without_an_account_is_no_proof(broker: Broker, data: dict[str, object]) -> None:
    broker.will(PROFILE, {"s": "ok", "data": data}, {"s": "ok", "data": [data]})
    assert refusal(login.fetch_profile, APP, TOKEN, api_url=API_URL) == (
        "While proving the token, the broker answered with an incomplete profile: it names no account (fy_id), so whose"
        " token this is cannot be said, and nothing is stored. Try again in a minute."
    )
    assert refusal(login.fetch_profile, APP, TOKEN, api_url=API_URL) == (
        "While proving the token, the broker answered without a profile. Try again in a minute."
    )


@pytest.mark.parametrize("account", [None, "", "xx00000", "XX00000"])
def test_a_login_is_proven_before_it_counts(broker: Broker, account: str | None) -> None:
    broker.will(EXCHANGE, grant())
    broker.will(PROFILE, OWNER)
    done = login.complete_login(APP, CODE, api_url=API_URL, account=account)
    assert done == (Grant(TOKEN, None), Profile("XX00000", "A PERSON"))
    assert redact("app-secret-hunter2") == "[redacted]"


def test_a_login_of_another_account_does_not_count(broker: Broker) -> None:
    broker.will(EXCHANGE, grant())
    broker.will(PROFILE, OWNER)
    assert refusal(login.complete_login, APP, CODE, api_url=API_URL, account="YY1") == (
        "This login is of account XX00000, and the harvester records as YY1; nothing is stored. Log in as that account,"
        " or correct broker_account in the inventory."
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (
            400,
            {"s": "error", "code": -437, "message": "m"},
            LoginError,
            f"the code of this login is wrong, has expired or was used before. {AGAIN} (HTTP 400, code -437, m)",
        ),
        (
            200,
            {"s": "error", "code": -8},
            LoginError,
            f"the code of this login has expired; it lives for minutes only. {AGAIN} (HTTP 200, code -8, no message)",
        ),
        (
            429,
            {},
            BusyError,
            "it is being asked too often. Wait a minute, then start the login again. (HTTP 429, code None, no message)",
        ),
        (201, {"s": "ok", "code": "-8"}, LoginError, f"something unexpected. {AGAIN} (HTTP 201, code -8, no message)"),
        (499, {"s": "ok", "code": 1}, LoginError, f"something unexpected. {AGAIN} (HTTP 499, code 1, no message)"),
        (500, {"message": "a\nb"}, BusyError, f"something unexpected. {AGAIN} (HTTP 500, code None, a b)"),
    ],
)
def test_each_refusal_is_told_with_step_and_remedy(
    broker: Broker, status: int, body: dict[str, object], kind: type[LoginError], said: str
) -> None:
    for path, doing in ((EXCHANGE, "exchanging the code"), (PROFILE, "proving the token")):
        broker.will(path, body, status=status)
        with pytest.raises(LoginError) as caught:
            if path == EXCHANGE:
                login.exchange_code(APP, CODE, api_url=API_URL)
            else:
                login.fetch_profile(APP, TOKEN, api_url=API_URL)
        assert str(caught.value) == f"While {doing}, the broker says: {said}"
        assert type(caught.value) is kind


def test_a_broker_out_of_reach_may_be_asked_again(broker: Broker) -> None:
    broker.will(EXCHANGE, BrokerUnreachableError("It could not be reached."))
    with pytest.raises(BusyError) as caught:
        login.exchange_code(APP, CODE, api_url=API_URL)
    assert str(caught.value) == (
        "While exchanging the code: It could not be reached. Check the network of this machine, then start the login"
        " again."
    )
