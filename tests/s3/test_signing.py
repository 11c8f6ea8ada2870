"""Our signature of a GET is the SDK's own, for any key, region, path and credentials."""

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import botocore.auth
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from runbook.pull.signing import NO_BODY, Signer

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
KEY = st.text("abcXYZ019-_.=/ +&%ä", min_size=1, max_size=40)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(WORD, KEY, WORD, WORD, st.none() | WORD, TIMES)
def test_the_signature_is_the_sdks(
    bucket: str, key: str, region: str, secret: str, token: str | None, now: datetime
) -> None:
    path = "/" + quote(f"{bucket}/lake/{key}")
    credentials = Credentials("AKIA", secret, token)
    ours = Signer(credentials, region).sign("s3.example.com:9000", path, {"range": "bytes=5-"}, now)

    request = AWSRequest("GET", f"https://s3.example.com:9000{path}")
    with patch.object(botocore.auth, "get_current_datetime", lambda: now.replace(tzinfo=None)):
        S3SigV4Auth(credentials, "s3", region).add_auth(request)

    assert ours["x-amz-content-sha256"] == request.headers["X-Amz-Content-SHA256"] == NO_BODY
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["range"] == "bytes=5-"
