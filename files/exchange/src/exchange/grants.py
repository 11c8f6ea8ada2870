"""Codes and tokens of Schwab's OAuth, in its life times: signed texts, so that a restart keeps them.

Source of the times: Schwab's developer portal, "OAuth Restart vs. Refresh Token": an access token lasts 30 minutes, a
refresh token 7 days from the login, whatever is renewed meanwhile.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from exchange.state import StateDir, write_file
from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import ConfigError

ACCESS_SECONDS = 1_800
REFRESH_SECONDS = 7 * 86_400
CODE_SECONDS = 30
FILE, REVOKED = "schwab.json", "schwab-revoked.json"
KINDS = {"access": "I0.", "refresh": "", "code": "C0."}
"""What texts of a kind begin with; the SDK takes any."""


@dataclass(frozen=True)
class SchwabApp:
    """The registered app and its only user, all made up."""

    key: str
    secret: str
    callback: str
    customer: str

    @classmethod
    def invent(cls) -> "SchwabApp":
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz0123456789"
        key = "".join(secrets.choice(letters) for _ in range(32))
        return cls(key, secrets.token_hex(8), "https://127.0.0.1:8182", secrets.token_hex(32))


class Grants:
    """Mints and checks what one app was granted. Raises ConfigError where the state cannot be read."""

    def __init__(self, state: StateDir, clock: Clock, *, access_seconds: int | None = None) -> None:
        self._key = state.token_key()
        self._clock = clock
        self._access_seconds = access_seconds or ACCESS_SECONDS
        self._revoked = state.path / REVOKED
        self._used: set[str] = set()
        self.app = _read_app(state)
        known = json.loads(self._revoked.read_text()) if self._revoked.exists() else {"before_ns": 0}
        self.revoked_ns: int = known["before_ns"]
        """What was given out until then is no good any more."""

    def mint_code(self) -> str:
        """What a login ends with; good for one exchange within 30 seconds."""
        return self._sign("code", CODE_SECONDS)

    def token_file(self) -> dict[str, Any]:
        """A login in the form in which schwab-py keeps it (schwab.auth.TokenMetadata)."""
        now = self._clock.wall_ns() // NS_PER_SECOND
        return {"creation_timestamp": now, "token": {**self.login(), "expires_at": now + self._access_seconds}}

    def redeem(self, code: str) -> dict[str, Any] | None:
        """The tokens for a code; None where it is no good, or was used."""
        if self._claims("code", code) is None or code in self._used:
            return None
        self._used.add(code)
        return self.login()

    def login(self) -> dict[str, Any]:
        """The answer to a login: a new pair."""
        return self._answer(self._sign("refresh", REFRESH_SECONDS))

    def renew(self, refresh: str) -> dict[str, Any] | None:
        """The answer to a renewal: a new access token and the same refresh token, whose end stays."""
        return None if self._claims("refresh", refresh) is None else self._answer(refresh)

    def admits(self, access: str) -> bool:
        """Whether an access token is good now."""
        return self._claims("access", access) is not None

    def revoke_all(self) -> None:
        """Nothing that was given out until now is good any more."""
        self.revoked_ns = self._clock.wall_ns()
        write_file(self._revoked, json.dumps({"before_ns": self.revoked_ns}).encode())

    def _answer(self, refresh: str) -> dict[str, Any]:
        return {
            "expires_in": self._access_seconds,
            "token_type": "Bearer",
            "scope": "api",
            "refresh_token": refresh,
            "access_token": self._sign("access", self._access_seconds),
            "id_token": self._sign("access", 0),
        }

    def _sign(self, kind: str, seconds: int) -> str:
        now = self._clock.wall_ns()
        claims = {"kind": kind, "from_ns": now, "until_ns": now + seconds * NS_PER_SECOND, "id": secrets.token_hex(8)}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{KINDS[kind]}{body}@{self._seal(kind, body)}"

    def _seal(self, kind: str, body: str) -> str:
        return hmac.new(self._key, f"schwab {kind} {body}".encode(), hashlib.sha256).hexdigest()[:32]

    def _claims(self, kind: str, text: str) -> dict[str, Any] | None:
        """What a text of ours says, where it is of the kind, neither over nor revoked."""
        body, _, seal = text.removeprefix(KINDS[kind]).partition("@")
        if not hmac.compare_digest(seal.encode(), self._seal(kind, body).encode()):
            return None
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body))
        now = self._clock.wall_ns()
        return claims if self.revoked_ns < claims["from_ns"] <= now < claims["until_ns"] else None


def _read_app(state: StateDir) -> SchwabApp:
    path = state.path / FILE
    if not path.exists():
        app = SchwabApp.invent()
        write_file(path, (json.dumps(app.__dict__, indent=2) + "\n").encode())
        return app
    try:
        return SchwabApp(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path}: not the credentials of an app ({error}). Remove the file to have new ones."
        ) from error
