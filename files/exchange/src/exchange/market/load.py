"""Synthetic symbols for load: thousands of books that change at a fixed rate and cost next to nothing to make.

A symbol goes through STATES books in a circle, the same as those of every PATTERNS-th other symbol. Volume counts its
updates, so that no two of them are equal.
"""

from random import Random

from exchange.market.book import Book, Level
from exchange.market.instruments import Instrument
from exchange.market.model import PriceLimits
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND

STATES = 16
PATTERNS = 509
TICK_NS = 10 * NS_PER_MS
"""Updates of the symbols whose turn it is go out together, so often."""
FIRST_TOKEN = 900_000
TICK_SIZE = 5
LEVELS = 5
MOST_SYMBOLS = 20_000


def load_ticker(number: int) -> str:
    """Ticker of symbol `number`."""
    return f"NSE:LOAD{number:05}-EQ"


def load_instrument(number: int) -> Instrument:
    """Symbol `number` as a row of the symbol master."""
    ticker, token = load_ticker(number), str(FIRST_TOKEN + number)
    name, fytoken = ticker[4:-3], f"1010000000{token}"
    row = (
        fytoken, f"LOAD {number}", "0", "1", "0.05", f"INLOAD{number:06}", "0915-1530|1815-1915:", "2026-11-20", "",
        ticker, "10", "10", token, name, token, "-1.0", "XX", fytoken, "None", "1", "0",
    )  # fmt: skip
    return Instrument(ticker, fytoken, row[2], 1, TICK_SIZE, "", 10, 10, row)


class LoadMarket:
    """`count` symbols with `rate` updates a second each, as a pure function of seed and time."""

    def __init__(self, count: int, rate: float, seed: int) -> None:
        self.turns = max(1, round(NS_PER_SECOND / (rate * TICK_NS)))
        """Ticks between two updates of a symbol; symbol n has its turn in ticks that leave the rest n % turns."""
        self._seed = seed
        self.instruments = {item.ticker: item for item in map(load_instrument, range(count))}
        self._circles: dict[int, list[Book]] = {}
        self._numbers = {ticker: number for number, ticker in enumerate(self.instruments)}

    def number(self, symbol: str) -> int:
        """Of a symbol. Raises KeyError."""
        return self._numbers[symbol]

    def round_at(self, number: int, tick: int) -> int:
        """How often a symbol has had its turn up to and with a tick."""
        return (tick - number % self.turns) // self.turns

    def circle(self, pattern: int) -> list[Book]:
        """The books that the symbols of a pattern (number % PATTERNS) go through; without name, time and volume."""
        if pattern not in self._circles:
            self._circles[pattern] = self._make_circle(pattern)
        return self._circles[pattern]

    def _make_circle(self, pattern: int) -> list[Book]:
        rng = Random(self._seed * PATTERNS + pattern)
        close = rng.randrange(2_000, 100_000) * TICK_SIZE
        books, best = [], close
        bids = [_level(rng) for _ in range(LEVELS)]
        asks = [_level(rng) for _ in range(LEVELS)]
        for _ in range(STATES):
            best += rng.choice((0, 0, 0, -TICK_SIZE, TICK_SIZE))
            bids[rng.randrange(LEVELS)] = _level(rng)
            asks[rng.randrange(LEVELS)] = _level(rng)
            books.append(_book(close, best, bids, asks, rng))
        return books

    def book_at(self, symbol: str, wall_ns: int) -> Book:
        """The book in force. Raises KeyError."""
        number = self._numbers[symbol]
        return self.after(number, self.round_at(number, wall_ns // TICK_NS))

    def after(self, number: int, done: int) -> Book:
        """The book of a symbol after so many updates."""
        moment_ns = (done * self.turns + number % self.turns) * TICK_NS
        return self.circle(number % PATTERNS)[done % STATES]._replace(
            symbol=load_ticker(number),
            time_ns=moment_ns,
            last_trade_ns=moment_ns,
            volume=volume_of(done),
            sequence=done,
        )

    def limits(self, symbol: str) -> PriceLimits:
        """Previous close and circuits."""
        book = self.circle(self._numbers[symbol] % PATTERNS)[0]
        return PriceLimits(book.previous_close, book.lower_circuit, book.upper_circuit)


def volume_of(done: int) -> int:
    """Shares traded after so many updates."""
    return done % 2**31


def _level(rng: Random) -> tuple[int, int]:
    return rng.randrange(1, 5000), rng.randrange(1, 60)


def _book(close: int, best: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], rng: Random) -> Book:
    return Book(
        symbol="",
        time_ns=0,
        sequence=0,
        bids=tuple(Level(best - TICK_SIZE * place, *level) for place, level in enumerate(bids)),
        asks=tuple(Level(best + TICK_SIZE * (place + 1), *level) for place, level in enumerate(asks)),
        last_price=best,
        last_quantity=rng.randrange(1, 500),
        last_trade_ns=0,
        volume=0,
        average_price=close,
        open=close,
        high=close + STATES * TICK_SIZE,
        low=close - STATES * TICK_SIZE,
        previous_close=close,
        total_buy=1_000_000 + rng.randrange(10_000),
        total_sell=1_000_000 + rng.randrange(10_000),
        lower_circuit=close * 9 // 10,
        upper_circuit=close * 11 // 10,
        open_interest=0,
        previous_open_interest=0,
    )
