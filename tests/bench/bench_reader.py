"""The reader: a grid beside the same one by polars' asof joins, and the memory of a month.

`python -m tests.bench.bench_reader grid|by_hand|month LAKE` does one part in a process of its own, in the venv of
requirements/engines.txt, which has polars.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import child

if TYPE_CHECKING:  # the parts are measured in processes of their own, which need neither pytest nor rich
    from tests.bench.report import Report

UPDATES = 200_000
DAYS = 21
EVERY_NS = 1_000_000_000
FIELDS = ["mid", "spread_bp", "imbalance_5", "ofi_5", "microprice"]
MODULE = "tests.bench.bench_reader"


def run(report: "Report", *, long: bool) -> None:
    """Record and close a day of five shares, repeat it over a month, and ask."""
    from tests.bench.market import updates
    from tests.bench.month import repeat, trading_days
    from tests.bench.wire import arrivals, record
    from tests.readers.venv import making

    from harvester.lake.layout import find_partitions

    with tempfile.TemporaryDirectory(prefix="bench-reader-") as folder, making("engines") as python:
        place = Path(folder)
        record(place / "journal", list(arrivals(updates(UPDATES))))
        child.run("tests.bench.bench_lake", "close", place)
        lake = place / "lake"
        best = {part: _best(python, part, lake, times=7 if long else 3) for part in ("grid", "by_hand")}
        assert best["grid"]["sums"] == best["by_hand"]["sums"], best
        [only] = find_partitions(lake)
        repeat(lake, trading_days(only.date, DAYS))
        month = child.run(MODULE, "month", lake, python=python)
    rows = [[label, best[part]["cpu_s"], best[part]["wall_s"], best[part]["rss_mib"]] for part, label in _LABELS]
    report.table(f"A grid of a day: 5 symbols, 1 s, {len(FIELDS)} fields", ["", "CPU-s", "s", "RSS MiB"], rows)
    rows = [[name, each["rows"], each["cpu_s"], each["rss_mib"]] for name, each in month.items()]
    report.table(f"A month of five symbols, {DAYS} days", ["", "rows", "CPU-s", "RSS MiB"], rows)
    ratio = best["by_hand"]["cpu_s"] / best["grid"]["cpu_s"]
    report.figure("grid_vs_polars", round(ratio, 2), bound=">= 1", unit="x")
    report.figure("month_rss_mib", round(month["streamed"]["rss_mib"], 1), bound="<= 300", unit="MiB")


_LABELS = (("grid", "lake.grid"), ("by_hand", "polars' asof joins by hand"))


def _best(python: str, part: str, lake: Path, *, times: int) -> dict[str, Any]:
    """The best of some processes: others may load the machine."""
    return min((child.run(MODULE, part, lake, python=python) for _ in range(times)), key=lambda each: each["cpu_s"])


def _sums(known: Any, mids: Any) -> list[float]:
    """By symbol how many moments are known, and the sum of their mid prices."""
    return [value for mask, mid in zip(known, mids, strict=True) for value in (int(mask.sum()), round(mid.sum(), 3))]


def grid(lake: Path) -> dict[str, object]:
    """By the reader. Imports are not measured."""
    import polars  # noqa: F401  # so that both have the same in memory

    from harvester.reader import fields, grid, moments, open_lake  # noqa: F401

    cpu, wall = time.process_time(), time.perf_counter()
    here = open_lake(lake)
    made = here.grid(here.symbols(here.days()[0]), every=f"{EVERY_NS // 10**6}ms", fields=FIELDS)
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    values = [made.values[:, at, 0][made.mask[:, at]] for at in range(len(made.symbols))]
    return {**spent, "rss_mib": child.peak_mib(), "sums": _sums(made.mask.T, values)}


def by_hand(lake: Path) -> dict[str, object]:
    """By polars, for the same moments. Imports are not measured."""
    import polars  # noqa: F401
    from tests.readers.by_hand import grid as grid_by_hand

    from harvester.reader import open_lake

    here = open_lake(lake)
    [day] = here.days()
    [host] = here.hosts(day)
    symbols = here.symbols(day)
    times = here.grid(symbols[0], every=f"{EVERY_NS // 10**6}ms", fields="mid").times_ns
    cpu, wall = time.process_time(), time.perf_counter()
    closes = int(times[-1]) + EVERY_NS
    frames = [grid_by_hand(lake, str(day), host, symbol, int(times[0]), closes, EVERY_NS) for symbol in symbols]
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    sums = _sums([frame["mask"] for frame in frames], [frame["mid"].drop_nulls() for frame in frames])
    return {**spent, "rss_mib": child.peak_mib(), "sums": sums}


def month(lake: Path) -> dict[str, object]:
    """Every row of books of all days piece by piece; then a grid of all days, which is held."""
    from harvester.reader import open_lake

    here = open_lake(lake)
    symbols = here.symbols(here.days()[0])
    began = time.process_time()
    rows = sum(batch.num_rows for batch in here.depth(symbols).batches())
    streamed = {"rows": rows, "cpu_s": time.process_time() - began, "rss_mib": child.peak_mib()}
    began = time.process_time()
    made = here.grid(symbols, every="1s", fields=FIELDS)
    held = {"rows": made.mask.size, "cpu_s": time.process_time() - began, "rss_mib": child.peak_mib()}
    return {"streamed": streamed, "as a grid of 1 s": held}


if __name__ == "__main__":
    parts = {"grid": grid, "by_hand": by_hand, "month": month}
    print(json.dumps(parts[sys.argv[1]](Path(sys.argv[2]))))
