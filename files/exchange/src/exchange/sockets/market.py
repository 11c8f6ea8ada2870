"""The sockets' data from the book model."""

from collections.abc import Coroutine, Mapping

from exchange.market.instruments import Instrument
from exchange.market.model import BookModel
from exchange.sockets.hsm_live import LiveHsm, TopicIds
from exchange.sockets.tbt_live import LiveTbt
from exchange.sockets.topics import TopicMap
from harvester.clock import Clock


class MarketFeeds:
    """Both sockets show the books that /depth shows."""

    def __init__(self, model: BookModel, clock: Clock, instruments: Mapping[str, Instrument]) -> None:
        self.hsm = LiveHsm(model, clock, TopicMap(instruments), TopicIds())
        self.tbt = LiveTbt(model, clock)

    def tasks(self) -> list[Coroutine[object, object, None]]:
        return [self.hsm.pump.run(), self.tbt.pump.run()]

    def forget(self) -> None:
        self.hsm.pump.forget()
        self.tbt.pump.forget()
