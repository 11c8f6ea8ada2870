"""The recorder on the data socket, from 5 to 5,000 symbols with two updates a second each."""

import os
import tempfile

from tests.bench import child
from tests.bench.live import Load
from tests.bench.report import Report

RATE = 2.0
SECONDS, LONG_SECONDS = 30, 600
GROWTH_SECONDS = 15
BATCHED = 250
"""Entries of a frame when updates of many symbols come together; the exchange's default."""
SINGLE = 2
"""Entries of a frame when each symbol's quote and book come alone: the hardest case."""


def measure(symbols: int, seconds: int, *, frame_entries: int = BATCHED, keep: bool = True) -> Load:
    """One recording in a fresh place."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        found = child.run("tests.bench.live", folder, symbols, seconds, RATE, frame_entries, keep, alone=True)
    return Load(**found)


def run(report: Report, *, long: bool) -> None:
    """Record with ever more symbols; the last run is the long one."""
    if os.geteuid() != 0:
        report.skip("recording under load", "a network namespace of its own needs root")
        return
    loads = [measure(symbols, GROWTH_SECONDS) for symbols in (5, 50, 500)]
    loads.append(measure(5000, SECONDS, frame_entries=SINGLE))
    loads.append(full := measure(5000, LONG_SECONDS if long else SECONDS, keep=not long))
    rows = [
        [
            str(load.symbols),
            load.entries_per_frame,
            round(load.seconds),
            round(load.updates / load.seconds),
            load.lost,
            load.tail_gaps,
            load.core_share,
            load.rss_mib,
            *(load.latency_ms or ("-", "-")),
        ]
        for load in loads
    ]
    columns = [
        "symbols",
        "entries/frame",
        "s",
        "entries/s",
        "lost",
        "tail gaps",
        "% of a core",
        "RSS MiB",
        "p50 ms",
        "p99 ms",
    ]
    report.table("Recording synthetic symbols, 2 updates/s each", columns, rows)
    report.figure("recorder_rss_mib_5", round(loads[0].rss_mib, 1), bound="<= 40", unit="MiB")
    report.figure("recorder_rss_mib_5000", round(max(load.rss_mib for load in loads), 1), bound="<= 96", unit="MiB")
    report.figure("load_5000_lost", sum(load.lost for load in loads), bound="== 0", unit="frames")
    singles = loads[3].latency_ms
    if singles:
        report.figure("load_5000_p99_ms", round(singles[1], 1), bound="<= 10", unit="ms")
    report.figure("load_5000_core_share", round(full.core_share, 1), bound="<= 25", unit="%")
