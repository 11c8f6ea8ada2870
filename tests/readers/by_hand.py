"""The same grid as lake.grid, written by hand with polars' asof joins, as somebody without the reader would."""

from pathlib import Path
from typing import Any

import polars as pl

LEVELS = 5


def books(path: Path, symbol: str) -> Any:
    """A symbol's rows with the fields of a book, and the running sum of its order flow."""
    side = {name: [pl.col(f"{name}_paise").list.get(level) for level in range(LEVELS)] for name in ("bid_px", "ask_px")}
    size = {name: [pl.col(name).list.get(level) for level in range(LEVELS)] for name in ("bid_qty", "ask_qty")}
    bid, ask, bid_qty, ask_qty = side["bid_px"][0], side["ask_px"][0], size["bid_qty"][0], size["ask_qty"][0]
    bids, asks = (pl.sum_horizontal(size[name]) for name in ("bid_qty", "ask_qty"))
    flow = []
    for level in range(LEVELS):
        price, quantity = side["bid_px"][level].fill_null(-1), size["bid_qty"][level]
        flow.append(pl.when(price >= price.shift()).then(quantity).otherwise(0))
        flow.append(pl.when(price <= price.shift()).then(-quantity.shift()).otherwise(0))
        price, quantity = side["ask_px"][level].fill_null(1 << 60), size["ask_qty"][level]
        flow.append(pl.when(price <= price.shift()).then(-quantity).otherwise(0))
        flow.append(pl.when(price >= price.shift()).then(quantity.shift()).otherwise(0))
    return (
        pl.scan_parquet(path, hive_partitioning=False)
        .filter(pl.col("symbol") == symbol)
        .select(
            pl.col("ts_recv").to_physical(),
            ((bid + ask) / 200).alias("mid"),
            ((ask - bid) * 20_000 / (ask + bid)).alias("spread_bp"),
            ((bids - asks) / (bids + asks)).alias("imbalance_5"),
            ((ask * bid_qty + bid * ask_qty) / (bid_qty + ask_qty) / 100).alias("microprice"),
            pl.sum_horizontal(flow).fill_null(0).cum_sum().alias("flow"),
        )
        .collect()
    )


def grid(lake: Path, day: str, host: str, symbol: str, opens: int, closes: int, every: int) -> Any:
    """One row a moment: time, mask, mid, spread_bp, imbalance_5, ofi_5, microprice; null where the mask is false."""
    [depth] = lake.glob(f"depth_v3/date={day}/host={host}/*.parquet")
    [ledger] = lake.glob(f"gaps_v3/date={day}/host={host}/*.parquet")
    rows = books(depth, symbol).with_columns(pl.col("ts_recv").alias("received")).set_sorted("ts_recv")
    lost = (
        pl.read_parquet(ledger, hive_partitioning=False)
        .filter(pl.col("symbol") == symbol)
        .sort("ts_from")
        .select(pl.col("ts_from").to_physical(), pl.col("ts_to").to_physical().cum_max().alias("reach"))
    )
    times = pl.DataFrame({"time": range(opens, closes, every)}).with_columns((pl.col("time") - every).alias("before"))
    earlier = rows.select("ts_recv", pl.col("flow").alias("flow_before"), pl.col("received").alias("since"))
    joined = (
        times.set_sorted("time")
        .join_asof(rows, left_on="time", right_on="ts_recv")
        .join_asof(lost, left_on="time", right_on="ts_from")
        .set_sorted("before")
        .join_asof(earlier, left_on="before", right_on="ts_recv")
    )
    whole = [
        (pl.col("received") >= opens),
        (pl.col("since") >= opens),
        (pl.col("reach").fill_null(0) <= pl.col("since")),
    ]
    fields = ["mid", "spread_bp", "imbalance_5", "ofi_5", "microprice"]
    whole += [pl.col(name).is_finite() for name in fields]
    return (
        joined.with_columns((pl.col("flow") - pl.col("flow_before")).cast(pl.Float64).alias("ofi_5"))
        .with_columns(pl.all_horizontal(*whole).fill_null(False).alias("mask"))
        .select("time", "mask", *(pl.when(pl.col("mask")).then(pl.col(name)).alias(name) for name in fields))
    )
