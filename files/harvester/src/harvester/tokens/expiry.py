"""When a stored secret ends, as far as it says so itself: a JSON web token, or our own JSON around an opaque token."""

import json
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.tokens.claims import TokenError, read_claims


class Opaque(NamedTuple):
    """A token that says nothing about itself, and until when it was given.

    `login_ends_ns`: until when a login renews it; None: it is not renewed.
    """

    token: Secret
    expires_at_ns: int
    login_ends_ns: int | None = None


def wrap(opaque: Opaque) -> Secret:
    """The form in which an opaque token is stored."""
    content = {"token": opaque.token.get_secret_value(), "expires_at": opaque.expires_at_ns // NS_PER_SECOND}
    return Secret(json.dumps(content))


def unwrap(value: Secret) -> Opaque:
    """The token of a stored value made by `wrap`. Raises TokenError, which quotes nothing."""
    try:
        content = json.loads(value.get_secret_value())
        return Opaque(Secret(str(content["token"])), int(content["expires_at"]) * NS_PER_SECOND)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TokenError(
            "The stored value is not one of ours (JSON with token and expires_at). Log in again."
        ) from None


def expires_at_ns(value: Secret) -> int | None:
    """When it ends, in wall ns; None when it does not say, as with a password."""
    try:
        return unwrap(value).expires_at_ns if value.get_secret_value().startswith("{") else _claimed(value)
    except TokenError:
        return None


def _claimed(value: Secret) -> int:
    return read_claims(value).expires_at_ns
