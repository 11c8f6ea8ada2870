"""Schwab's tokens in the form of its Python SDK, which is what a store has of them: one value with both.

    {"creation_timestamp": 1764340200, "token": {"access_token": ..., "refresh_token": ..., "expires_at": ..., ...}}

Source: schwab-py 1.5.1, schwab.auth.TokenMetadata. `creation_timestamp` is the login's, from which 7 days count; other
keys of the token are kept as they are.
"""

import json
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_secret
from harvester.tokens.claims import TokenError
from harvester.tokens.expiry import Opaque
from harvester.tokens.schwab import AGAIN, REFRESH_SECONDS, SchwabTokens

CREATED, TOKEN = "creation_timestamp", "token"
SCHWAB_PY = "schwab_token.json"


def read_file(value: Secret) -> SchwabTokens:
    """Both tokens and when each ends. Raises TokenError, which quotes nothing."""
    kept = _parse(value)
    token = kept[TOKEN]
    access = Opaque(Secret(token["access_token"]), int(token["expires_at"]) * NS_PER_SECOND)
    refresh = Opaque(Secret(token["refresh_token"]), (int(kept[CREATED]) + REFRESH_SECONDS) * NS_PER_SECOND)
    for each in (access, refresh):
        register_secret(each.token)
    return SchwabTokens(access, refresh)


def login_end(value: Secret) -> int:
    """When the login ends that renews the access token, in wall ns. Raises TokenError."""
    return read_file(value).refresh.expires_at_ns


def write_file(tokens: SchwabTokens, before: Secret | None = None) -> Secret:
    """The value to store; `before` is the one whose other keys stay. Raises TokenError where that is none."""
    kept = _parse(before) if before else {TOKEN: {"token_type": "Bearer", "scope": "api"}}
    expires_at = tokens.access.expires_at_ns // NS_PER_SECOND
    changed = {
        "access_token": tokens.access.token.get_secret_value(),
        "refresh_token": tokens.refresh.token.get_secret_value(),
        "expires_at": expires_at,
    }
    created = tokens.refresh.expires_at_ns // NS_PER_SECOND - REFRESH_SECONDS
    return Secret(json.dumps({CREATED: created, TOKEN: kept[TOKEN] | changed}))


def check_access(value: Secret, wall_ns: int) -> Opaque:
    """The access token of a stored value, good now. Raises TokenError."""
    access, refresh = read_file(value)
    if access.expires_at_ns <= wall_ns:
        raise TokenError(
            f"The access token expired at {to_local(access.expires_at_ns):%Y-%m-%d %H:%M %Z}, and was not renewed."
            f" {AGAIN}"
        )
    return access._replace(login_ends_ns=refresh.expires_at_ns)


def _parse(value: Secret) -> dict[str, Any]:
    try:
        kept = json.loads(value.get_secret_value())
        token = kept[TOKEN]
        int(kept[CREATED]), int(token["expires_at"])
        if all(isinstance(token[name], str) and token[name].isascii() for name in ("access_token", "refresh_token")):
            return {CREATED: kept[CREATED], TOKEN: dict(token)}
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise TokenError(
        f"The value is not in the form of {SCHWAB_PY}, which schwab-py writes: creation_timestamp, and token with"
        f" access_token, refresh_token and expires_at. {AGAIN}"
    )
