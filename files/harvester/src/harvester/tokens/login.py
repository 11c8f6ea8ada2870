"""The broker login, on the controller: login address, redirect, exchange of the code, proof (Fyers API docs, login)."""

import hashlib
import hmac
import json
import secrets
import ssl
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
from pydantic import SecretStr

from harvester.clock import SystemClock
from harvester.errors import HarvesterError
from harvester.redaction import redact, register_secret
from harvester.tokens.claims import check_token

TIMEOUT_SECONDS = 15.0
BODY_LIMIT = 65_536
AGAIN = "Start the login again: ./inv token-push."
EXPLANATIONS = {
    -352: "it does not know this app ID. Compare it with the app in the broker's API dashboard.",
    -371: "app ID and secret do not belong together. Compare both with the broker's API dashboard; a secret that was"
    " made anew replaces the old one.",
    -373: "the app has no permission for market data. Give it the permission in the broker's API dashboard.",
    -441: "it refuses the kind of grant. The broker's interface has changed; update the harvester.",
    -8: f"the code of this login has expired; it lives for minutes only. {AGAIN}",
    -15: f"the code of this login is wrong, has expired or was used before. {AGAIN}",
    -16: f"the code of this login was not accepted, perhaps because it was used before. {AGAIN}",
    -17: f"the code of this login has expired or was used before. {AGAIN}",
    -429: "it is being asked too often. Wait a minute, then start the login again.",
}


class LoginError(HarvesterError):
    """The login did not lead to a working token; the message says at which step, and what to do."""


class App(NamedTuple):
    """The app registered in the broker's API dashboard."""

    app_id: str
    secret: SecretStr
    redirect_uri: str


class Login(NamedTuple):
    """A login begun: the address to open in a browser, and the state that must come back."""

    url: str
    state: str


class Profile(NamedTuple):
    """Whose account a token belongs to: show it, so that nobody records with a stranger's login."""

    account: str
    name: str


def begin_login(app: App, api_url: str) -> Login:
    """The address for the browser, as the broker's own SDK builds it."""
    from fyers_apiv3.fyersModel import SessionModel

    state = secrets.token_urlsafe(24)
    session = SessionModel(client_id=app.app_id, redirect_uri=app.redirect_uri, response_type="code", state=state)
    built, base = urlsplit(session.generate_authcode()), urlsplit(api_url)
    return Login(urlunsplit(built._replace(scheme=base.scheme, netloc=base.netloc)), state)


def read_redirect(address: str, app: App, state: str) -> SecretStr:
    """The auth code in the address to which the browser was sent back. Raises LoginError."""
    got, registered = urlsplit(address.strip()), urlsplit(app.redirect_uri)
    if (got.scheme, got.netloc, got.path.rstrip("/")) != (
        registered.scheme,
        registered.netloc,
        registered.path.rstrip("/"),
    ):
        raise LoginError(
            f"That is not the address the broker sends you back to: it must begin with {app.redirect_uri} . Copy the"
            " whole address line of the browser after the login."
        )
    query = {key: values[0] for key, values in parse_qs(got.query).items()}
    if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
        raise LoginError(f"That address belongs to another login (its state differs), so its code is not used. {AGAIN}")
    if query.get("s") != "ok":
        raise LoginError(f"The broker refused the login: {_clean(query.get('message'))}. {AGAIN}")
    code = SecretStr(query.get("auth_code", ""))
    register_secret(code)
    if not code.get_secret_value():
        raise LoginError(f"The address has no auth_code, so the login was not finished. {AGAIN}")
    return code


def exchange_code(app: App, code: SecretStr, *, api_url: str, client: httpx.Client) -> SecretStr:
    """Trade the auth code for an access token. Raises LoginError, or TokenError for a token of the wrong shape."""
    pair = f"{app.app_id}:{app.secret.get_secret_value()}"
    body = {
        "grant_type": "authorization_code",
        "appIdHash": hashlib.sha256(pair.encode()).hexdigest(),
        "code": code.get_secret_value(),
    }
    answer = _call(client, "POST", f"{api_url}/api/v3/validate-authcode", "exchanging the code", json=body)
    token = SecretStr(str(answer.get("access_token", "")))
    register_secret(token)
    check_token(token, SystemClock().wall_ns())
    return token


def fetch_profile(app: App, token: SecretStr, *, api_url: str, client: httpx.Client) -> Profile:
    """Prove the token by asking whose it is. Raises LoginError."""
    headers = {"authorization": f"{app.app_id}:{token.get_secret_value()}", "version": "3"}
    answer = _call(client, "GET", f"{api_url}/api/v3/profile", "proving the token", headers=headers)
    data = answer.get("data")
    if not isinstance(data, dict):
        raise LoginError("While proving the token, the broker answered without a profile. Try again in a minute.")
    return Profile(_clean(data.get("fy_id")), _clean(data.get("name")))


def complete_login(app: App, address: str, state: str, *, api_url: str) -> tuple[SecretStr, Profile]:
    """From the address the browser was sent back to, to a proven token and its owner. Raises HarvesterError."""
    register_secret(app.secret)
    code = read_redirect(address, app, state)
    with open_client() as client:
        token = exchange_code(app, code, api_url=api_url, client=client)
        return token, fetch_profile(app, token, api_url=api_url, client=client)


def open_client() -> httpx.Client:
    """A client with a timeout that trusts the host's CA store."""
    return httpx.Client(timeout=TIMEOUT_SECONDS, verify=ssl.create_default_context(), follow_redirects=False)


def _call(client: httpx.Client, method: str, url: str, doing: str, **arguments: Any) -> dict[str, Any]:
    """The broker's answer when it is good. Raises LoginError for every other."""
    try:
        response = client.request(method, url, **arguments)
    except httpx.HTTPError as error:
        raise LoginError(
            f"{url}: the broker could not be reached while {doing} ({type(error).__name__}: {redact(str(error))})."
            " Check the network of this machine, then start the login again."
        ) from None
    answer = _parse(response)
    code = answer.get("code")
    if response.status_code == 200 and answer.get("s") == "ok":
        return answer
    explanation = EXPLANATIONS.get(code) if isinstance(code, int) else None
    if response.status_code == 429:
        explanation = EXPLANATIONS[-429]
    told = f"HTTP {response.status_code}, code {code}, {_clean(answer.get('message'))}"
    raise LoginError(f"While {doing}, the broker says: {explanation or f'something unexpected. {AGAIN}'} ({told})")


def _parse(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.content[:BODY_LIMIT])
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _clean(text: object) -> str:
    """The broker's words on one printable line."""
    return redact("".join(letter if letter.isprintable() else " " for letter in str(text or "no message")[:160]))
