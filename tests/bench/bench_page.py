"""The live page's service on a day of thousands of symbols of the data socket: what it takes to read, hold and answer.

A thin day, two entries of each symbol a minute, has every minute of every symbol: what the service holds is what it
holds of a full day. It runs in a process of its own, whose memory is the figure.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from tests.bench import child

if TYPE_CHECKING:
    from tests.bench.report import Report

SYMBOLS, MINUTES = 3_000, 375
ANSWERS = 100


def run(report: "Report", *, long: bool) -> None:
    minutes = MINUTES if long else MINUTES // 5
    with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
        entries = _record(Path(folder), minutes)
        found = child.run("tests.bench.bench_page", folder)
    report.table(
        f"Live page, {SYMBOLS:,} symbols, {minutes} minutes, {entries:,} entries",
        ["what", "figure"],
        [
            ["reading, CPU us an entry", 1e6 * found["cpu_s"] / entries],
            ["an answer, median ms", 1e3 * found["median_s"]],
            ["an answer, p99 ms", 1e3 * found["p99_s"]],
            ["an answer, KiB", found["bytes"] / 1024],
            ["the process at most, MiB", found["rss_mib"]],
        ],
    )
    report.figure("page_answer_p99_s", round(found["p99_s"], 3), bound="<= 1", unit="s")
    report.figure("page_rss_mib", round(found["rss_mib"]), bound="<= 160", unit="MiB")


def _record(folder: Path, minutes: int) -> int:
    from tests.bench import crowd
    from tests.bench.market import NS

    crowd.STEP_NS = 60 * NS
    return crowd.record(folder / "journal", SYMBOLS, 2 * SYMBOLS * minutes)


def _serve(folder: Path) -> dict[str, Any]:
    """Read the journal as the service does, and answer as a page asks; what that took."""
    from tests.bench.market import OPEN_NS, namesakes
    from tests.bench.wire import BOOT_NS, MovedClock

    from harvester.base.clock import NS_PER_SECOND
    from harvester.base.validation import validate
    from harvester.calendar import TradingCalendar
    from harvester.config.settings import Settings
    from harvester.live.due_table import DueTable
    from harvester.live.view import LiveView

    class Nothing(DueTable):
        def __init__(self) -> None:
            self.state = {"entries": [], "problem": ""}

    symbols = namesakes(SYMBOLS)
    told = {"host_id": "bench", "data_dir": str(folder), "symbols": symbols, "feeds": ["fyers-hsm"]}
    told |= {"broker": {"app_id": "ABCDE12345-100"}, "status_file": str(folder / "status.json")}
    settings = validate(Settings, told)
    clock = MovedClock(OPEN_NS + MINUTES * 60 * NS_PER_SECOND, BOOT_NS)
    view = LiveView(settings, TradingCalendar.load, Nothing(), clock)

    def look() -> None:
        clock.now = (clock.wall_ns() + NS_PER_SECOND, BOOT_NS)
        last = {
            name: {"updates": clock.wall_ns() // NS_PER_SECOND, "last_recv_ns": clock.wall_ns()} for name in symbols
        }
        news = {"written_at_ns": clock.wall_ns(), "release": "r1", "symbols": last, "token": {"state": "valid"}}
        settings.status_file.write_text(json.dumps(news | {"window": {"open": True, "phases": []}, "open_gaps": []}))
        while not view.turn():
            pass

    began = time.process_time()
    look()
    cpu_s, spent, size = time.process_time() - began, [], 0
    for symbol in symbols[:ANSWERS]:
        began = time.perf_counter()
        look()
        answer = view.answer(symbol, "", "")
        size = max(size, len(json.dumps(answer)))
        spent.append(time.perf_counter() - began)
        assert answer["shown"]["points"] and answer["shown"]["ladders"], "nothing was read"
    p99_s = quantiles(spent, n=100)[98]
    return {"cpu_s": cpu_s, "median_s": median(spent), "p99_s": p99_s, "bytes": size, "rss_mib": child.peak_mib()}


if __name__ == "__main__":
    print(json.dumps(_serve(Path(sys.argv[1]))))
