"""The lake's own tables of a day: bytes per update, the cost of closing, and a question to DuckDB.

`python -m tests.bench.bench_lake close|files|views PLACE` does one part in a process of its own.
"""

import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import child

if TYPE_CHECKING:  # the parts are measured in processes of their own, which need neither pytest nor rich
    from tests.bench.report import Report

DAY = 200_000
MANY = 5_000
"""Symbols of the broad day, which has as many updates."""
HOST = "bench"
QUESTION = """
    select symbol, {ns} // 1000000000 as second, arg_max({bid} + {ask}, {ns}) / 2 as mid from {table} group by all
"""
"""The last mid price of each second of each symbol, in paise."""
WAYS = ("files", "views")
TABLES = ("depth", "quotes", "trades", "bars", "gaps")


def run(report: "Report", *, long: bool) -> None:
    """Record a day, close it, ask."""
    from tests.bench.market import namesakes, spread, updates
    from tests.bench.wire import arrivals, record

    tickers = namesakes(MANY)
    with tempfile.TemporaryDirectory(prefix="bench-lake-") as folder:
        place = Path(folder)
        record(place / "journal", list(arrivals(spread(updates(DAY), MANY), tickers=tickers)), tickers)
        broad = child.run("tests.bench.bench_lake", "close", place)
        broad_sizes = _sizes(place)
    with tempfile.TemporaryDirectory(prefix="bench-lake-") as folder:
        place = Path(folder)
        record(place / "journal", list(arrivals(updates(DAY))))
        closed = child.run("tests.bench.bench_lake", "close", place)
        asked = {way: _ask_often(way, place / "lake", times=5 if long else 3) for way in WAYS}
        sizes = _sizes(place)
    answer = asked["files"]
    rows = [[f"table {kind}", size / DAY, "", ""] for kind, size in sizes.items()]
    rows.append(["closing the day", "", closed["cpu_s"], closed["rss_mib"]])
    for way, label in zip(WAYS, ("DuckDB on the files", "the views of ./inv query"), strict=True):
        rows.append([f"last mid per second, {label}", "", asked[way]["cpu_s"], asked[way]["rss_mib"]])
    report.table(f"Lake of {DAY:,} updates of five levels", ["", "bytes/update", "CPU-s", "RSS MiB"], rows)
    rows = [[f"table {kind}", size / DAY, "", ""] for kind, size in broad_sizes.items()]
    rows.append(["closing the day", "", broad["cpu_s"], broad["rss_mib"]])
    report.table(f"Lake of {MANY:,} symbols with {DAY // MANY} updates", ["", "bytes/update", "CPU-s", "RSS MiB"], rows)
    report.figure("close_5000_cpu_s", round(broad["cpu_s"], 1), bound="<= 60", unit="s")
    report.figure("close_5000_rss_mib", round(broad["rss_mib"], 1), bound="<= 300", unit="MiB")
    report.figure("lake_bytes_per_update", round(sizes["depth"] / DAY, 2), bound="<= 22", unit="bytes")
    report.figure("query_cpu_s", round(answer["cpu_s"], 3), bound="<= 0.15", unit="s")
    report.figure("query_rss_mib", round(answer["rss_mib"], 1), bound="<= 120", unit="MiB")


def _sizes(place: Path) -> dict[str, int]:
    """Bytes of each table."""
    from harvester.lake.layout import folder_of

    return {
        kind: sum(path.stat().st_size for path in (place / "lake" / folder_of(kind)).rglob("*.parquet"))
        for kind in TABLES
    }


def close(place: Path) -> dict[str, object]:
    """Close the one day of the journal."""
    from harvester.lake.close import close_day
    from harvester.lake.day.model import Expectation
    from harvester.lake.layout import Partition

    (day,) = (place / "journal").glob("2*")
    began = time.process_time()
    closing = close_day(
        journal=place / "journal",
        lake=place / "lake",
        partition=Partition(date.fromisoformat(day.name), HOST),
        expectation=Expectation((), (), None, 0),
        now_ns=time.time_ns(),
    )
    return {"outcome": closing.outcome, "cpu_s": time.process_time() - began, "rss_mib": child.peak_mib()}


def _ask_often(way: str, lake: Path, *, times: int) -> dict[str, float]:
    """The best of some processes: others may load the machine."""
    return min((child.run("tests.bench.bench_lake", way, lake) for _ in range(times)), key=lambda each: each["cpu_s"])


def ask_files(lake: Path) -> dict[str, object]:
    """Put the question to the files themselves; the answer as arrays. Imports are not measured."""
    import duckdb
    import numpy as np

    table = f"read_parquet('{lake}/depth_v3/*/*/*.parquet')"
    with duckdb.connect(config={"threads": 1}) as connection:
        began = time.process_time()
        question = QUESTION.format(ns="epoch_ns(ts_recv)", bid="bid_px_paise[1]", ask="ask_px_paise[1]", table=table)
        answer = connection.execute(question).fetchnumpy()
        spent = time.process_time() - began
    return {"rows": int(np.size(answer["mid"])), "cpu_s": spent, "rss_mib": child.peak_mib()}


def ask_views(lake: Path) -> dict[str, object]:
    """Put the question as `./inv query` does, which needs pyarrow, too."""
    import pyarrow  # noqa: F401  # imported by open_lake anyway, and not measured

    from runbook.report.query import open_lake

    with open_lake(lake) as connection:
        connection.execute("set threads = 1")
        began = time.process_time()
        question = QUESTION.format(ns="recv_ns", bid="bid_px_paise_1", ask="ask_px_paise_1", table="depth")
        rows = connection.sql(question).to_arrow_table().num_rows
        spent = time.process_time() - began
    return {"rows": rows, "cpu_s": spent, "rss_mib": child.peak_mib()}


if __name__ == "__main__":
    parts = {"close": close, "files": ask_files, "views": ask_views}
    print(json.dumps(parts[sys.argv[1]](Path(sys.argv[2]))))
