"""The broker's REST market depth: GET {api_url}/data/depth, one symbol a call (Fyers API docs, market depth)."""

import asyncio
import ssl
from collections.abc import Callable

from harvester.base.clock import Clock
from harvester.base.redaction import Secret, one_line
from harvester.brokers.fyers.headers import data_headers
from harvester.brokers.fyers.responses import (
    judge_depth,
    judge_look_up,
    judge_profile,
    read_date,
    read_retry_after,
)
from harvester.brokers.protocol import PollResult
from harvester.config.broker import BrokerSettings
from harvester.journal.format import FYERS_REST, MAX_PAYLOAD, POLL
from harvester.ledger.outage import Cause, Outage
from harvester.net.https import BadAnswer, HttpsAnswer, HttpsClient

BODY_LIMIT = MAX_PAYLOAD - POLL.size
"""What a journal record can hold; the rest of a longer body is not read."""
IDENTITY = ("", "identity")

Judge = Callable[[int, bytes], Outage | None]
"""Takes HTTP status and body; returns why they are not what was asked for, or None when they are."""


class FyersRestClient:
    """A pool of kept-alive TLS connections to the broker. Certificates are checked against the host's CA store."""

    number = FYERS_REST

    def __init__(self, broker: BrokerSettings, *, timeout_seconds: float, tls: ssl.SSLContext, clock: Clock) -> None:
        self._broker = broker
        self._timeout = timeout_seconds
        self._clock = clock
        self._client = HttpsClient(broker.api_url, tls)

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask for the depth of one symbol. The body is exactly what arrived; the receive clocks are read at its end."""
        query = {"symbol": symbol, "ohlcv_flag": "1"}
        result = await self.ask("/data/depth", token, query, lambda status, body: judge_depth(status, body, symbol))
        return result._replace(symbol=symbol, scheduled_ns=scheduled_ns)

    async def prove_token(self, token: Secret) -> PollResult:
        """Ask for the profile, which the broker gives to a valid token only (Fyers API docs, profile)."""
        return await self.ask("/api/v3/profile", token, {}, judge_profile)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def find_socket(self, token: Secret) -> PollResult:
        """Ask where the 50-level socket is (SDK: tbt_ws.getUrl); without an outage `read_socket_url` finds it."""
        return await self.ask("/indus/home/tbtws", token, {}, judge_look_up)

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
        outage = Outage(cause, f"{self._broker.api_url}: {detail}")
        return PollResult("", 0, sent_ns, wall_ns, mono_ns, outage=outage)

    async def _exchange(self, path: str, token: Secret, query: dict[str, str], body_limit: int) -> HttpsAnswer:
        headers = data_headers(self._broker.app_id, token)
        answer = await self._client.get(path, query, headers, body_limit)
        if answer.headers.get("content-encoding", "").lower() not in IDENTITY:
            raise BadAnswer("the body is compressed although we asked for it plain")
        return answer
