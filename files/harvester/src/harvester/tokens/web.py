"""One HTTPS request and its JSON answer, with the standard library alone.

The logins also run in functions, whose archives carry no package. Proxy and CA come from the environment.
"""

import json
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import one_line
from harvester.base.release import USER_AGENT

TIMEOUT_SECONDS = 15.0
BODY_LIMIT = 65_536
CHUNK = 8_192


class BrokerUnreachableError(HarvesterError):
    """No answer came; asking again later may help."""


class BrokerAnswer(NamedTuple):
    """HTTP status, the body when it is a JSON object (else empty), and the server's clock in wall ns."""

    status: int
    body: Mapping[str, Any]
    date_ns: int | None


class RawAnswer(NamedTuple):
    """HTTP status, the body as it came, and the server's clock in wall ns."""

    status: int
    body: bytes
    date_ns: int | None


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like others: what we send is for one host alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(
    method: str,
    url: str,
    *,
    json_body: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> BrokerAnswer:
    """Send and wait for the whole answer, whatever its status. Raises BrokerUnreachableError."""
    sent, data = {**(headers or {})}, None
    if json_body is not None:
        data, sent["Content-Type"] = json.dumps(json_body).encode(), "application/json"
    elif form is not None:
        data, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    status, body, date_ns = fetch(method, url, sent, data)
    return BrokerAnswer(status, _parse(body), date_ns)


def fetch(
    method: str, url: str, headers: Mapping[str, str], data: bytes | None = None, most_bytes: int = BODY_LIMIT
) -> RawAnswer:
    """Send and wait for the answer's first `most_bytes`, whatever its status. Raises BrokerUnreachableError."""
    sent = {"User-Agent": USER_AGENT, **headers}
    request = Request(url, data=data, headers=sent, method=method)  # noqa: S310  # https by the settings' own rule
    opener = build_opener(HTTPSHandler(context=ssl.create_default_context()), _NoRedirect())
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        try:
            response = opener.open(request, timeout=TIMEOUT_SECONDS)
        except HTTPError as refused:
            response = refused
        with response:
            body = _read(response, deadline, most_bytes)
            return RawAnswer(response.status, body, _date_ns(response.headers.get("Date")))
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise BrokerUnreachableError(
            f"{url} could not be reached ({type(error).__name__}: {one_line(reason, 200)})."
        ) from None


def _read(response: Any, deadline: float, most_bytes: int) -> bytes:
    body = b""
    while len(body) <= most_bytes and (part := response.read1(CHUNK)):
        body += part
        if time.monotonic() > deadline:
            raise TimeoutError(f"no whole answer within {TIMEOUT_SECONDS:g} s")
    return body[:most_bytes]


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _date_ns(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text or "").timestamp()) * NS_PER_SECOND
    except ValueError:
        return None
