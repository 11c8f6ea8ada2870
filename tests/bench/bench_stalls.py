"""Stalls: how long the recorder's loop stamps no receive time at 5,000 symbols, and what used to stop it."""

import os
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic_ns, thread_time_ns
from typing import Any

from tests.bench import child
from tests.bench.report import Report

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND, SystemClock
from harvester.journal import JournalWriter, RunInfo

SYMBOLS, RATE = 5_000, 2.0
SECONDS, LONG_SECONDS = 24, 120
SHOWN = 8
LOST = 2_500
"""Symbols of a connection that ends: 5,000 topics, two a symbol."""
ROUNDS = 7


def run(report: Report, *, long: bool) -> None:
    """Watch the loop of a real recorder, then compare the ways of writing in one process."""
    _compare(report)
    if os.geteuid() != 0:
        report.skip("stalls under load", "a network namespace of its own needs root")
        return
    with tempfile.TemporaryDirectory(prefix="bench-stalls-") as folder:
        found = child.run("tests.bench.stalls", folder, SYMBOLS, LONG_SECONDS if long else SECONDS, RATE, alone=True)
    rows = [[row["name"], row["stall_ms"], row["cpu_ms"], row["wall_ms"]] for row in found["stalls"][:SHOWN]]
    title = "Longest callbacks of the loop, 5,000 symbols: segments roll, the status file is written, all is cut"
    report.table(title, ["callback", "ms", "of it CPU", "with waits for a CPU"], rows)
    report.figure("stall_5000_ms", round(_longest(found), 1), bound="<= 25", unit="ms")


def _longest(found: dict[str, Any]) -> float:
    return max((row["stall_ms"] for row in found["stalls"]), default=0.0)


def _compare(report: Report) -> None:
    """Gap records one by one and together; a segment that is sealed on the spot, and one that the thread seals."""
    with tempfile.TemporaryDirectory(prefix="bench-stalls-") as folder:
        rounds = [_measure(Path(folder) / str(number)) for number in range(ROUNDS)]
    each = {name: median(found[name] for found in rounds) for name in rounds[0]}
    rows = [
        [f"{LOST:,} gap records, CPU", each["single"], each["together"], each["single"] / each["together"]],
        ["a segment's end and the next one's begin", each["sealed"], each["rolled"], each["sealed"] / each["rolled"]],
    ]
    report.table("What the loop waits for, ms (median of one run)", ["step", "before", "now", "ratio"], rows)
    report.figure("stall_batch_ratio", round(each["single"] / each["together"], 1), bound=">= 2", unit="x")
    report.figure("stall_roll_ratio", round(each["sealed"] / each["rolled"], 1), bound=">= 2", unit="x")


def _measure(place: Path) -> dict[str, float]:
    gaps = [
        {"type": "gap_open", "gap_id": f"{number:032}-2-1", "symbols": [f"NSE:LOAD{number:05}-EQ"], "feed": 2}
        | {"from_ns": 10**18, "cause": "disconnect", "detail": "the connection was cut"}
        for number in range(LOST)
    ]
    found: dict[str, float] = {}
    clock = SystemClock()
    with JournalWriter(place, clock=clock, run=RunInfo("bench", "r1", "c0ffee", {}), sync_interval_ms=20) as writer:
        for name, batches in (("single", [[gap] for gap in gaps]), ("together", [gaps])):
            began = thread_time_ns()
            for batch in batches:
                writer.append_control(*batch)
            found[name] = (thread_time_ns() - began) / NS_PER_MS
        began = monotonic_ns()
        writer.seal()
        writer.append_control({"type": "note"})
        found["sealed"] = (monotonic_ns() - began) / NS_PER_MS
        deadline = monotonic_ns() + NS_PER_SECOND
        while monotonic_ns() < deadline and not (place / ".next").exists():
            pass
        began = monotonic_ns()
        writer.append_control({"type": "window_close"})
        writer.append_control({"type": "note"})
        found["rolled"] = (monotonic_ns() - began) / NS_PER_MS
    return found
