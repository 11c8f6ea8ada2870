"""Access tokens and auth codes: minted with the claims seen on the wire, checked, revoked."""

import hashlib
import hmac
import json
import secrets
import struct
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from exchange.state import StateDir, write_file
from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import zone

EXPIRY_HOUR, EXPIRY_MINUTE = 6, 30
"""Tokens end at 06:30 India time (Fyers API docs, as reviewed in 2026)."""
AUTH_CODE_SECONDS = 30_000
"""Life of an auth code, as `exp - iat` in a public sample."""
AUDIENCE = '["x:0", "x:1", "x:2", "d:1", "d:2", "x:1", "x:0"]'
HSM_KEY = struct.Struct(">Iq16s")
"""What the data socket's key holds: end (epoch s), issue (wall ns), signature. 56 hexadecimal digits, as seen."""
NOT_BEFORE_SLACK = 600
HEADER = {"typ": "JWT", "alg": "HS256"}


class Refusal(NamedTuple):
    """Why a request is not let in: the broker's error code and text."""

    code: int
    message: str


NOT_AUTHENTICATED = Refusal(-16, "Could not authenticate the user")
INVALID = Refusal(-15, "Please provide a valid token")
EXPIRED = Refusal(-8, "Your token has expired. Please generate a token")
ENDED = Refusal(-17, "Your token is either invalid or has expired. Please generate a new token")


class Tokens:
    """Mints and checks the tokens of one state directory."""

    def __init__(self, state: StateDir, clock: Clock, *, valid_seconds: int | None = None) -> None:
        self._app = state.app()
        self._key = state.token_key()
        self._jwk = OctKey.import_key(self._key)
        self._path = state.revoked
        self._clock = clock
        self._valid_seconds = valid_seconds
        self._used_codes: set[str] = set()
        known: dict[str, Any] = {"tokens": [], "before": 0}
        if self._path.exists():
            known = json.loads(self._path.read_text())
        self._revoked: set[str] = set(known["tokens"])
        self._revoked_before: float = known["before"]
        self._revoked_keys: set[str] = set(known.get("keys", []))

    def _now(self) -> float:
        return self._clock.wall_ns() / NS_PER_SECOND

    def _claims(self, subject: str, valid_seconds: float, **more: object) -> dict[str, Any]:
        now = self._now()
        end = int(now + valid_seconds)
        return {
            "iss": f"api{'.login' if subject == 'auth_code' else ''}.fyers.in",
            "iat": int(now),
            "exp": end,
            "nbf": int(now) - (NOT_BEFORE_SLACK if subject == "auth_code" else 0),
            "aud": AUDIENCE,
            "sub": subject,
            "display_name": self._app.user,
            "oms": "K1",
            "hsm_key": self._hsm_key(end, self._clock.wall_ns()),
            "jti": secrets.token_hex(8),
            **more,
        }

    def mint_access_token(self, valid_seconds: int | None = None) -> str:
        """A new access token, valid for so long or else until the next daily end."""
        seconds = valid_seconds or self._valid_seconds or self._seconds_until_daily_end()
        at_hash = f"gAAAAA{secrets.token_urlsafe(80)}"
        more = {"at_hash": at_hash, "isDdpiEnabled": "N", "isMtfEnabled": "N", "fy_id": self._app.user, "appType": 100}
        return self._sign(self._claims("access_token", seconds, issued=self._now(), **more))

    def mint_refresh_token(self) -> str:
        """A token for the old refresh flow, valid for 15 days."""
        claims = self._claims("refresh_token", timedelta(days=15).total_seconds(), fy_id=self._app.user)
        return self._sign(claims)

    def mint_auth_code(self, nonce: str) -> str:
        """A code for one exchange into an access token."""
        app_id = self._app.app_id.partition("-")[0]
        more = {"nonce": nonce, "app_id": app_id, "uuid": secrets.token_hex(16), "ipAddr": "0.0.0.0", "scope": ""}  # noqa: S104
        return self._sign(self._claims("auth_code", AUTH_CODE_SECONDS, **more))

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(HEADER, claims, self._jwk, algorithms=[HEADER["alg"]])

    def _claims_of(self, token: str) -> dict[str, Any]:
        """The claims of a token that this exchange signed, whether it has expired or not; empty for any other text."""
        try:
            return jwt.decode(token, self._jwk, algorithms=[HEADER["alg"]]).claims
        except (JoseError, ValueError):
            return {}

    def _seconds_until_daily_end(self) -> float:
        now = datetime.fromtimestamp(self._now(), zone())
        end = now.replace(hour=EXPIRY_HOUR, minute=EXPIRY_MINUTE, second=0, microsecond=0)
        return ((end if end > now else end + timedelta(days=1)) - now).total_seconds()

    def redeem(self, code: str) -> str | None:
        """Use up an auth code. Returns None when it was good, else the text that says what is wrong with it."""
        claims = self._claims_of(code)
        if claims.get("sub") != "auth_code" or claims["jti"] in self._used_codes:
            return "invalid auth code"
        if claims["exp"] <= self._now():
            return "auth code expired"
        self._used_codes.add(claims["jti"])
        return None

    def check_refresh_token(self, token: str) -> Refusal | None:
        """None when the old refresh flow may hand out an access token for it."""
        return self._check(token, "refresh_token")

    def check_header(self, header: str | None) -> Refusal | None:
        """Check an Authorization header `app_id:token`. None: valid."""
        app_id, colon, token = (header or "").partition(":")
        if not colon or app_id.strip() != self._app.app_id or not token:
            return NOT_AUTHENTICATED
        return self._check(token.strip(), "access_token")

    def _hsm_key(self, end: int, issued_ns: int) -> str:
        """The key of the data socket: signed like the token, so that every process of this state can make it."""
        signed = hmac.new(self._key, b"hsm%d|%d" % (end, issued_ns), hashlib.sha256).digest()[:16]
        return HSM_KEY.pack(end, issued_ns, signed).hex()

    def check_hsm_key(self, key: str) -> Refusal | None:
        """Check the `hsm_key` claim with which a client of the data socket authenticates. None: valid."""
        try:
            end, issued_ns, _ = HSM_KEY.unpack(bytes.fromhex(key))
        except (ValueError, struct.error):
            return INVALID
        if not hmac.compare_digest(self._hsm_key(end, issued_ns).encode(), key.encode()):
            return INVALID
        if end <= self._now():
            return EXPIRED
        if key in self._revoked_keys or issued_ns <= int(self._revoked_before * NS_PER_SECOND):
            return ENDED
        return None

    def _check(self, token: str, subject: str) -> Refusal | None:
        claims = self._claims_of(token)
        if claims.get("sub") != subject:
            return INVALID
        if claims["exp"] <= self._now():
            return EXPIRED
        if _fingerprint(token) in self._revoked or claims.get("issued", claims["iat"]) <= self._revoked_before:
            return ENDED
        return None

    def revoke(self, token: str) -> None:
        """End one token."""
        self._revoked.add(_fingerprint(token))
        with suppress(KeyError):  # a token that this exchange did not sign has no key to revoke
            self._revoked_keys.add(str(self._claims_of(token)["hsm_key"]))
        self._save()

    def revoke_all(self) -> None:
        """End every token minted until now."""
        self._revoked_before = self._now()
        self._revoked.clear()
        self._revoked_keys.clear()
        self._save()

    def _save(self) -> None:
        known = {"tokens": sorted(self._revoked), "before": self._revoked_before, "keys": sorted(self._revoked_keys)}
        write_file(self._path, json.dumps(known).encode())


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
