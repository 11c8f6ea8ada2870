"""REST calls of a broker: one request, ended by its timeout, whose every failure is an outage."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.redaction import Secret, one_line
from harvester.brokers.protocol import PollResult
from harvester.journal.format import MAX_PAYLOAD, POLL
from harvester.ledger.outage import Cause, Outage
from harvester.net.https import BadAnswer, HttpsAnswer, HttpsClient

BODY_LIMIT = MAX_PAYLOAD - POLL.size
"""What a journal record can hold; the rest of a longer body is not read."""
IDENTITY = ("", "identity")
MAX_RETRY_AFTER = 86_400.0
Judge = Callable[[int, bytes], Outage | None]
"""Takes HTTP status and body; returns why they are not what was asked for, or None when they are."""
Headers = Callable[[Secret], Mapping[str, str]]
"""The headers of a request with a token."""


class RestClient:
    """A pool of kept-alive TLS connections to a broker. Certificates are checked against the host's CA store."""

    def __init__(
        self, url: str, headers: Headers, *, timeout_seconds: float, tls: ssl.SSLContext, clock: Clock
    ) -> None:
        self._url = url
        self._headers = headers
        self._timeout = timeout_seconds
        self._clock = clock
        self._client = HttpsClient(url, tls)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(
        self, path: str, token: Secret, query: dict[str, str], judge: Judge, body_limit: int = BODY_LIMIT
    ) -> PollResult:
        """One request, ended by the timeout at the latest; every failure becomes an outage.

        The result is of no symbol and no slot.
        """
        sent_ns = self._clock.wall_ns()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(path, token, query, body_limit)
        except TimeoutError:
            return self._fail(sent_ns, "timeout", f"no whole answer within {self._timeout:g} s")
        except BadAnswer as error:
            return self._fail(sent_ns, "bad_response", str(error))
        except OSError as error:
            return self._fail(sent_ns, "disconnect", f"{type(error).__name__}: {one_line(error)}")
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        return PollResult(
            symbol="",
            scheduled_ns=0,
            sent_ns=sent_ns,
            wall_ns=wall_ns,
            mono_ns=mono_ns,
            status=answer.status,
            body=answer.body,
            outage=judge(answer.status, answer.body),
            retry_after_seconds=read_retry_after(answer.headers.get("retry-after"), wall_ns),
            server_date_ns=read_date(answer.headers.get("date")),
        )

    def _fail(self, sent_ns: int, cause: Cause, detail: str) -> PollResult:
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        outage = Outage(cause, f"{self._url}: {detail}")
        return PollResult("", 0, sent_ns, wall_ns, mono_ns, outage=outage)

    async def _exchange(self, path: str, token: Secret, query: dict[str, str], body_limit: int) -> HttpsAnswer:
        answer = await self._client.get(path, query, self._headers(token), body_limit)
        if answer.headers.get("content-encoding", "").lower() not in IDENTITY:
            raise BadAnswer("the body is compressed although we asked for it plain")
        return answer


def read_retry_after(value: str | None, wall_ns: int) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110); None when absent or senseless."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date_ns = read_date(value)
        if date_ns is None:
            return None
        seconds = (date_ns - wall_ns) / NS_PER_SECOND
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else None


def read_date(value: str | None) -> int | None:
    """Wall ns of an HTTP date, to the second; None when absent or malformed."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * NS_PER_SECOND
    except (ValueError, OverflowError):
        return None
