"""A backfill of 100 symbol-years of five-minute bars: what it costs us beside the time that the broker's limit takes.

The broker's answers are ready and come at once, the clock jumps over every pause: so what is measured is planning,
pacing, judging and journalling of the asking, and the whole build. Not in it: TLS, which goes on in the pauses.
`python -m tests.bench.bench_backfill ask PLACE` does a part in a process of its own.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import child

if TYPE_CHECKING:
    from tests.bench.report import Report

SYMBOLS = 100
SINCE, UNTIL = "2025-11-21", "2026-11-20"
LEAST_PAUSE_S = 60 / 200
"""From one request to the next at the broker's limit of a minute (Fyers API docs, rate limits)."""


def run(report: "Report", *, long: bool) -> None:
    """Ask for a year of 100 symbols, make the lake of it, and do both again, when nothing is missing."""
    with tempfile.TemporaryDirectory(prefix="bench-backfill-") as folder:
        asked = child.run("tests.bench.bench_backfill", "ask", folder)
        built = child.run("tests.bench.bench_backfill", "build", folder)
        again = child.run("tests.bench.bench_backfill", "ask", folder)
    paused = asked["requests"] * LEAST_PAUSE_S
    ours = built["cpu_s"]
    rows = [
        ["ask", asked["requests"], asked["cpu_s"], asked["cpu_s"] / paused, asked["rss_mib"]],
        ["build", built["days"], built["cpu_s"], ours / (paused + ours), built["rss_mib"]],
        ["ask again", again["requests"], again["cpu_s"], "", again["rss_mib"]],
    ]
    columns = ["100 symbol-years", "requests, days", "CPU-s", "share of the broker's time", "RSS MiB"]
    report.table(f"Backfill: {built['rows']:,} bars; the broker's limit takes {paused:.0f} s", columns, rows)
    report.figure("backfill_share", round(ours / (paused + ours), 3), bound="<= 0.05", unit="of the whole")
    report.figure("backfill_ask_share", round(asked["cpu_s"] / paused, 3), bound="<= 0.05", unit="of a core")
    report.figure("backfill_build_rss_mib", round(built["rss_mib"], 1), bound="<= 300", unit="MiB")
    report.figure("backfill_asked_again", again["requests"], bound="== 0", unit="requests")


def _host(place: Path) -> Any:
    from tests.recorder.fakes import make_settings
    from tests.storage.backfill.conftest import Host

    names = [f"NSE:B{number:03}-EQ" for number in range(SYMBOLS)]
    settings = make_settings(place, symbols=names, feeds=["fyers-history"])
    (settings.data_dir / "backfill").mkdir(exist_ok=True)
    host = Host(settings)
    host.log_in()
    return host


def _answer(symbol: str, first: Any, last: Any) -> bytes:
    from datetime import timedelta

    from harvester.base.market import midnight_ns

    base = 100 + int(symbol[5:8]) * 7
    rows = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() >= 5:
            continue
        begin_s = midnight_ns(day) // 10**9 + 33_300
        for bar in range(75):
            close = base + (bar * 13 + offset * 7) % 40 / 20
            rows.append([begin_s + bar * 300, base, base + 2.05, base - 0.95, close, 900 + bar * offset])
    return json.dumps({"s": "ok", "candles": rows}, separators=(",", ":")).encode()


def _ask(place: Path) -> dict[str, Any]:
    from datetime import date

    from tests.storage.backfill.conftest import Broker, ask

    host = _host(place)
    since, until = date.fromisoformat(SINCE), date.fromisoformat(UNTIL)
    order = host.order(since, until, "5", *host.settings.symbols)
    ready: dict[tuple[str, date, date], bytes] = {}
    pieces = host.left(order)
    for symbol, first, last in pieces:
        key = symbol, date.fromisoformat(first), date.fromisoformat(last)
        ready[key] = _answer(*key)
    broker = Broker(host.clock, lambda *key: ready[key])
    began = time.process_time()
    if pieces:
        ask(host, order, broker)
    spent = time.process_time() - began
    held = sum(map(len, ready.values())) / 2**20
    return {"requests": len(broker.asked), "cpu_s": spent, "rss_mib": child.peak_mib() - held}


def _build(place: Path) -> dict[str, Any]:
    host = _host(place)
    began = time.process_time()
    built = host.build()
    return {
        "cpu_s": time.process_time() - began,
        "rows": built.rows,
        "days": built.days,
        "rss_mib": child.peak_mib(),
    }


if __name__ == "__main__":
    print(json.dumps({"ask": _ask, "build": _build}[sys.argv[1]](Path(sys.argv[2]))))
