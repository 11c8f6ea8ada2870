"""The data socket's topics, made from the book model as time goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.market.book import Book
from exchange.market.disruptions import Show
from exchange.market.instruments import Instrument
from exchange.market.model import BookModel
from exchange.sockets.feeds import HsmListener
from exchange.sockets.hsm_values import LEVELS, MAKERS, Values, changes
from exchange.sockets.pump import BookPump
from exchange.sockets.topics import TopicMap, describe
from exchange.wire import hsm
from harvester.base.clock import Clock
from harvester.base.market import to_local

LTP = 0


@dataclass
class _Topic:
    """A topic that somebody listens to, and its values as last sent."""

    id: int
    kind: str
    about: hsm.Topic
    values: Values = ()
    listeners: dict[HsmListener, bool] = field(default_factory=dict)
    """And whether each wants the last price only."""


class LiveHsm:
    """All listeners share the work: a book is made and encoded once."""

    def __init__(self, model: BookModel, clock: Clock, topics: TopicMap, ids: "TopicIds", show: Show) -> None:
        self._model = model
        self._map = topics
        self._ids = ids
        self._clock = clock
        self.pump = BookPump(model, clock, LEVELS, self._on_book, self._flush, show)
        self._topics: dict[str, _Topic] = {}
        self._by_symbol: dict[str, list[_Topic]] = {}
        self._years: dict[tuple[str, object], tuple[int, int]] = {}
        self._waiting: set[HsmListener] = set()

    def symbol_of(self, topic: str) -> str | None:
        found = self._map.find(topic)
        return found[1].ticker if found else None

    def join(self, listener: HsmListener, topics: Sequence[str], *, lite: bool) -> None:
        for name in topics:
            found = self._map.find(name)
            if found is None:
                continue
            topic = self._topics.get(name) or self._begin(name, *found)
            topic.listeners[listener] = lite and topic.kind != "dp"
            listener.add(hsm.snapshot(topic.id, topic.about, topic.values))
        listener.flush()

    def _begin(self, name: str, kind: str, instrument: Instrument) -> _Topic:
        topic = _Topic(self._ids.of(name), kind, describe(name, instrument))
        topic.values = self._values(topic, self.pump.follow(instrument.ticker))
        self._topics[name] = topic
        self._by_symbol.setdefault(instrument.ticker, []).append(topic)
        return topic

    def leave(self, listener: HsmListener, topics: Sequence[str]) -> None:
        for name in topics:
            topic = self._topics.get(name)
            if topic is None or topic.listeners.pop(listener, None) is None or topic.listeners:
                continue
            found = self._map.find(name)
            if found:
                self._end(name, topic, found[1].ticker)

    def _end(self, name: str, topic: _Topic, ticker: str) -> None:
        del self._topics[name]
        rest = self._by_symbol[ticker]
        rest.remove(topic)
        if not rest:
            del self._by_symbol[ticker]
            self.pump.unfollow(ticker)

    def _values(self, topic: _Topic, book: Book) -> Values:
        day = to_local(book.time_ns).date()
        key = (book.symbol, day)
        if key not in self._years:
            self._years[key] = self._model.year_range(book.symbol, day)
        return MAKERS[topic.kind](book, self._years[key])

    def _on_book(self, book: Book) -> None:
        for topic in self._by_symbol.get(book.symbol, ()):
            now = self._values(topic, book)
            changed = changes(topic.values, now)
            if changed is None:
                continue
            topic.values = now
            full = hsm.update(topic.id, changed)
            short = hsm.lite(topic.id, now[LTP]) if topic.kind != "dp" and changed[LTP] is not None else None
            for listener, lite in topic.listeners.items():
                entry = short if lite else full
                if entry is not None:
                    listener.add(entry)
                    self._waiting.add(listener)

    def _flush(self) -> None:
        for listener in self._waiting:
            listener.flush()
        self._waiting.clear()


class TopicIds:
    """One id for a topic on all connections of this exchange, so that entries can be shared. 0 is none."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The topic's id. After 65,535 topics the oldest ids are given anew."""
        if name not in self._ids:
            self._ids[name] = len(self._ids) % 0xFFFF + 1
        return self._ids[name]
