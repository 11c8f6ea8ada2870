"""The sockets' data from the book model, and synthetic load besides."""

from collections.abc import Coroutine

from exchange.market.load import LoadMarket
from exchange.market.model import BookModel
from exchange.sockets.hsm_live import LiveHsm, TopicIds
from exchange.sockets.hsm_load import LoadHsm
from exchange.sockets.several import SeveralHsm
from exchange.sockets.tbt_live import LiveTbt
from exchange.sockets.topics import TopicMap
from harvester.base.clock import Clock


class MarketFeeds:
    """Both sockets show the books that /depth shows."""

    def __init__(self, model: BookModel, load: LoadMarket, clock: Clock) -> None:
        ids = TopicIds()
        self._live = LiveHsm(model, clock, TopicMap(model.instruments), ids)
        self._load = LoadHsm(load, clock, ids)
        self.hsm = SeveralHsm((self._live, self._load))
        self.tbt = LiveTbt(model, clock)

    def tasks(self) -> list[Coroutine[object, object, None]]:
        return [self._live.pump.run(), self._load.run(), self.tbt.pump.run()]

    def forget(self) -> None:
        self._live.pump.forget()
        self.tbt.pump.forget()
