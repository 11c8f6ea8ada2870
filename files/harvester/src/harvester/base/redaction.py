"""Secrets by value: whatever is registered here never leaves the process in a log line, a message or a traceback."""

from urllib.parse import quote

MASK = "[redacted]"
MIN_LENGTH = 6
"""Shorter values are not masked: they would tear words apart and protect nothing."""

_secrets: set[str] = set()


class Secret:
    """A value that shows itself only when asked to: printing it shows no part of it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK


def register_secret(secret: Secret) -> None:
    """Mask this value, and its percent-encoded form, from now on."""
    register_text(secret.get_secret_value())


def register_text(value: str) -> None:
    """The same for a value at hand."""
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


def one_line(said: object, length: int = 160) -> str:
    """What somebody else said as one printable line of at most `length` characters.

    Secret before it is cut, for half a secret is not known as one.
    """
    text = "".join(letter if letter.isprintable() else " " for letter in redact(str(said)))
    return " ".join(text.split())[:length] or "no detail"
