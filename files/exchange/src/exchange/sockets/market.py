"""The sockets' data from the book model, and synthetic load besides."""

from collections.abc import Coroutine, Sequence

from exchange.market.disruptions import Show
from exchange.market.load import LoadMarket
from exchange.market.model import BookModel
from exchange.sockets.feeds import HsmFeed, HsmListener
from exchange.sockets.hsm_live import LiveHsm, TopicIds
from exchange.sockets.hsm_load import LoadHsm
from exchange.sockets.tbt_live import LiveTbt
from exchange.sockets.topics import TopicMap
from harvester.base.clock import Clock


class SeveralHsm:
    """Each topic belongs to the first feed that knows it."""

    def __init__(self, feeds: Sequence[HsmFeed]) -> None:
        self._feeds = feeds

    def symbol_of(self, topic: str) -> str | None:
        return next((symbol for feed in self._feeds if (symbol := feed.symbol_of(topic)) is not None), None)

    def join(self, listener: HsmListener, topics: Sequence[str], *, lite: bool) -> None:
        for feed in self._feeds:
            mine = [name for name in topics if feed.symbol_of(name) is not None]
            if mine:
                feed.join(listener, mine, lite=lite)

    def leave(self, listener: HsmListener, topics: Sequence[str]) -> None:
        for feed in self._feeds:
            feed.leave(listener, topics)


class MarketFeeds:
    """Both sockets show the books that /depth shows."""

    def __init__(self, model: BookModel, load: LoadMarket, clock: Clock, show: Show) -> None:
        ids = TopicIds()
        self._live = LiveHsm(model, clock, TopicMap(model.instruments), ids, show)
        self._load = LoadHsm(load, clock, ids)
        self.hsm = SeveralHsm((self._live, self._load))
        self.tbt = LiveTbt(model, clock, show)

    def tasks(self) -> list[Coroutine[object, object, None]]:
        return [self._live.pump.run(), self._load.run(), self.tbt.pump.run()]

    def forget(self) -> None:
        self._live.pump.forget()
        self.tbt.pump.forget()
