"""One order book as a broker shows it: prices in whole units of the instrument, whole shares, nanoseconds UTC."""

from typing import NamedTuple


class Level(NamedTuple):
    """One price level; all zero when the side has no such level."""

    price: int
    quantity: int
    orders: int


class Book(NamedTuple):
    """The book of one symbol from `time_ns` until its next update. Prices in the
    instrument's units (paise, or finer), best level first."""

    symbol: str
    time_ns: int
    sequence: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_price: int
    last_quantity: int
    last_trade_ns: int
    volume: int
    average_price: int
    open: int
    high: int
    low: int
    previous_close: int
    total_buy: int
    total_sell: int
    lower_circuit: int
    upper_circuit: int
    open_interest: int
    previous_open_interest: int
