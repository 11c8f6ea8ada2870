"""Books in the broker's JSON: the /depth row and the /quotes values."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from exchange.market.book import Book, Level
from exchange.market.instruments import Instrument
from exchange.replies import rupees, trimmed
from harvester.base.clock import NS_PER_SECOND

NO_LEVELS = [{"price": 0, "volume": 0, "ord": 0}] * 5


def depth_row(book: Book, instrument: Instrument) -> dict[str, Any]:
    """The row under the symbol in a /depth answer; keys, order, spelling and types as captured from the broker."""
    index = instrument.is_index
    price = partial(rupees, per_rupee=instrument.per_rupee)
    change = book.last_price - book.previous_close
    return {
        "totalbuyqty": 0 if index else book.total_buy,
        "totalsellqty": 0 if index else book.total_sell,
        "ask": NO_LEVELS if index else _levels(book.asks, instrument),
        "bids": NO_LEVELS if index else _levels(book.bids, instrument),
        "o": price(book.open),
        "h": price(book.high),
        "l": price(book.low),
        "c": price(book.previous_close),
        "chp": trimmed(100 * change / book.previous_close),
        "tick_Size": price(instrument.tick),
        "ch": -price(-change) if change < 0 else price(change),
        "ltq": 0 if index else book.last_quantity,
        "ltt": book.last_trade_ns // NS_PER_SECOND,
        "ltp": price(book.last_price),
        "v": 0 if index else book.volume,
        "atp": 0 if index else price(book.average_price),
        "lower_ckt": 0 if index else price(book.lower_circuit),
        "upper_ckt": 0 if index else price(book.upper_circuit),
        "expiry": instrument.expiry,
        "oi": book.open_interest,
        "oiflag": bool(book.open_interest),
        "pdoi": book.previous_open_interest,
        "oipercent": _percent(book.open_interest, book.previous_open_interest),
    }


Side = list[dict[str, int | float]]


def recorded_row(values: Mapping[str, Any], sides: dict[str, Side], tick: int, expiry: str) -> dict[str, Any]:
    """The same row of recorded figures: `values` bear the lake's names and are whole paise, as is `tick`."""
    last, close = values["ltp"], values["prev_close"]
    return {
        "totalbuyqty": values["total_buy_qty"],
        "totalsellqty": values["total_sell_qty"],
        "ask": sides["ask"],
        "bids": sides["bid"],
        "o": rupees(values["open"]),
        "h": rupees(values["high"]),
        "l": rupees(values["low"]),
        "c": rupees(close),
        "chp": trimmed(100 * (last - close) / close) if close else 0,
        "tick_Size": rupees(tick),
        "ch": (last - close) / 100,
        "ltq": values["ltq"],
        "ltt": values["ltt"],
        "ltp": rupees(last),
        "v": values["volume"],
        "atp": rupees(values["atp"]),
        "lower_ckt": rupees(values["lower_ckt"] or 0),
        "upper_ckt": rupees(values["upper_ckt"] or 0),
        "expiry": expiry,
        "oi": values["oi"] or 0,
        "oiflag": bool(values["oi"]),
        "pdoi": 0,
        "oipercent": 0,
    }


def recorded_sides(values: Mapping[str, Any], price: str, quantity: str, orders: str) -> dict[str, Side]:
    """Five bids and five asks in the row's form, from values named such as bid_px_1, where `price` is px_."""

    def level(side: str, number: int) -> dict[str, int | float]:
        paise, shares, count = (values.get(f"{side}_{name}{number}") or 0 for name in (price, quantity, orders))
        return {"price": rupees(paise), "volume": shares, "ord": count}

    return {side: [level(side, number) for number in range(1, 6)] for side in ("bid", "ask")}


def _levels(levels: tuple[Level, ...], instrument: Instrument) -> Side:
    return [
        {"price": rupees(level.price, instrument.per_rupee), "volume": level.quantity, "ord": level.orders}
        for level in levels
    ]


def _percent(now: int, before: int) -> int | float:
    return trimmed(100 * (now - before) / before) if before else 0


def quote(row: dict[str, Any], instrument: Instrument) -> dict[str, Any]:
    """One entry of a /quotes answer, from the symbol's /depth row."""
    bid, ask = row["bids"][0]["price"], row["ask"][0]["price"]
    exchange, _, short = instrument.ticker.partition(":")
    return {
        "n": instrument.ticker,
        "s": "ok",
        "v": {
            "ch": row["ch"],
            "chp": row["chp"],
            "lp": row["ltp"],
            "spread": trimmed(ask - bid, instrument.decimals),
            "ask": ask,
            "bid": bid,
            "open_price": row["o"],
            "high_price": row["h"],
            "low_price": row["l"],
            "prev_close_price": row["c"],
            "atp": row["atp"],
            "volume": row["v"],
            "short_name": short,
            "exchange": exchange,
            "description": instrument.ticker,
            "original_name": instrument.ticker,
            "symbol": instrument.ticker,
            "fyToken": instrument.token,
            "tt": str(row["ltt"]),
        },
    }
