"""Runs in the exporters' venv: what the unmodified packages find in exported files, as JSON.

hftbacktest NPZ STEP_NS: [time, best bid, best ask, shares of each] after every step, and the trades, [side, price,
shares]; nautilus CATALOG: books and trades by symbol, instruments.
"""

import json
import sys
from typing import Any


def hftbacktest(path: str, step_ns: str) -> dict[str, list[list[float]]]:
    """Replay the file from its first event to its last."""
    from hftbacktest import BUY_EVENT, SELL_EVENT, BacktestAsset, HashMapMarketDepthBacktest

    asset = (
        BacktestAsset()
        .data([path])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(0.01)
        .lot_size(1)
        .last_trades_capacity(1_000)
    )
    backtest = HashMapMarketDepthBacktest([asset])
    seen, trades, ended = [], [], False
    while not ended:
        ended = backtest.elapse(int(step_ns)) != 0
        for each in backtest.last_trades(0):
            side = bool(each["ev"] & BUY_EVENT) - bool(each["ev"] & SELL_EVENT)
            trades.append([int(side), float(each["px"]), float(each["qty"])])
        backtest.clear_last_trades(0)
        if not ended:
            depth = backtest.depth(0)
            sides = [depth.best_bid, depth.best_ask, depth.best_bid_qty, depth.best_ask_qty]
            seen.append([backtest.current_timestamp, *map(float, sides)])
    backtest.close()
    return {"books": seen, "trades": trades}


def nautilus(path: str) -> dict[str, Any]:
    """Load everything that the catalog has."""
    from nautilus_trader.model.data import OrderBookDepth10, TradeTick
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    catalog = ParquetDataCatalog(path)
    books: dict[str, list[Any]] = {}
    for book in catalog.query(OrderBookDepth10):
        sides = [[[str(each.price), int(each.size)] for each in side[:5]] for side in (book.bids, book.asks)]
        orders = [book.bid_counts[:5], book.ask_counts[:5]]
        books.setdefault(str(book.instrument_id), []).append([book.ts_init, *sides, *orders])
    trades: dict[str, list[Any]] = {}
    for each in catalog.query(TradeTick):
        ours = [each.ts_init, str(each.price), int(each.size), each.aggressor_side]
        trades.setdefault(str(each.instrument_id), []).append(ours)
    instruments = {
        str(each.raw_symbol): {
            **{"kind": type(each).__name__, "id": str(each.id), "currency": str(each.quote_currency)},
            **{"tick": str(each.price_increment), "lot": str(each.lot_size), "isin": getattr(each, "isin", None)},
            **{"strike": str(getattr(each, "strike_price", "")), "expires": getattr(each, "expiration_ns", None)},
        }
        for each in catalog.instruments()
    }
    return {"books": books, "trades": trades, "instruments": instruments}


if __name__ == "__main__":
    print(json.dumps({"hftbacktest": hftbacktest, "nautilus": nautilus}[sys.argv[1]](*sys.argv[2:])))
