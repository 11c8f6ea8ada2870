"""AWS Signature Version 4 of a GET without a body, as S3 wants it. A test holds it to the SDK's.

Ours takes 0.02 ms of CPU a request, botocore's S3SigV4Auth 0.20 ms: 0.1 s of the 1.3 s that a pull of 500 files of
200 KB takes, which has to be at least 0.9 as fast as the fastest plain tool (measured with CPython 3.11).

Amazon S3 API reference, "Authenticating requests: using the authorization header".
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

ALGORITHM = "AWS4-HMAC-SHA256"
NO_BODY = hashlib.sha256().hexdigest()


class Signer:
    """Signs for one region; `credentials` are the SDK's, which renew themselves."""

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials, self._region = credentials, region
        self._key: tuple[tuple[str, str], bytes] = (("", ""), b"")

    def sign(self, host: str, path: str, headers: dict[str, str], now: datetime | None = None) -> dict[str, str]:
        """The headers of a GET of `path` (quoted, without a query) with those that sign it added."""
        keys = self._credentials.get_frozen_credentials()
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        signed = {"host": host, "x-amz-content-sha256": NO_BODY, "x-amz-date": stamp}
        if keys.token:
            signed["x-amz-security-token"] = keys.token
        names = ";".join(signed)  # in order of the alphabet as they stand
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = f"GET\n{path}\n\n{lines}\n{names}\n{NO_BODY}"
        scope = f"{stamp[:8]}/{self._region}/s3/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._day_key(keys.secret_key, stamp[:8]), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers | signed

    def _day_key(self, secret: str, day: str) -> bytes:
        """The key of one day, region and service."""
        if self._key[0] != (secret, day):
            key = f"AWS4{secret}".encode()
            for word in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, word.encode(), "sha256")
            self._key = ((secret, day), key)
        return self._key[1]
