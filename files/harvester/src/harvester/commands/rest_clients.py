"""The clients of a market's broker: Schwab's in the market us, else those of Fyers."""

import ssl

from harvester.base.clock import Clock
from harvester.brokers.fyers.candles import FyersCandles
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import CandleClient
from harvester.brokers.schwab.rest import SchwabCandles, SchwabRestClient
from harvester.config.settings import Settings


def make_client(settings: Settings, tls: ssl.SSLContext, clock: Clock) -> FyersRestClient | SchwabRestClient:
    """Its requests end after `poll.timeout`."""
    make = SchwabRestClient if settings.market == "us" else FyersRestClient
    return make(settings.broker, timeout_seconds=settings.poll.timeout, tls=tls, clock=clock)


def make_candles(settings: Settings, client: FyersRestClient | SchwabRestClient) -> CandleClient:
    """What asks for candles as wide as those that are recorded, through `client`."""
    if isinstance(client, SchwabRestClient):
        return SchwabCandles(client, settings.candles.bar_seconds // 60)
    return FyersCandles(client, str(settings.candles.resolution))
