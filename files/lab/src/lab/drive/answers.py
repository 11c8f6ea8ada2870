"""What Drive answers: bodies of errors with their reasons, and the bad days of a stand-in."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An HTTP answer."""

    code: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012


def of(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """JSON."""
    return Answer(code, json.dumps(value).encode(), headers or {})


def error(code: int, reason: str, message: str, domain: str = "global") -> Answer:
    """An error as Drive words it."""
    detail = {"domain": domain, "reason": reason, "message": message}
    return of({"error": {"code": code, "message": message, "errors": [detail]}}, code)


def not_found(file_id: str) -> Answer:
    return error(404, "notFound", f"File not found: {file_id}.")


UNAUTHORIZED = error(401, "authError", "Invalid Credentials")
NO_ROOM = error(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.", "usageLimits")
SERVICE_ACCOUNT = error(
    403,
    "storageQuotaExceeded",
    "Service Accounts do not have storage quota. Leverage shared drives"
    " (https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth delegation"
    " (http://support.google.com/a/answer/7281227) instead.",
    "usageLimits",
)
RATES = {
    403: error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", "usageLimits"),
    429: error(429, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits"),
}


@dataclass
class Mishaps:
    """What goes wrong, and how often yet. A test sets them; each is taken down as it happens."""

    rate_403: int = 0
    rate_429: int = 0
    unauthorized: int = 0
    cut_uploads: int = 0
    """Uploads whose connection ends in their middle."""
    cut_downloads: int = 0
    slow_seconds: float = 0.0
    full: bool = False
    away: bool = False
    """Every connection is refused."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""

    def take(self, name: str) -> bool:
        """Whether it happens now."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return bool(left)
