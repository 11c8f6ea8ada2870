"""OAuth of a stand-in: a person's refresh token, and a service account's signed assertion."""

import json
import secrets
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from lab.drive.answers import Answer, of

LIFE_SECONDS = 3600
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Logins:
    """Access tokens by whether they are a service account's. The keys of assertions are not checked."""

    refresh_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _given: dict[str, bool] = field(default_factory=dict)

    def give(self, body: bytes) -> Answer:
        """Answer POST /token."""
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        service = form.get("grant_type") == ASSERTION and _is_assertion(form.get("assertion", ""))
        person = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self.refresh_token
        if not service and not person:
            said = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return of(said, 400)
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._given[token] = service
        return of({"access_token": token, "expires_in": LIFE_SECONDS, "token_type": "Bearer"})

    def knows(self, token: str) -> bool:
        return token in self._given

    def is_service_account(self, token: str) -> bool:
        return self._given.get(token, False)

    def revoke(self) -> None:
        """No access token is good any more."""
        self._given.clear()


def _is_assertion(token: str) -> bool:
    parts = token.split(".")
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return False
    return len(parts) == 3 and str(claims.get("iss", "")).endswith("gserviceaccount.com")
