"""Login, token exchange, and what happens to tokens that are not good."""

import base64
import json
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest

from exchange.login import login_as_a_person
from exchange.state import StateDir
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local, zone

API = "https://api-t1.fyers.in/api/v3"


def sign_in(server, session=None):
    """The query of the redirect after the login page."""
    with server.client() as client:
        redirect = login_as_a_person((session or server.session()).generate_authcode(), server.state, client)
    assert redirect.startswith(server.app.redirect_uri)
    return {key: values[0] for key, values in parse_qs(urlsplit(redirect).query, keep_blank_values=True).items()}


def exchange_code(server, code, **changes):
    session = server.session(**changes)
    session.set_token(code)
    return session.generate_token()


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_sdk_login_yields_a_token_that_works(server):
    redirect = sign_in(server)
    assert redirect["s"] == "ok" and redirect["code"] == "200" and redirect["state"] == "a state"
    answer = exchange_code(server, redirect["auth_code"])
    assert answer["s"] == "ok" and answer["code"] == 200 and answer["refresh_token"]
    assert server.sdk(answer["access_token"]).get_profile()["s"] == "ok"


def test_state_and_redirect_survive_odd_characters(start):
    server = start()
    state = "a&b=c d#e/ü?"
    assert sign_in(server, server.session(state=state))["state"] == state


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"secret_key": "wrong"}, -371), ({"client_id": "OTHER-100"}, -371), ({"grant_type": None}, -441)],
)
def test_token_exchange_refuses_a_wrong_hash_or_grant(server, changes, code):
    answer = exchange_code(server, sign_in(server)["auth_code"], **changes)
    assert answer["s"] == "error" and answer["code"] == code


def test_an_auth_code_works_once(server):
    code = sign_in(server)["auth_code"]
    assert exchange_code(server, code)["s"] == "ok"
    assert exchange_code(server, code)["message"] == "invalid auth code"


def test_an_auth_code_expires(server):
    code = sign_in(server)["auth_code"]
    server.clock.move(30_001)
    assert exchange_code(server, code)["message"] == "auth code expired"


@pytest.mark.parametrize("code", ["", "nonsense", "a.b.c", None])
def test_a_made_up_auth_code_is_refused(server, code):
    assert exchange_code(server, code)["message"] == "invalid auth code"


def test_an_access_token_is_no_auth_code(server):
    assert exchange_code(server, server.token())["s"] == "error"


def test_claims_are_those_seen_on_the_wire_and_the_data_socket_reads_them(server, tmp_path):
    from fyers_apiv3.FyersWebsocket.data_ws import FyersDataSocket

    token = server.token()
    claims = claims_of(token)
    assert len(claims["hsm_key"]) == 56 and claims["sub"] == "access_token" and claims["fy_id"] == server.app.user
    assert {"iss", "iat", "exp", "nbf", "aud", "at_hash", "display_name", "oms", "appType"} <= set(claims)
    assert len(token.split(".")[0]) == 36 and len(server.app.app_id) == 14
    problems = []
    socket = FyersDataSocket(access_token=token, log_path=str(tmp_path), on_error=problems.append)
    assert socket.access_token_to_hsmtoken() is True and not problems


def test_tokens_end_at_half_past_six_in_india(server):
    issued = to_local(server.clock.wall_ns())
    ends = datetime.fromtimestamp(claims_of(server.token())["exp"] + 1, zone())
    assert (ends.hour, ends.minute) == (6, 30) and timedelta(0) < ends - issued <= timedelta(days=1)


def test_an_expired_token_is_error_minus_8(server):
    sdk = server.sdk(server.world.tokens.mint_access_token(60))
    assert sdk.get_profile()["s"] == "ok"
    server.clock.move(61)
    answer = sdk.depth({"symbol": "NSE:SBIN-EQ", "ohlcv_flag": 1})
    assert answer["s"] == "error" and answer["code"] == -8


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "ü", "x" * 5000])
def test_a_token_of_somebody_else_is_error_minus_15(server, token):
    with server.client() as client:
        header = f"{server.app.app_id}:{token}".encode()
        answer = client.get(f"{API}/profile", headers={"Authorization": header})
    assert answer.status_code == 401 and answer.json()["code"] == -15


def test_a_changed_token_is_refused(server):
    header, payload, signature = server.token().split(".")
    claims = claims_of(f"{header}.{payload}.{signature}") | {"exp": 2**40}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert server.sdk(f"{header}.{forged}.{signature}").get_profile()["code"] == -15


@pytest.mark.parametrize("header", [None, "", "Bearer x", "{token}", "OTHER-100:{token}", "{app}:"])
def test_a_header_that_names_no_app_of_ours_is_error_minus_16(server, header):
    headers = {} if header is None else {"Authorization": header.format(token=server.token(), app=server.app.app_id)}
    with server.client() as client:
        answer = client.get(f"{API}/profile", headers=headers)
    assert answer.status_code == 401 and answer.json()["code"] == -16


def test_logout_ends_one_token_and_revocation_ends_all(server):
    first, second = server.sdk(), server.sdk()
    assert first.logout()["s"] == "ok"
    assert first.get_profile()["code"] == -17 and second.get_profile()["s"] == "ok"
    server.world.tokens.revoke_all()
    assert second.get_profile()["code"] == -17
    assert server.sdk().get_profile()["s"] == "ok"


def test_revocation_outlives_a_restart(start):
    server = start()
    token = server.token()
    server.world.tokens.revoke(token)
    with server.client() as client:
        assert client.get(f"{API}/profile", headers=server.headers(token)).status_code == 401
    again = type(server.world.tokens)(server.exchange.state, server.clock)
    assert again.check_header(f"{server.app.app_id}:{token}").code == -17


def refresh(server, **changes):
    answer = exchange_code(server, sign_in(server)["auth_code"])
    body = {
        "grant_type": "refresh_token",
        "appIdHash": server.session().get_hash().hexdigest(),
        "refresh_token": answer["refresh_token"],
        "pin": server.app.pin,
    } | changes
    with server.client() as client:
        return client.post(f"{API}/validate-refresh-token", json=body)


def test_the_refresh_flow_is_discontinued(server):
    answer = refresh(server)
    assert answer.status_code == 401 and answer.json()["code"] == -16


def test_the_old_refresh_flow_can_be_switched_on(start):
    server = start(refresh_allowed=True)
    assert server.sdk(refresh(server).json()["access_token"]).get_profile()["s"] == "ok"
    assert refresh(server, pin="0").json()["s"] == "error"
    assert refresh(server, refresh_token=server.token()).json()["code"] == -15


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_login_page_is_accessible_and_works_without_a_script(server):
    with server.client() as client:
        page = client.get(server.session().generate_authcode())
    elements = Elements(page.text)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert elements.all("html")[0]["lang"] == "en" and not elements.all("script")
    assert "width=device-width" in next(a["content"] for a in elements.all("meta") if a.get("name") == "viewport")
    labelled = {label["for"] for label in elements.all("label")}
    assert {field["id"] for field in elements.all("input")} == labelled == {"client", "pin"}
    assert elements.all("h1") and elements.all("button")[0]["type"] == "submit"
    assert "script" not in page.headers["content-security-policy"] and page.headers["cache-control"] == "no-store"


def test_a_wrong_pin_shows_the_form_again_and_says_so(server):
    with server.client() as client:
        page = client.post(server.session().generate_authcode(), data={"client": server.app.user, "pin": "x"})
    alerts = [a for _, a in Elements(page.text).found if a.get("role") == "alert"]
    assert page.status_code == 401 and len(alerts) == 1 and "Location" not in page.headers


def test_what_is_typed_is_escaped(server):
    with server.client() as client:
        page = client.post(server.session().generate_authcode(), data={"client": '"><b>x', "pin": "x"})
    assert "<b>" not in page.text


@pytest.mark.parametrize(
    "changes", [{"client_id": "OTHER-100"}, {"redirect_uri": "https://evil.example/"}, {"response_type": None}]
)
def test_a_link_that_is_not_the_apps_own_never_redirects(server, changes):
    session = server.session(**changes)
    with server.client() as client, pytest.raises(HarvesterError, match="no form"):
        login_as_a_person(session.generate_authcode(), server.state, client)
    with server.client() as client:
        page = client.post(session.generate_authcode(), data={"client": server.app.user, "pin": server.app.pin})
    assert page.status_code == 400 and "Location" not in page.headers


OLD_PROGRAM, OWN = "https://trade.fyers.in/api-login/redirect-uri/index.html", "http://127.0.0.1:8080/"


def test_every_registered_redirect_address_logs_in_and_gets_its_own_code(start):
    server = start(redirect_uris=[OLD_PROGRAM, "http://127.0.0.1:5000/fyers?from=here"])
    assert server.app.redirect_uri == OLD_PROGRAM
    for wanted in (OLD_PROGRAM, "http://127.0.0.1:5000/fyers?from=here"):
        session = server.session(redirect_uri=wanted)
        with server.client() as client:
            page = client.get(session.generate_authcode())
            redirect = login_as_a_person(session.generate_authcode(), server.state, client)
        assert wanted in page.text and redirect.startswith(wanted)
        code = parse_qs(urlsplit(redirect).query)["auth_code"][0]
        assert exchange_code(server, code)["s"] == "ok"
    with server.client() as client, pytest.raises(HarvesterError, match="no form"):
        login_as_a_person(server.session(redirect_uri=OWN).generate_authcode(), server.state, client)


def test_redirect_addresses_stay_registered_until_others_are_given(tmp_path):
    def registered():
        app = StateDir(tmp_path).prepare().app()
        return [app.redirect_uri, *app.other_redirect_uris]

    assert registered() == [OWN]
    StateDir(tmp_path).prepare().register([OLD_PROGRAM, OWN])
    assert registered() == [OLD_PROGRAM, OWN]
    StateDir(tmp_path).prepare().register([])
    assert registered() == [OLD_PROGRAM, OWN]
    StateDir(tmp_path).prepare().register([OWN])
    assert registered() == [OWN]
