"""The broker's REST market depth: GET {api_url}/data/depth, one symbol a call (Fyers API docs, market depth)."""

import ssl
from functools import partial

from harvester.base.clock import Clock
from harvester.base.redaction import Secret
from harvester.brokers.fyers.headers import data_headers
from harvester.brokers.fyers.responses import judge_depth, judge_look_up, judge_profile
from harvester.brokers.protocol import PollResult
from harvester.brokers.rest import RestClient
from harvester.config.broker import BrokerSettings
from harvester.journal.format import FYERS_REST


class FyersRestClient(RestClient):
    """Depth, and what else the recorder asks of this broker by REST."""

    number = FYERS_REST

    def __init__(self, broker: BrokerSettings, *, timeout_seconds: float, tls: ssl.SSLContext, clock: Clock) -> None:
        super().__init__(
            broker.url, partial(data_headers, broker.app_id), timeout_seconds=timeout_seconds, tls=tls, clock=clock
        )

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> PollResult:
        """Ask for the depth of one symbol. The body is exactly what arrived; the receive clocks are read at its end."""
        query = {"symbol": symbol, "ohlcv_flag": "1"}
        result = await self.ask("/data/depth", token, query, lambda status, body: judge_depth(status, body, symbol))
        return result._replace(symbol=symbol, scheduled_ns=scheduled_ns)

    async def prove_token(self, token: Secret) -> PollResult:
        """Ask for the profile, which the broker gives to a valid token only (Fyers API docs, profile)."""
        return await self.ask("/api/v3/profile", token, {}, judge_profile)

    async def find_socket(self, token: Secret) -> PollResult:
        """Ask where the 50-level socket is (SDK: tbt_ws.getUrl); without an outage `read_socket_url` finds it."""
        return await self.ask("/indus/home/tbtws", token, {}, judge_look_up)
