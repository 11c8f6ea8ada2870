"""What a token says about itself. The signature is the broker's business; shape and expiry are ours."""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_text

JWT = re.compile(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
MAX_LENGTH = 8192
REMEDY = "Log in again and push the new token with ./inv token-push."


class TokenError(HarvesterError):
    """A token cannot be used; the message never contains it."""


class Claims(NamedTuple):
    """The claims that matter here."""

    expires_at_ns: int
    account: str
    subject: str


def read_claims(token: Secret) -> Claims:
    """Decode a token's claims without checking its signature. Raises TokenError."""
    payload = _read_payload(token)
    expires = payload.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not 0 < expires < 1e11:
        raise TokenError(f"The token has no usable expiry (claim exp). {REMEDY}")
    return Claims(int(expires) * NS_PER_SECOND, str(payload.get("fy_id", "")), str(payload.get("sub", "")))


def read_hsm_key(token: Secret) -> str:
    """The claim with which the data socket is opened; it is masked in all output from now on. Raises TokenError."""
    key = _read_payload(token).get("hsm_key")
    if not isinstance(key, str) or not key or not key.isascii() or len(key) > MAX_LENGTH:
        raise TokenError(f"The token has no usable claim hsm_key, which the data socket asks for. {REMEDY}")
    register_text(key)
    return key


def _read_payload(token: Secret) -> dict[str, Any]:
    text = token.get_secret_value()
    if ":" in text and JWT.match(text.partition(":")[2]):
        raise TokenError("The token has the app ID in front (app_id:token); store the part after the colon alone.")
    if len(text) > MAX_LENGTH or not JWT.match(text):
        raise TokenError(
            f"This is not an access token: it must be three parts of letters and digits with dots between, and it is"
            f" {len(text)} characters of something else. {REMEDY}"
        )
    return _decode(text.split(".")[1])


def check_token(token: Secret, wall_ns: int) -> Claims:
    """The claims of a token that is worth trying at `wall_ns`. Raises TokenError for anything else."""
    claims = read_claims(token)
    if claims.subject and claims.subject != "access_token":
        raise TokenError(f"This is a token of another kind ({claims.subject[:40]!r}), not an access token. {REMEDY}")
    if claims.expires_at_ns <= wall_ns:
        raise TokenError(f"The token expired at {to_local(claims.expires_at_ns):%Y-%m-%d %H:%M %Z}. {REMEDY}")
    return claims


def _decode(part: str) -> dict[str, Any]:
    try:
        payload = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise TokenError(f"The middle part of the token is not JSON claims, so the token is damaged. {REMEDY}")
    return payload
