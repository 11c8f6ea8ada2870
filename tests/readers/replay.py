"""Runs in the exporters' venv: what the unmodified packages find in exported files, as JSON.

hftbacktest NPZ STEP_NS: [time, best bid, best ask, shares of each] after every step; nautilus CATALOG: books by symbol.
"""

import json
import sys
from typing import Any


def hftbacktest(path: str, step_ns: str) -> list[list[float]]:
    """Replay the file from its first event to its last."""
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

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
    )
    backtest = HashMapMarketDepthBacktest([asset])
    seen = []
    while backtest.elapse(int(step_ns)) == 0:
        depth = backtest.depth(0)
        sides = [depth.best_bid, depth.best_ask, depth.best_bid_qty, depth.best_ask_qty]
        seen.append([backtest.current_timestamp, *map(float, sides)])
    backtest.close()
    return seen


def nautilus(path: str) -> dict[str, Any]:
    """Load everything that the catalog has."""
    from nautilus_trader.model.data import OrderBookDepth10
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    catalog = ParquetDataCatalog(path)
    books: dict[str, list[Any]] = {}
    for book in catalog.query(OrderBookDepth10):
        sides = [[[str(each.price), int(each.size)] for each in side[:5]] for side in (book.bids, book.asks)]
        orders = [book.bid_counts[:5], book.ask_counts[:5]]
        books.setdefault(str(book.instrument_id), []).append([book.ts_init, *sides, *orders])
    instruments = [[str(each.id), str(each.raw_symbol), str(each.quote_currency)] for each in catalog.instruments()]
    return {"books": books, "instruments": instruments}


if __name__ == "__main__":
    print(json.dumps({"hftbacktest": hftbacktest, "nautilus": nautilus}[sys.argv[1]](*sys.argv[2:])))
