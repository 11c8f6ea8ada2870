"""Runs in the engines' venv: answers as polars, pandas and DuckDB have them. LAKE DAY SYMBOL OPENS CLOSES."""

import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from by_hand import grid as grid_by_hand

from harvester.reader import Lake, open_lake

FIELDS = ["mid", "spread_bp", "imbalance_5", "ofi_5", "microprice"]
SECOND = 10**9


def check_frames(lake: Lake, day: str, symbol: str) -> None:
    """Each library's frame has the rows, times and sums of the Arrow table; by itself an answer is polars'."""
    answer = lake.depth(symbol, day, tz="Asia/Kolkata")
    table = answer.arrow()
    times = table["ts_recv"].cast(pa.int64()).to_pylist()
    total = sum(price for price in table["bid_px_1"].to_pylist() if price is not None)

    frame = answer.polars()
    assert isinstance(frame, pl.DataFrame)
    assert frame.schema["ts_recv"] == pl.Datetime("ns", "Asia/Kolkata")
    assert frame["ts_recv"].to_physical().to_list() == times
    assert abs(frame["bid_px_1"].sum() - total) < 1e-6
    assert isinstance(answer.filter(pl.col("bid_px_1") > 0), pl.DataFrame)
    assert answer.shape == frame.shape == (len(table), table.num_columns)
    assert answer["symbol"].unique().to_list() == [symbol]
    assert pl.DataFrame(lake.depth(symbol, day)).height == len(table)

    data = answer.pandas()
    assert isinstance(data, pd.DataFrame)
    assert str(data["ts_recv"].dt.tz) == "Asia/Kolkata"
    assert data["ts_recv"].astype("int64").tolist() == times
    assert abs(data["bid_px_1"].sum() - total) < 1e-6
    exact = lake.depth(symbol, day, origin=True).pandas()
    assert exact["seq"].tolist() == lake.depth(symbol, day, origin=True).arrow()["seq"].to_pylist()

    [(rows, bids)] = answer.duckdb().aggregate("count(*), sum(bid_px_1)").fetchall()
    assert rows == len(table)
    assert abs(bids - total) < 1e-6
    assert duckdb.sql("select count(*) from answer").fetchall() == [(len(table),)]


def check_grid(lake: Lake, folder: Path, day: str, symbol: str, opens: int, closes: int) -> None:
    """The grid is what polars' asof joins give by hand."""
    for every in (SECOND, SECOND // 4, 7 * SECOND):
        ours = lake.grid(symbol, day, day, every=f"{every // 1_000_000}ms", fields=FIELDS, session="continuous")
        theirs = grid_by_hand(folder, day, "lab1", symbol, opens, closes, every)
        assert ours.times_ns.tolist() == theirs["time"].to_list()
        assert ours.mask[:, 0].tolist() == theirs["mask"].to_list()
        assert ours.mask.any()
        for at, name in enumerate(FIELDS):
            np.testing.assert_allclose(ours.values[:, 0, at], theirs[name].to_numpy(), rtol=1e-12)
    frame = ours.polars()
    assert frame.columns == ["time", "symbol", "mask", *FIELDS]
    assert frame.filter(~pl.col("mask"))["mid"].null_count() == (~ours.mask).sum()
    assert isinstance(ours.pandas(), pd.DataFrame)


def main() -> None:
    folder, day, symbol, opens, closes = sys.argv[1:]
    lake = open_lake(folder)
    check_frames(lake, day, symbol)
    check_grid(lake, Path(folder), day, symbol, int(opens), int(closes))
    print("checked", day, symbol)


if __name__ == "__main__":
    main()
