"""Schwab's REST calls of the recorder: candles, what the broker lists, and the proof of a token."""

import ssl
from collections.abc import Sequence
from datetime import date

from harvester.base.clock import Clock
from harvester.base.redaction import Secret
from harvester.brokers.numbers import parse_object
from harvester.brokers.protocol import PollResult
from harvester.brokers.rest import RestClient
from harvester.brokers.schwab.answers import judge_failure, judge_preference
from harvester.brokers.schwab.history import PATH, history_query, judge_history
from harvester.config.broker import BrokerSettings
from harvester.journal.format import CANDLES, FYERS_REST, MAX_PAYLOAD, SCHWAB_HISTORY
from harvester.ledger.outage import Outage

BODY_LIMIT = MAX_PAYLOAD - CANDLES.size
"""What a journal record can hold; the rest of a longer body is not read."""
QUOTES = "/marketdata/v1/quotes"


class SchwabRestClient(RestClient):
    """A pool of kept-alive TLS connections. Certificates are checked against the host's CA store."""

    number = FYERS_REST
    """Of the feed that polls depth: it has no symbols in this market, and keeps the account of its windows."""

    def __init__(self, broker: BrokerSettings, *, timeout_seconds: float, tls: ssl.SSLContext, clock: Clock) -> None:
        super().__init__(broker.url, _headers, timeout_seconds=timeout_seconds, tls=tls, clock=clock)

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> PollResult:
        """Nothing is sent: the broker has no depth to poll, and what says so is an outage as any other."""
        result = self._fail(self._clock.wall_ns(), "refused", "Schwab has no depth to be polled")
        return result._replace(symbol=symbol, scheduled_ns=scheduled_ns)

    async def prove_token(self, token: Secret) -> PollResult:
        """Ask for the user's preferences, which the broker gives to a valid token only."""
        return await self.ask("/trader/v1/userPreference", token, {}, judge_preference)

    async def find_listed(self, symbols: Sequence[str], token: Secret) -> PollResult:
        """Ask for the quotes of all symbols at once; those that are not listed are named under errors."""
        query = {"symbols": ",".join(symbols), "fields": "reference"}
        return await self.ask(QUOTES, token, query, _judge_quotes, BODY_LIMIT)


def _headers(token: Secret) -> dict[str, str]:
    return {"accept": "application/json", "authorization": f"Bearer {token.get_secret_value()}"}


def _judge_quotes(status: int, body: bytes) -> Outage | None:
    answer = parse_object(body, BODY_LIMIT)
    if failure := judge_failure(status, answer):
        return failure
    return None if answer is not None else Outage("bad_response", f"HTTP {status} with a body that is no JSON object")


class SchwabCandles:
    """Candles of so many minutes."""

    number = SCHWAB_HISTORY

    def __init__(self, client: SchwabRestClient, minutes: int) -> None:
        self._client = client
        self._minutes = minutes

    async def fetch(self, symbol: str, day: date, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask for a symbol's candles of one market day so far. The body is exactly what arrived."""
        query = history_query(symbol, self._minutes, day)
        result = await self._client.ask(PATH, token, query, judge_history, BODY_LIMIT)
        return result._replace(symbol=symbol, scheduled_ns=scheduled_ns)
