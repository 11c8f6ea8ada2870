"""The broker's REST market depth: GET {api_url}/data/depth, one symbol a call (Fyers API docs, market depth)."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

import httpx
from pydantic import SecretStr

from harvester.clock import Clock
from harvester.feeds.answers import Verdict, judge_depth, judge_profile, read_date, read_retry_after
from harvester.feeds.arrival import Arrival
from harvester.gaps import Cause
from harvester.journal.format import FYERS_REST, MAX_PAYLOAD, POLL
from harvester.redaction import redact
from harvester.settings import BrokerSettings

BODY_LIMIT = MAX_PAYLOAD - POLL.size
"""What a journal record can hold; the rest of a longer body is not read."""
KEEPALIVE_SECONDS = 75.0
IDENTITY = ("", "identity")


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str | None
    date: str | None


Judge = Callable[[int, bytes], Verdict]


class _BadAnswer(Exception):
    """The peer sent something that is not an answer we accept."""


class FyersRestFeed:
    """A pool of kept-alive TLS connections to the broker. Certificates are checked against the host's CA store."""

    number = FYERS_REST

    def __init__(self, broker: BrokerSettings, *, timeout_seconds: float, connections: int, clock: Clock) -> None:
        self._broker = broker
        self._timeout = timeout_seconds
        self._clock = clock
        self._client = httpx.AsyncClient(
            base_url=broker.api_url,
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(timeout_seconds),
            limits=httpx.Limits(
                max_connections=connections + 2,
                max_keepalive_connections=connections + 2,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            headers={"accept": "application/json", "accept-encoding": "identity", "version": "3"},
            follow_redirects=False,
        )

    async def fetch(self, symbol: str, scheduled_ns: int, token: SecretStr) -> Arrival:
        """Ask for the depth of one symbol. The body is exactly what arrived; the receive clocks are read at its end."""
        query = {"symbol": symbol, "ohlcv_flag": "1"}
        arrival = await self._ask("/data/depth", token, query, lambda status, body: judge_depth(status, body, symbol))
        return arrival._replace(symbol=symbol, scheduled_ns=scheduled_ns)

    async def prove_token(self, token: SecretStr) -> Arrival:
        """Ask for the profile, which only a living token gets (Fyers API docs, profile)."""
        return await self._ask("/api/v3/profile", token, {}, judge_profile)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, path: str, token: SecretStr, query: dict[str, str], judge: Judge) -> Arrival:
        """One call within the timeout, whatever it leads to."""
        sent_ns = self._clock.wall_ns()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(path, token, query)
        except (TimeoutError, httpx.TimeoutException):
            return self._fail(sent_ns, "timeout", f"no whole answer within {self._timeout:g} s")
        except _BadAnswer as error:
            return self._fail(sent_ns, "bad_response", str(error))
        except httpx.TransportError as error:
            return self._fail(sent_ns, "disconnect", f"{type(error).__name__}: {_one_line(error)}")
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        verdict = judge(answer.status, answer.body)
        return Arrival(
            symbol="",
            scheduled_ns=0,
            sent_ns=sent_ns,
            wall_ns=wall_ns,
            mono_ns=mono_ns,
            status=answer.status,
            body=answer.body,
            cause=verdict.cause,
            detail=verdict.detail,
            retry_after_seconds=read_retry_after(answer.retry_after, wall_ns),
            server_date_ns=read_date(answer.date),
        )

    def _fail(self, sent_ns: int, cause: Cause, detail: str) -> Arrival:
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        detail = f"{self._broker.api_url}: {detail}"
        return Arrival("", 0, sent_ns, wall_ns, mono_ns, cause=cause, detail=detail)

    async def _exchange(self, path: str, token: SecretStr, query: dict[str, str]) -> _Answer:
        headers = {"authorization": f"{self._broker.app_id}:{token.get_secret_value()}"}
        async with self._client.stream("GET", path, params=query, headers=headers) as response:
            if response.headers.get("content-encoding", "").lower() not in IDENTITY:
                raise _BadAnswer("the body is compressed although we asked for it plain")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise _BadAnswer(f"the body is longer than {BODY_LIMIT} bytes (HTTP {response.status_code})")
            headers_of = response.headers
            return _Answer(response.status_code, bytes(body), headers_of.get("retry-after"), headers_of.get("date"))


def _one_line(error: Exception) -> str:
    return redact(" ".join(str(error).split())[:160]) or "no detail"
