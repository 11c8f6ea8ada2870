"""Closing days of any size: CPU and memory an entry, with thousands of symbols, with five, and after many reconnects.

All steps are counted: indexing, archiving, decoding, sorting, writing, reading back, the balance. Beside it, in the
same run, what pyarrow alone takes to write the rows of depth and quotes, in the row groups and at the levels of the
lake, and to read them back. `python -m tests.bench.bench_close alone PLACE` does that in a process of its own.

Each day is closed a second time with parts of all its segments but the last with data, as `harvester build` makes them
while a day runs, and a third time with slices of those parts, of SLICE rows: what the close then takes is the tail.
"""

import json
import shutil
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import child

if TYPE_CHECKING:  # the parts are measured in processes of their own, which need neither pytest nor rich
    from tests.bench.report import Report

MANY, FEW = 5_000, 5
MILLION = 1_000_000
SLICE = 2 * MILLION
"""Rows of a slice; on a host it has ten times as many."""
RECONNECTS, FLAPPING = 1_000, 2_000
"""How often a connection breaks, and its symbols."""


def run(report: "Report", *, long: bool) -> None:
    """Record days of 1 and 10 million entries, with `long` of 40, and one of many reconnects; close each."""
    sizes = {"1": MILLION, "10": 10 * MILLION} | ({"40": 40 * MILLION} if long else {})
    days = {name: _close_crowd(MANY, entries) for name, entries in sizes.items()}
    days["five"] = _close_crowd(FEW, MILLION)
    flaps = _close_flaps()
    rows = [
        [
            f"{day['entries']:,} of {day['symbols']:,} symbols",
            1e6 * day["cpu_s"] / day["entries"],
            1e6 * day["alone_s"] / day["entries"],
            day["cpu_s"],
            day["rss_mib"],
            day["bytes"] / day["entries"],
            1e6 * day["tail"]["cpu_s"] / day["entries"],
            1e6 * day["build"]["cpu_s"] / day["entries"],
            day["build"]["rss_mib"],
            1e6 * day["sliced"]["cpu_s"] / day["entries"],
            1e6 * day["slices"]["cpu_s"] / day["entries"],
            day["slices"]["rss_mib"],
        ]
        for day in days.values()
    ]
    rows.append(
        [f"{RECONNECTS:,} reconnects of {FLAPPING:,} symbols", "", "", flaps["cpu_s"], flaps["rss_mib"], *[""] * 7]
    )
    columns = ["entries", "us/entry", "pyarrow alone", "CPU-s", "RSS MiB", "lake bytes/entry"]
    columns += ["us/entry with parts", "building them", "RSS MiB of that"]
    columns += ["us/entry with slices", "building both", "RSS MiB of that"]
    report.table("Closing a day", columns, rows)
    small, large = days["1"], days["10"]
    each = {name: 1e6 * day["cpu_s"] / day["entries"] for name, day in days.items()}
    report.figure("close_us_per_entry", round(each["10"], 2), bound="<= 6", unit="us")
    report.figure("close_vs_pyarrow", round(large["cpu_s"] / large["alone_s"], 2), bound="<= 4", unit="x")
    report.figure("close_small_vs_pyarrow", round(small["cpu_s"] / small["alone_s"], 2), bound="<= 6", unit="x")
    report.figure("close_rss_mib", round(max(days[name]["rss_mib"] for name in sizes), 1), bound="<= 400", unit="MiB")
    report.figure("close_5_rss_mib", round(days["five"]["rss_mib"], 1), bound="<= 200", unit="MiB")
    report.figure("close_tail_s", round(large["tail"]["cpu_s"], 1), bound="<= 300", unit="s")
    report.figure("close_tail_5_s", round(days["five"]["tail"]["cpu_s"], 1), bound="<= 20", unit="s")
    report.figure("close_tail_vs_whole", round(large["tail"]["cpu_s"] / large["cpu_s"], 2), bound="<= 0.9", unit="x")
    share = round(large["sliced"]["cpu_s"] / large["cpu_s"], 2)
    report.figure("close_sliced_vs_whole", share, bound="<= 0.4", unit="x")
    report.figure("close_linear", round(each["10"] / each["1"], 2), bound="<= 1.2", unit="x")
    if long:
        report.figure("close_linear_40m", round(each["40"] / each["1"], 2), bound="<= 1.2", unit="x")
    report.figure("flap_rss_mib", round(flaps["rss_mib"], 1), bound="<= 450", unit="MiB")


def _close_crowd(symbols: int, entries: int) -> dict[str, Any]:
    """Close a day of the crowd; what it took, and its bytes in the lake without the archive."""
    from tests.bench.crowd import record

    with tempfile.TemporaryDirectory(prefix="bench-close-") as folder:
        place = Path(folder)
        count = record(place / "journal", symbols, entries)
        closed = _close(place)
        alone = child.run("tests.bench.bench_close", "alone", place)
        tables = sum(path.stat().st_size for path in (place / "lake").rglob("*.parquet"))
        shutil.rmtree(place / "lake")
        built = child.run("tests.bench.bench_close", "build", place)
        tail = _close(place)
        shutil.rmtree(place / "lake")
        slices = child.run("tests.bench.bench_close", "slices", place)
        sliced = _close(place)
    facts = {"symbols": symbols, "entries": count, "alone_s": alone["cpu_s"], "bytes": tables}
    return closed | facts | {"build": built, "tail": tail, "slices": slices, "sliced": sliced}


def _close_flaps() -> dict[str, Any]:
    from tests.bench.crowd import record_flaps

    with tempfile.TemporaryDirectory(prefix="bench-close-") as folder:
        record_flaps(Path(folder) / "journal", FLAPPING, RECONNECTS)
        return _close(Path(folder))


def _close(place: Path) -> dict[str, Any]:
    closed = child.run("tests.bench.bench_lake", "close", place)
    if closed["outcome"] != "closed":
        raise RuntimeError(f"the day was not closed: {closed}")
    return closed


def alone(place: Path) -> dict[str, object]:
    """Write the rows of depth and quotes anew with pyarrow alone, and read them back; the CPU of both."""
    import pyarrow.parquet as pq

    from harvester.lake.layout import DEPTH, QUOTES, folder_of
    from harvester.lake.schema import TABLES
    from harvester.lake.tables.parquet import TableWriter

    spent = 0.0
    for name in (DEPTH, QUOTES):
        for path in (place / "lake" / folder_of(name)).rglob("*.parquet"):
            again = place / "again.parquet"
            with pq.ParquetFile(path) as file, TableWriter(again, TABLES[name], []) as writer:
                for number in range(file.num_row_groups):
                    rows = file.read_row_group(number)
                    began = time.process_time()
                    writer._writer.write_table(rows, row_group_size=rows.num_rows)
                    spent += time.process_time() - began
            began = time.process_time()
            with pq.ParquetFile(again) as file:
                for _ in file.iter_batches(8192):
                    pass
            spent += time.process_time() - began
    return {"cpu_s": spent}


def build(place: Path, least_rows: int = 0) -> dict[str, object]:
    """Make parts of all segments but the last with data, and the one of control records after it; slices of them, where
    one has so many rows.
    """
    from tests.bench.bench_lake import HOST

    from harvester.base.release import release_id
    from harvester.lake.day.model import Expectation
    from harvester.lake.layout import Partition
    from harvester.lake.prepare import build_parts
    from harvester.lake.publish.archive import Form
    from harvester.lake.slices import build_slices

    (day,) = (place / "journal").glob("2*")
    later = {path: path.with_suffix(".later") for path in sorted(day.glob("*.seg"))[-2:]}
    for path, name in later.items():
        path.rename(name)
    began = time.process_time()
    what: dict[str, Any] = {"journal": place / "journal", "lake": place / "lake", "release": release_id()}
    what["partition"] = Partition(date.fromisoformat(day.name), HOST)
    outcome, count = build_parts(**what, form=Form.ZSTD, reserve_bytes=0)
    made = 0
    if least_rows:
        made = build_slices(**what, expectation=Expectation((), (), None, 0), least_rows=least_rows, settled_ns=0)
    for path, name in later.items():
        name.rename(path)
    if not count:
        raise RuntimeError(f"no segment became a part: {outcome}")
    return {"cpu_s": time.process_time() - began, "rss_mib": child.peak_mib(), "slices": made}


def slices(place: Path, least_rows: int = SLICE) -> dict[str, object]:
    """Make parts, and slices of them."""
    return build(place, least_rows)


if __name__ == "__main__":
    what = {"alone": alone, "build": build, "slices": slices}[sys.argv[1]]
    print(json.dumps(what(Path(sys.argv[2]), *map(int, sys.argv[3:]))))
