"""Several feeds of the data socket behind one."""

from collections.abc import Sequence

from exchange.sockets.feeds import HsmFeed, HsmListener


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
