"""Links to the token page: signed, for one environment, good until a moment. And the state of a login begun by one.

A link is `<payload>.<signature>`, both base64url; the payload is JSON {"i": id, "e": epoch seconds, "a": audience}.
The state that travels through the broker's login names the link and the browser, and is signed for another purpose.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret

LINK_SECONDS = 8 * 3600
STATE_SECONDS = 600
FORM = re.compile(r"[A-Za-z0-9_-]{20,600}\.[A-Za-z0-9_-]{43}")
LEAST_KEY = 32
LINK, STATE = b"link of the token page", b"state of a login"


class LinkError(HarvesterError):
    """A link or state that does not count; the message is for the person who holds it."""


class LoginLink(NamedTuple):
    """An id that is used once, and the end of its life in wall ns."""

    id: str
    ends_ns: int


class State(NamedTuple):
    """A login begun: its own id, its link, its browser by the hash of that browser's cookie."""

    id: str
    link: str
    browser: str
    ends_ns: int


class LinkSigner:
    """Makes and checks both. `audience` is the environment: a link of the lab is none of production."""

    def __init__(self, key: Secret, audience: str) -> None:
        text = key.get_secret_value()
        if len(text) < LEAST_KEY:
            raise LinkError(
                f"The key of the token page has {len(text)} characters and must have {LEAST_KEY}. Make one with"
                " `openssl rand -hex 32` and store it: ./inv secret-put --name page-key."
            )
        self._key = text.encode()
        self._audience = audience

    def make_link(self, now_ns: int) -> str:
        """A new link's text, for the query of the page's address."""
        ends = now_ns // NS_PER_SECOND + LINK_SECONDS
        return self._sign(LINK, {"i": secrets.token_hex(8), "e": ends, "a": self._audience})

    def read_link(self, text: str, now_ns: int) -> LoginLink:
        """The link, when it is ours and still good. Raises LinkError."""
        content = self._open(LINK, text)
        ends_ns = int(str(content["e"])) * NS_PER_SECOND
        if ends_ns <= now_ns:
            raise LinkError("This link has expired. The next message has a new one.")
        return LoginLink(str(content["i"]), ends_ns)

    def make_state(self, link: LoginLink, cookie: str, now_ns: int) -> str:
        """The state for a login by this link in the browser with this cookie."""
        ends = min(now_ns // NS_PER_SECOND + STATE_SECONDS, link.ends_ns // NS_PER_SECOND)
        content = {"i": secrets.token_hex(8), "l": link.id, "b": _hash(cookie), "e": ends, "a": self._audience}
        return self._sign(STATE, content)

    def read_state(self, text: str, cookie: str, now_ns: int) -> State:
        """The state, when it is ours, of this browser, and still good. Raises LinkError."""
        content = self._open(STATE, text)
        if not hmac.compare_digest(str(content["b"]).encode(), _hash(cookie).encode()):
            raise LinkError("This login was begun in another browser. Open the link of the message again, here.")
        ends_ns = int(str(content["e"])) * NS_PER_SECOND
        if ends_ns <= now_ns:
            raise LinkError("This login took too long. Open the link of the message again.")
        return State(str(content["i"]), str(content["l"]), str(content["b"]), ends_ns)

    def _sign(self, purpose: bytes, content: dict[str, object]) -> str:
        payload = _encode(json.dumps(content, separators=(",", ":")).encode())
        return f"{payload}.{self._mac(purpose, payload)}"

    def _open(self, purpose: bytes, text: str) -> dict[str, object]:
        payload, _, signature = text.partition(".")
        if not FORM.fullmatch(text) or not hmac.compare_digest(
            self._mac(purpose, payload).encode(), signature.encode()
        ):
            raise LinkError("This link is not one of ours, or not whole. Open it from the message, as it is there.")
        content: dict[str, object] = json.loads(_decode(payload))
        if content["a"] != self._audience:
            raise LinkError("This link belongs to another environment.")
        return content

    def _mac(self, purpose: bytes, payload: str) -> str:
        key = hmac.new(self._key, purpose, hashlib.sha256).digest()
        return _encode(hmac.new(key, payload.encode(), hashlib.sha256).digest())


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))  # signed by us, so it is whole
