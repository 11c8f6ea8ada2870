"""JSON web tokens with HS256: encode, and decode with the signature checked."""

import base64
import hashlib
import hmac
import json
from typing import Any

HEADER = {"typ": "JWT", "alg": "HS256"}


class BadTokenError(ValueError):
    """Not a token that this key signed."""


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(signed: str, key: bytes) -> bytes:
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()


def encode(claims: dict[str, Any], key: bytes) -> str:
    """Sign the claims."""
    parts = (_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (HEADER, claims))
    signed = ".".join(parts)
    return f"{signed}.{_encode(_signature(signed, key))}"


def decode(token: str, key: bytes) -> dict[str, Any]:
    """The claims of a token that `key` signed. Raises BadTokenError; says nothing about expiry."""
    signed, dot, signature = token.rpartition(".")
    try:
        if not dot or not hmac.compare_digest(_decode(signature), _signature(signed, key)):
            raise BadTokenError("signature")
        header, claims = (json.loads(_decode(part)) for part in signed.split("."))
    except (ValueError, UnicodeEncodeError) as error:
        raise BadTokenError("not a token of this exchange") from error
    if header != HEADER or not isinstance(claims, dict):
        raise BadTokenError("header")
    return claims
