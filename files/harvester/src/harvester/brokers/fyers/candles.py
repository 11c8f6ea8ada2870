"""Asks the broker for candles, by the connections and limits of its other REST calls."""

from datetime import date

from harvester.base.redaction import Secret
from harvester.brokers.fyers.history import PATH, history_query, judge_history, judge_range
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import PollResult
from harvester.config.resolutions import Resolution
from harvester.journal.format import BACKFILL, CANDLES, FYERS_HISTORY, MAX_PAYLOAD

BODY_LIMIT = MAX_PAYLOAD - CANDLES.size
"""What a journal record can hold; the rest of a longer body is not read."""


RANGE_LIMIT = MAX_PAYLOAD - BACKFILL.size
"""The same of an answer with many days."""


class FyersHistory:
    """Candles of many days at once."""

    def __init__(self, client: FyersRestClient) -> None:
        self._client = client

    async def fetch(self, symbol: str, resolution: Resolution, first: date, last: date, token: Secret) -> PollResult:
        """Ask for a symbol's candles of days in India, both included. The body is exactly what arrived."""
        query = history_query(symbol, resolution.wire, first, last)
        result = await self._client.ask(PATH, token, query, judge_range, RANGE_LIMIT)
        return result._replace(symbol=symbol)


class FyersCandles:
    """Candles of one resolution, such as "5" (minutes) or "30S"."""

    number = FYERS_HISTORY

    def __init__(self, client: FyersRestClient, resolution: str) -> None:
        self._client = client
        self._resolution = resolution

    async def fetch(self, symbol: str, day: date, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask for a symbol's candles of one day in India so far. The body is exactly what arrived."""
        query = history_query(symbol, self._resolution, day, day)
        result = await self._client.ask(PATH, token, query, judge_history, BODY_LIMIT)
        return result._replace(symbol=symbol, scheduled_ns=scheduled_ns)
