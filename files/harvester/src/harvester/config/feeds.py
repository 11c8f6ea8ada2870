"""Settings of the feeds: what each records, and how it behaves towards the broker."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import MARKETS, MarketName
from harvester.base.validation import Model

FeedName = Literal["fyers-rest", "fyers-hsm", "fyers-tbt", "fyers-history", "schwab-history", "schwab-stream"]
BROKER_OF: dict[MarketName, str] = {"nse": "fyers", "us": "schwab"}
"""Whose feeds a market has."""
HISTORIES = frozenset(market.history for market in MARKETS.values())
"""Feeds of brokers' own candles."""
STREAM: FeedName = "schwab-stream"
"""The feed of minutes that are provisional until the history has them."""
WORD = "[A-Z0-9&_.-]+"
INDEX_TICKER = rf"^(NSE|BSE|MCX):{WORD}( {WORD})*-INDEX\Z"
"""What tickers of indices look like in the broker's masters: some have spaces (NSE:NIFTY100 EQL WGT-INDEX)."""
NSE_TICKER = rf"^(NSE|BSE|MCX):({WORD}|{WORD}( {WORD})*-INDEX)\Z"
TICKER = rf"{NSE_TICKER}|^[A-Z]{{1,6}}([./][A-Z]{{1,2}})?\Z"
"""Of NSE and its neighbours with the exchange in front; of the market us plain, such as QQQ and BRK/B."""
LONGEST_TICKER = 50
MOST_SYMBOLS = 10_000
"""Of a host, those that rules stand for among them."""
DEPTH_SYMBOLS_A_CONNECTION, DEPTH_CONNECTIONS = 5, 3
"""Of the 50-level socket; the connections are the account's (Fyers API docs, TBT limits)."""
NseSymbol = Annotated[str, Meta(pattern=NSE_TICKER, max_length=LONGEST_TICKER)]
Symbol = Annotated[str, Meta(pattern=TICKER, max_length=LONGEST_TICKER)]
IndexSymbol = Annotated[str, Meta(pattern=INDEX_TICKER, max_length=LONGEST_TICKER)]
CURRENCY = re.compile(r"^(NSE|BSE):((USD|EUR|GBP|JPY)INR|EURUSD|GBPUSD|USDJPY)[0-9]")
"""Contracts on currency pairs: the only ones of these exchanges with a tick finer than a paisa (0.0025 rupee)."""
WssUrl = Annotated[str, Meta(pattern=r"^wss://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?\Z")]
MuteSeconds = Annotated[float, Meta(ge=1.0, le=600.0)]


def repeated(names: Iterable[str]) -> list[str]:
    """The first few of the names that appear more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)[:5]


def refuse_too_many(symbols: int) -> None:
    """Raise ValueError for more symbols than a host records."""
    if symbols > MOST_SYMBOLS:
        raise ValueError(f"{symbols} symbols are more than the {MOST_SYMBOLS} that a host records")


def refuse_other_market(market: MarketName, symbols: Mapping[str, Iterable[str]], feeds: Iterable[str]) -> None:
    """Raise ValueError for feeds that are another market's, and for tickers; these are by the key that names them."""
    broker = BROKER_OF[market]
    if others := [feed for feed in feeds if not feed.startswith(f"{broker}-")]:
        raise ValueError(f"market is {market}, so feeds must be of {broker}, not " + ", ".join(others))
    form = "a plain ticker such as QQQ" if market == "us" else "a ticker with its exchange such as NSE:SBIN-EQ"
    for key, names in symbols.items():
        for place, symbol in enumerate(names):
            if (":" in symbol) is (market == "us"):
                raise ValueError(f"market is {market}, so {key}[{place}] must be {form}")


def refuse_currency(symbols: Iterable[str]) -> None:
    """Raise ValueError for contracts whose prices cannot be stored: the lake counts whole paise."""
    if refused := [symbol for symbol in symbols if CURRENCY.match(symbol)]:
        raise ValueError(
            f"{', '.join(refused[:5])}: prices of currency contracts are finer than a paisa (ticks of 0.0025 rupee),"
            " and the lake stores whole paise. The calendar has hours of currency segments all the same: leave these"
            " symbols out"
        )


class PollSettings(Model, frozen=True):
    """The schedule of REST polls."""

    interval_seconds: Annotated[float, Meta(ge=1.0, le=3600.0)] = 5.0
    """Seconds from one poll of a symbol to the next, in whole milliseconds."""
    timeout_seconds: Annotated[float, Meta(ge=0.5, le=60.0)] | None = None
    """Seconds after which one poll is given up, in all; at most the interval. Default: 80 % of the interval."""
    when: Literal["always", "fallback"] = "always"
    """always, or fallback: only while a connection of fyers-hsm is down in session."""
    fallback_seconds: Annotated[float, Meta(ge=0.5, le=600.0)] = 5.0
    """Seconds that a connection of fyers-hsm must be down before polls stand in for it."""

    @property
    def interval_ns(self) -> int:
        return round(self.interval_seconds * 1000) * (NS_PER_SECOND // 1000)

    @property
    def fallback_ns(self) -> int:
        return round(self.fallback_seconds * NS_PER_SECOND)

    @property
    def timeout(self) -> float:
        """Seconds, with the default filled in."""
        return self.timeout_seconds or max(0.5, 0.8 * self.interval_seconds)

    def __post_init__(self) -> None:
        if abs(self.interval_seconds * 1000 - round(self.interval_seconds * 1000)) > 1e-6:
            raise ValueError("interval_seconds must be a whole number of milliseconds")
        if self.timeout > self.interval_seconds:
            raise ValueError("timeout_seconds must not be longer than interval_seconds, or polls would pile up")


class HsmSettings(Model, frozen=True):
    """The data socket: quotes and five levels of each symbol, values of indices."""

    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=50_000)] | None = None
    """Tickers to subscribe to; default: all of `symbols`."""
    index_symbols: Annotated[tuple[IndexSymbol, ...], Meta(max_length=200)] = ()
    """Indices to subscribe to, such as NSE:NIFTY50-INDEX; they have values and no depth."""
    redundant: bool = False
    """Record each connection twice, so that the end of one is no gap."""
    mute_seconds: MuteSeconds = 10.0
    """Seconds without any sign of life after which a connection is made anew; without data, first asked about."""
    symbols_per_connection: Annotated[int, Meta(ge=1, le=5000)] = 5000
    """Most symbols of one connection (Fyers support: 5000), which never has more than 5000 topics, two a symbol."""
    url: WssUrl | None = None
    """Address of the socket; default: the broker's."""

    def __post_init__(self) -> None:
        if twice := repeated((*(self.symbols or ()), *self.index_symbols)):
            raise ValueError("symbols and index_symbols name twice: " + ", ".join(twice))


class ChartSettings(Model, frozen=True):
    """Schwab's streamer: each minute as it ends, provisional until schwab-history settles it."""

    mute_seconds: MuteSeconds = 30.0
    """Seconds without any sign of life, such as a heartbeat, after which the connection is made anew."""


class TbtSettings(Model, frozen=True):
    """The 50-level socket."""

    symbols: Annotated[tuple[Symbol, ...], Meta(max_length=DEPTH_SYMBOLS_A_CONNECTION * DEPTH_CONNECTIONS)] = ()
    """Tickers to record with 50 levels, from NSE only."""
    mute_seconds: MuteSeconds = 10.0
    """Seconds without any sign of life after which a connection is made anew; without data, first asked about."""
    url: WssUrl | None = None
    """Address of the socket; default: what the broker's look-up answers."""

    def __post_init__(self) -> None:
        if twice := repeated(self.symbols):
            raise ValueError("symbols names twice: " + ", ".join(twice))
        foreign = [symbol for symbol in self.symbols if not symbol.startswith("NSE:")]
        if foreign:
            raise ValueError("the socket serves NSE alone, not " + ", ".join(foreign[:5]))
