"""Schwab's login, in the shape of the other broker's: OAuth 2, access token for 30 minutes, refresh token for 7 days.

Source: Schwab's developer portal, "OAuth Restart vs. Refresh Token", and schwab-py 1.5's auth module. Never run against
the live service here.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, one_line, register_secret
from harvester.tokens.expiry import Opaque
from harvester.tokens.login import App, Login, LoginError
from harvester.tokens.refresh import RefreshError
from harvester.tokens.web import BrokerAnswer, BrokerUnreachableError, ask

API_URL = "https://api.schwabapi.com"
REFRESH_SECONDS = 7 * 86_400
ACCESS_SECONDS = 1_800
AGAIN = "Log in again: ./inv token-push --broker schwab."


class SchwabTokens(NamedTuple):
    """A pair. After a renewal the refresh token is the same and ends when it would have ended anyway."""

    access: Opaque
    refresh: Opaque


def begin_login(app: App, api_url: str = API_URL, state: str | None = None) -> Login:
    """The address for the browser."""
    state = state or secrets.token_urlsafe(24)
    query = {"response_type": "code", "client_id": app.app_id, "redirect_uri": app.redirect_uri, "state": state}
    return Login(f"{api_url}/v1/oauth/authorize?{urlencode(query)}", state)


def exchange_code(app: App, code: Secret, *, wall_ns: int, api_url: str = API_URL) -> SchwabTokens:
    """Trade the code of the redirect for tokens. Raises LoginError."""
    register_secret(code)
    form = {"grant_type": "authorization_code", "code": code.get_secret_value(), "redirect_uri": app.redirect_uri}
    try:
        answer = _ask(app, api_url, form)
    except BrokerUnreachableError as error:
        raise LoginError(f"While exchanging the code: {error} {AGAIN}") from None
    if answer.status != 200:
        raise LoginError(f"Schwab refuses the code of this login {_told(answer)}. {AGAIN}")
    return _take(answer.body, wall_ns, None)


def renew(app: App, refresh: Opaque, *, wall_ns: int, api_url: str = API_URL) -> SchwabTokens:
    """A new access token. Raises RefreshError, of kind refused when only a person can help."""
    register_secret(refresh.token)
    if refresh.expires_at_ns <= wall_ns:
        raise RefreshError("refused", f"The refresh token's 7 days are over. {AGAIN}")
    form = {"grant_type": "refresh_token", "refresh_token": refresh.token.get_secret_value()}
    try:
        answer = _ask(app, api_url, form)
    except BrokerUnreachableError as error:
        raise RefreshError("later", str(error)) from None
    if answer.status == 200:
        return _take(answer.body, wall_ns, refresh)
    if answer.status in (400, 401):
        raise RefreshError("refused", f"Schwab does not accept the refresh token {_told(answer)}. {AGAIN}")
    raise RefreshError("later", f"Schwab has no time to renew the token {_told(answer)}.")


def _ask(app: App, api_url: str, form: Mapping[str, str]) -> BrokerAnswer:
    register_secret(app.secret)
    pair = base64.b64encode(f"{app.app_id}:{app.secret.get_secret_value()}".encode()).decode()
    register_secret(Secret(pair))
    return ask("POST", f"{api_url}/v1/oauth/token", form=form, headers={"Authorization": f"Basic {pair}"})


def _take(body: Mapping[str, Any], wall_ns: int, before: Opaque | None) -> SchwabTokens:
    access, refresh = Secret(str(body.get("access_token", ""))), Secret(str(body.get("refresh_token", "")))
    for token in (access, refresh):
        register_secret(token)
    if not access.get_secret_value() or not refresh.get_secret_value():
        raise LoginError(f"Schwab answered without tokens. {AGAIN}")
    lasts = body.get("expires_in")
    seconds = lasts if isinstance(lasts, int) and 0 < lasts <= REFRESH_SECONDS else ACCESS_SECONDS
    end_ns = before.expires_at_ns if before else wall_ns + REFRESH_SECONDS * NS_PER_SECOND
    return SchwabTokens(Opaque(access, wall_ns + seconds * NS_PER_SECOND), Opaque(refresh, end_ns))


def _told(answer: BrokerAnswer) -> str:
    words = str(answer.body.get("error_description") or answer.body.get("error") or "no message")
    return f"(HTTP {answer.status}, {one_line(words)})"
