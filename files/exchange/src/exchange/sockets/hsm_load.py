"""Topics of the synthetic symbols: entries are made once, and only time and volume are put in when they are sent."""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.market.book import Book
from exchange.market.load import PATTERNS, STATES, TICK_NS, LoadMarket, volume_of
from exchange.sockets.feeds import HsmListener
from exchange.sockets.hsm_live import TopicIds
from exchange.sockets.hsm_values import MAKERS, changes
from exchange.sockets.topics import TopicMap, describe
from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND, Clock

UPDATE = 0x55
MARK = struct.Struct(">BH")
HEAD = 8
"""Bytes of an `sf` update up to the volume: mark, id, count and last price."""
MIDDLE = struct.Struct(">III")
"""Volume, time of the last trade, time of the exchange."""
LONGEST_LAG = 1000
"""Ticks that are made up for after a stall; more are left out."""


@dataclass(frozen=True)
class _Topic:
    """Entries of one topic by state: an `sf` one lacks its middle, which is put between the two parts."""

    kind: str
    heads: list[bytes]
    tails: list[bytes]


class LoadHsm:
    """Made for one or a few listeners with many topics."""

    def __init__(self, market: LoadMarket, clock: Clock, ids: TopicIds) -> None:
        self._market = market
        self._clock = clock
        self._ids = ids
        self._map = TopicMap(market.instruments)
        self._made: dict[tuple[str, int], list[bytes]] = {}
        self._topics: dict[str, _Topic] = {}
        self._listeners: dict[HsmListener, list[dict[str, _Topic]]] = {}
        self._wanted = asyncio.Event()
        self._tick = 0

    def symbol_of(self, topic: str) -> str | None:
        found = self._map.find(topic)
        return found[1].ticker if found else None

    def join(self, listener: HsmListener, topics: Sequence[str], *, lite: bool) -> None:
        """`lite` is not served: load is of whole entries."""
        del lite
        if not self._listeners:
            self._tick = self._clock.wall_ns() // TICK_NS
        turns = self._listeners.setdefault(listener, [{} for _ in range(self._market.turns)])
        for name in topics:
            found = self._map.find(name)
            if found is None:
                continue
            kind, instrument = found
            number = self._market.number(instrument.ticker)
            if name not in self._topics:
                self._topics[name] = self._prepare(name, kind, number % PATTERNS)
            turns[number % self._market.turns][name] = self._topics[name]
            book = self._market.after(number, self._market.round_at(number, self._tick))
            values = MAKERS[kind](book, _year(book))
            listener.add(hsm.snapshot(self._ids.of(name), describe(name, instrument), values))
        listener.flush()
        self._wanted.set()

    def _prepare(self, name: str, kind: str, pattern: int) -> _Topic:
        head = MARK.pack(UPDATE, self._ids.of(name))
        entries = [head + rest for rest in self._rests(kind, pattern)]
        if kind == "dp":
            return _Topic(kind, entries, [])
        return _Topic(kind, [entry[:HEAD] for entry in entries], [entry[HEAD + MIDDLE.size :] for entry in entries])

    def _rests(self, kind: str, pattern: int) -> list[bytes]:
        """What follows mark and id in the updates of a pattern."""
        if (kind, pattern) not in self._made:
            values = [MAKERS[kind](book, _year(book)) for book in self._market.circle(pattern)]
            changed = [changes(values[state - 1], values[state]) or [None] * len(values[0]) for state in range(STATES)]
            self._made[kind, pattern] = [hsm.update(0, each)[MARK.size :] for each in changed]
        return self._made[kind, pattern]

    def leave(self, listener: HsmListener, topics: Sequence[str]) -> None:
        turns = self._listeners.get(listener)
        if turns is None:
            return
        for name in topics:
            for group in turns:
                group.pop(name, None)
        if not any(turns):
            del self._listeners[listener]
        if not self._listeners:
            self._wanted.clear()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            now = self._clock.wall_ns() // TICK_NS
            if not 0 <= now - self._tick <= LONGEST_LAG:
                self._tick = now
            while self._tick < now:
                self._tick += 1
                self._send(self._tick)
                await asyncio.sleep(0)  # while a stall is made up for, connections are served all the same
            left = (self._tick + 1) * TICK_NS - self._clock.wall_ns()
            await asyncio.sleep(max(0.0, left / NS_PER_SECOND))

    def _send(self, tick: int) -> None:
        """The updates of the symbols whose turn it is."""
        turn = tick % self._market.turns
        done = (tick - turn) // self._market.turns
        seconds = tick * TICK_NS // NS_PER_SECOND
        middle, state = MIDDLE.pack(volume_of(done), seconds, seconds), done % STATES
        for listener, turns in self._listeners.items():
            for topic in turns[turn].values():
                entry = topic.heads[state]
                listener.add(entry if topic.kind == "dp" else entry + middle + topic.tails[state])
            listener.flush()


def _year(book: Book) -> tuple[int, int]:
    return book.high, book.low
