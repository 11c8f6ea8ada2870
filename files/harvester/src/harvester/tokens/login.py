"""The broker login: login address, redirect, exchange of the code, proof, renewal (Fyers API docs, login).

Runs on the controller and in functions, so it needs the standard library alone.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret, one_line, register_secret
from harvester.tokens.claims import check_token, read_hsm_key
from harvester.tokens.web import BrokerAnswer, BrokerUnreachableError, ask

CLOCK_TOLERANCE_NS = 120 * NS_PER_SECOND
AGAIN = "Start the login again: ./inv token-push."
EXPLANATIONS = {
    -352: "it does not know this app ID. Compare it with the app in the broker's API dashboard.",
    -371: "app ID and secret do not belong together. Compare both with the broker's API dashboard; a secret that was"
    " made anew replaces the old one.",
    -373: "the app has no permission for market data. Give it the permission in the broker's API dashboard.",
    -441: "it refuses the kind of grant. The broker's interface has changed; update the harvester.",
    -437: f"the code of this login is wrong, has expired or was used before. {AGAIN}",
    -8: f"the code of this login has expired; it lives for minutes only. {AGAIN}",
    -15: f"the code of this login is wrong, has expired or was used before. {AGAIN}",
    -16: f"the code of this login was not accepted, perhaps because it was used before. {AGAIN}",
    -17: f"the code of this login has expired or was used before. {AGAIN}",
    -429: "it is being asked too often. Wait a minute, then start the login again.",
}


class LoginError(HarvesterError):
    """The login did not lead to a working token; the message says at which step, and what to do."""


class BusyError(LoginError):
    """The broker did not answer, or has no time; the same again may succeed."""


class App(NamedTuple):
    """The app registered in the broker's API dashboard."""

    app_id: str
    secret: Secret
    redirect_uri: str


class Login(NamedTuple):
    """A login begun: the address to open in a browser, and the state that must come back."""

    url: str
    state: str


class Profile(NamedTuple):
    """Whose account a token belongs to: shown, so that a login of another account is noticed.

    `name` is empty where the broker gives none; the account alone is what counts.
    """

    account: str
    name: str


class Grant(NamedTuple):
    """What the broker gave for a login; the refresh token only where the account still has that flow."""

    access_token: Secret
    refresh_token: Secret | None


def begin_login(app: App, api_url: str, state: str | None = None) -> Login:
    """The address for the browser, in the form of the broker's own SDK."""
    state = state or secrets.token_urlsafe(24)
    query = {"client_id": app.app_id, "redirect_uri": app.redirect_uri, "response_type": "code", "state": state}
    return Login(f"{api_url}/api/v3/generate-authcode?{urlencode(query)}", state)


def read_redirect(address: str, app: App, state: str) -> Secret:
    """The auth code in the address to which the browser was sent back. Raises LoginError."""
    return read_code(read_redirect_query(address, app, state))


def read_redirect_query(address: str, app: App, state: str) -> dict[str, str]:
    """The parameters of that address, which must be the app's own and of this login. Raises LoginError."""
    got, registered = _split(address.strip()), urlsplit(app.redirect_uri)
    if got is None or (got.scheme, got.netloc, got.path.rstrip("/")) != (
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
    return query


def read_code(query: Mapping[str, str]) -> Secret:
    """The auth code among the parameters of the redirect, whose state was checked before. Raises LoginError."""
    if query.get("s") != "ok":
        raise LoginError(f"The broker refused the login: {one_line(query.get('message') or 'no message')}. {AGAIN}")
    code = Secret(query.get("auth_code", ""))
    register_secret(code)
    if not code.get_secret_value():
        raise LoginError(f"The address has no auth_code, so the login was not finished. {AGAIN}")
    return code


def exchange_code(app: App, code: Secret, *, api_url: str) -> Grant:
    """Trade the auth code for an access token. Raises LoginError, or TokenError for a token of the wrong shape."""
    body = {"grant_type": "authorization_code", "appIdHash": app_hash(app), "code": code.get_secret_value()}
    answer = _call("POST", f"{api_url}/api/v3/validate-authcode", "exchanging the code", json_body=body)
    token = take_token(answer)
    refresh = answer.body.get("refresh_token")
    if not isinstance(refresh, str) or not refresh:
        return Grant(token, None)
    register_secret(Secret(refresh))
    return Grant(token, Secret(refresh))


def take_token(answer: BrokerAnswer) -> Secret:
    """The access token of a good answer, fit for REST and for the data socket. Raises LoginError or TokenError."""
    token = Secret(str(answer.body.get("access_token", "")))
    register_secret(token)
    check_clock(answer.date_ns)
    check_token(token, SystemClock().wall_ns())
    read_hsm_key(token)
    return token


def check_clock(date_ns: int | None) -> None:
    """Raise LoginError when this machine's clock is off against the broker's: expiry could not be judged."""
    offset_ns = SystemClock().wall_ns() - date_ns if date_ns is not None else 0
    if abs(offset_ns) > CLOCK_TOLERANCE_NS:
        side = "ahead of" if offset_ns > 0 else "behind"
        raise LoginError(
            f"The clock of this machine is {abs(offset_ns) // NS_PER_SECOND} s {side} the broker's, so the token's"
            " expiry cannot be judged and nothing is stored. Set the clock (timedatectl), then log in again."
        )


def fetch_profile(app: App, token: Secret, *, api_url: str) -> Profile:
    """Prove the token by asking whose it is. Raises LoginError."""
    headers = {"authorization": f"{app.app_id}:{token.get_secret_value()}", "version": "3"}
    answer = _call("GET", f"{api_url}/api/v3/profile", "proving the token", headers=headers)
    data = answer.body.get("data")
    if not isinstance(data, dict):
        raise LoginError("While proving the token, the broker answered without a profile. Try again in a minute.")
    account, name = data.get("fy_id"), data.get("name")
    if not isinstance(account, str) or not account.strip():
        raise LoginError(
            "While proving the token, the broker answered with an incomplete profile: it names no account (fy_id), so"
            " whose token this is cannot be said, and nothing is stored. Try again in a minute."
        )
    return Profile(one_line(account), one_line(name) if isinstance(name, str) else "")


def complete_login(app: App, code: Secret, *, api_url: str, account: str | None = None) -> tuple[Grant, Profile]:
    """From the auth code to a proven token and its owner, who must be `account` where one is given.

    Raises LoginError or TokenError; nothing is to be stored then.
    """
    register_secret(app.secret)
    grant = exchange_code(app, code, api_url=api_url)
    profile = fetch_profile(app, grant.access_token, api_url=api_url)
    check_account(profile.account, account)
    return grant, profile


def check_account(account: str, wanted: str | None) -> None:
    """Raise LoginError for a token of another account than the one that records."""
    if wanted and account.upper() != wanted.upper():
        raise LoginError(
            f"This login is of account {account}, and the harvester records as {wanted}; nothing"
            " is stored. Log in as that account, or correct broker_account in the inventory."
        )


def app_hash(app: App) -> str:
    """The proof that we know the app's secret: SHA-256 of `app_id:secret`."""
    return hashlib.sha256(f"{app.app_id}:{app.secret.get_secret_value()}".encode()).hexdigest()


def _call(method: str, url: str, doing: str, **arguments: Any) -> BrokerAnswer:
    """The broker's answer when it is good. Raises LoginError for every other."""
    try:
        answer = ask(method, url, **arguments)
    except BrokerUnreachableError as error:
        raise BusyError(
            f"While {doing}: {error} Check the network of this machine, then start the login again."
        ) from None
    code = answer.body.get("code")
    if answer.status == 200 and answer.body.get("s") == "ok":
        return answer
    explanation = EXPLANATIONS.get(code) if isinstance(code, int) else None
    if answer.status == 429:
        explanation = EXPLANATIONS[-429]
    told = f"HTTP {answer.status}, code {code}, {one_line(answer.body.get('message') or 'no message')}"
    kind = BusyError if answer.status == 429 or answer.status >= 500 else LoginError
    raise kind(f"While {doing}, the broker says: {explanation or f'something unexpected. {AGAIN}'} ({told})")


def _split(address: str) -> Any:
    try:
        return urlsplit(address)
    except ValueError:
        return None
