"""Asks the broker for candles, by the connections and limits of its other REST calls."""

from datetime import date

from harvester.base.redaction import Secret
from harvester.brokers.fyers.history import PATH, history_query, judge_history
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import PollResult
from harvester.journal.format import CANDLES, FYERS_HISTORY, MAX_PAYLOAD

BODY_LIMIT = MAX_PAYLOAD - CANDLES.size
"""What a journal record can hold; the rest of a longer body is not read."""


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
