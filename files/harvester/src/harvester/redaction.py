"""Secrets by value: whatever is registered here never leaves the process in a log line, a message or a traceback."""

from urllib.parse import quote

from pydantic import SecretStr

MASK = "[redacted]"
MIN_LENGTH = 6
"""Shorter values are not masked: they would tear words apart and protect nothing."""

_secrets: set[str] = set()


def register_secret(secret: SecretStr) -> None:
    """Mask this value, and its percent-encoded form, from now on."""
    value = secret.get_secret_value()
    if len(value) >= MIN_LENGTH:
        _secrets.update({value, quote(value, safe="")})


def forget_secrets() -> None:
    """Mask nothing any more; for tests and for a token that was replaced and has expired."""
    _secrets.clear()


def redact(text: str) -> str:
    """The text with every registered secret masked, the longest first, so that none survives as part of another."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
