"""A made-up day of five busy shares: books of five levels that change as order books do. Same seed, same day.

Prices are paise on a tick of 5, times ns. Each update is what a broker's feed conflates from some three events: orders
added, enlarged, reduced and withdrawn, trades at the best price. Sizes, rates and the thinness of the books differ by
share. The mix is that of the synthetic day on which the peers in docs/benchmarks.md were measured; bench_storage
compares the two where that day's generator is at hand.
"""

import heapq
import math
import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TICK = 5
LEVELS = 5
NS = 1_000_000_000
OPEN_NS = 1_763_955_900 * NS
"""2025-11-24 09:15 in India."""


class Share(NamedTuple):
    """What a share is like: price in paise, usual quantity of a level, share of levels a tick apart, updates/s."""

    ticker: str
    price: int
    quantity: int
    density: float
    rate: float


SHARES = (
    Share("NSE:RELIANCE-EQ", 140_250, 420, 0.93, 2.4),
    Share("NSE:HDFCBANK-EQ", 198_500, 260, 0.90, 2.1),
    Share("NSE:INFY-EQ", 151_100, 310, 0.90, 1.8),
    Share("NSE:TCS-EQ", 340_200, 90, 0.62, 1.5),
    Share("NSE:SBIN-EQ", 81_200, 1500, 0.97, 1.7),
)


class Update(NamedTuple):
    """One conflated update: the whole book and the last trade. Of each of bids and asks the best comes first."""

    share: int
    """Place in SHARES, or among their namesakes."""
    exchange_s: int
    recv_ns: int
    ltp: int
    ltq: int
    volume: int
    prices: list[int]
    """Five bids, then five asks; so are sizes and orders."""
    sizes: list[int]
    orders: list[int]


class Ladder:
    """One side of a book. `sign` is -1 for bids and +1 for asks; places count from the best."""

    DEEPEST, SHALLOWEST = 24, 12

    def __init__(self, sign: int, best: int, share: Share, chance: random.Random) -> None:
        self._sign, self._share, self._chance = sign, share, chance
        self.keys: list[int] = []
        self.levels: dict[int, list[int]] = {}
        price = best
        for _ in range(14):
            self.add(price, self.usual())
            price += sign * self._apart()

    @property
    def best(self) -> int:
        return self.keys[0] * self._sign

    def usual(self) -> int:
        """A quantity as one finds it at a level."""
        return max(1, int(math.exp(self._chance.gauss(math.log(self._share.quantity), 1.1))))

    def add(self, price: int, quantity: int) -> None:
        """Another order of that quantity, or the orders of a new level."""
        level = self.levels.get(price)
        if level:
            level[0] += quantity
            level[1] += 1
            return
        orders = max(1, min(quantity, int(6 * quantity / self._share.quantity) + self._chance.randint(0, 2)))
        self.levels[price] = [quantity, orders]
        insort(self.keys, price * self._sign)
        if len(self.keys) > self.DEEPEST:
            del self.levels[self.keys.pop() * self._sign]

    def take(self, price: int, quantity: int, *, traded: bool = False) -> None:
        """That quantity less at a level, which goes when none is left."""
        level = self.levels[price]
        level[0] -= quantity
        if level[0] <= 0:
            self.remove(price)
        else:
            level[1] = min(level[1], level[0]) if traded else max(1, level[1] - 1)

    def remove(self, price: int) -> None:
        del self.levels[price]
        self.keys.pop(bisect_left(self.keys, price * self._sign))
        while len(self.keys) < self.SHALLOWEST:
            self.add(self.keys[-1] * self._sign + self._sign * self._apart(), self.usual())

    def somewhere(self) -> int:
        """The price of a level, rather near the best."""
        return self.keys[min(int(self._chance.expovariate(0.55)), 9)] * self._sign

    def _apart(self) -> int:
        near = self._chance.random() < self._share.density
        return TICK * (1 if near else 1 + int(self._chance.expovariate(0.9)))


class Book:
    """The book of one share, changed event by event."""

    def __init__(self, share: Share, chance: random.Random) -> None:
        self._share, self._chance = share, chance
        self._widest = TICK * (3 if share.density > 0.8 else 9)
        self.bids = Ladder(-1, share.price, share, chance)
        self.asks = Ladder(1, share.price + TICK * chance.choice((1, 2)), share, chance)
        self.ltp, self.ltq, self.volume = share.price, 1, 0

    def event(self) -> None:
        side, other, sign = (self.bids, self.asks, -1) if self._chance.random() < 0.5 else (self.asks, self.bids, 1)
        kind = self._chance.random()
        if kind < 0.50:
            self._resize(side)
        elif kind < 0.78:
            self._trade(side)
        elif kind < 0.93:
            self._join(side, other, sign)
        else:
            side.remove(side.best)
        while self.asks.best - self.bids.best > self._widest:
            side = self._chance.choice((self.bids, self.asks))
            inwards = TICK * self._chance.randint(1, 2) * (1 if side is self.bids else -1)
            side.add(side.best + inwards, max(1, side.usual() // 2))

    def _resize(self, side: Ladder) -> None:
        price, quantity = side.somewhere(), side.usual() // 3 + 1
        if self._chance.random() < 0.52:
            side.add(price, quantity)
        else:
            side.take(price, quantity)

    def _trade(self, side: Ladder) -> None:
        usual = math.log(max(self._share.quantity / 20, 3))
        wanted = int(math.exp(self._chance.gauss(usual, 1.2)))
        self.ltp = side.best
        self.ltq = max(1, min(side.levels[side.best][0], wanted))
        self.volume += self.ltq
        side.take(side.best, self.ltq, traded=True)

    def _join(self, side: Ladder, other: Ladder, sign: int) -> None:
        room = abs(other.best - side.best) // TICK - 1
        if room and self._chance.random() < 0.75:
            side.add(side.best - sign * TICK * self._chance.randint(1, room), max(1, side.usual() // 3))
            return
        price = side.somewhere() + TICK * self._chance.choice((-1, 0, 1))
        if (price - other.best) * sign > 0:
            side.add(price, max(1, side.usual() // 2))

    def levels(self) -> tuple[list[int], list[int], list[int]]:
        """Prices, quantities and orders of five bids and five asks."""
        prices = [-key for key in self.bids.keys[:LEVELS]] + self.asks.keys[:LEVELS]
        sides = [self.bids.levels] * LEVELS + [self.asks.levels] * LEVELS
        found = [levels[price] for price, levels in zip(prices, sides, strict=True)]
        return prices, [level[0] for level in found], [level[1] for level in found]


def _events(chance: random.Random) -> int:
    """1 + a Poisson number around 2.5."""
    count, product, limit = 0, 1.0, math.exp(-2.5)
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def updates(count: int = 200_000, seed: int = 11) -> Iterator[Update]:
    """The updates of the day in order of receipt."""
    chance = random.Random(seed)
    books = [Book(share, chance) for share in SHARES]
    due = [(chance.expovariate(share.rate), number) for number, share in enumerate(SHARES)]
    heapq.heapify(due)
    last_ns = 0
    for _ in range(count):
        second, number = heapq.heappop(due)
        pace = SHARES[number].rate * (1.6 if chance.random() < 0.3 else 0.85)
        heapq.heappush(due, (second + chance.expovariate(pace), number))
        book = books[number]
        for _ in range(_events(chance)):
            book.event()
        sent_ns = OPEN_NS + int(second * NS)
        recv_ns = max(sent_ns + int(chance.lognormvariate(17.6, 0.35)), last_ns + chance.randint(500, 90_000))
        last_ns = recv_ns
        yield Update(number, sent_ns // NS, recv_ns, book.ltp, book.ltq, book.volume, *book.levels())


def namesakes(count: int) -> list[str]:
    """Tickers of so many shares, five of a kind; the number of a share here is its place."""
    return [f"{SHARES[number % len(SHARES)].ticker[:-3]}{number // len(SHARES)}-EQ" for number in range(count)]


def spread(updates: Iterable[Update], symbols: int) -> Iterator[Update]:
    """The updates of each share given to its namesakes in turn: a day of many symbols with few updates each."""
    seen = [0] * len(SHARES)
    for update in updates:
        place = seen[update.share] % (symbols // len(SHARES))
        seen[update.share] += 1
        yield update._replace(share=update.share + len(SHARES) * place)
