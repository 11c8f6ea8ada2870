"""What the exchange sustains. Figures, not gates: the machine may be busy."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pytest

from exchange.client import open_client
from exchange.market.instruments import load_instruments
from exchange.market.model import BookModel
from exchange.market.sessions import CalendarSessions
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone

EXCHANGE = str(Path(sys.executable).with_name("exchange"))
ELEVEN = int(datetime(2026, 11, 20, 11, 0, 20, tzinfo=zone()).timestamp()) * NS_PER_SECOND
REQUESTS = 400


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.fixture
def two_thousand(tmp_path):
    """A symbol master of 2,000 stocks, made from the packaged one."""
    row = next(csv.reader(io.StringIO(files("exchange.market").joinpath("symbols.csv").read_text())))
    lines = [[*row[:9], f"NSE:MADE{number}-EQ", *row[10:]] for number in range(2000)]
    with (tmp_path / "many.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return tmp_path / "many.csv"


@pytest.mark.long
def test_requests_a_second_on_one_core_and_memory(tmp_path, figure):
    state = tmp_path / "s"
    words = [EXCHANGE, "serve", "--state", str(state), "--port", "0", "--always-open", "--rate-limits", "none"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(process.stdout.readline())
        token = subprocess.check_output([EXCHANGE, "token", "--state", str(state)], text=True).strip()
        headers = {"Authorization": f"{ready['app_id']}:{token}"}
        symbols = ["NSE:HDFCBANK-EQ", "NSE:RELIANCE-EQ", "NSE:ADANIENT-EQ", "NSE:INFY-EQ", "NSE:SBIN-EQ"]
        url = "https://api-t1.fyers.in/data/depth"
        with open_client(state) as client:
            for symbol in symbols:
                client.get(url, params={"symbol": symbol, "ohlcv_flag": "1"}, headers=headers)
            before = cpu_seconds(process.pid)
            for number in range(REQUESTS):
                asked = {"symbol": symbols[number % 5], "ohlcv_flag": "1"}
                assert client.get(url, params=asked, headers=headers).status_code == 200
            used = cpu_seconds(process.pid) - before
        figure(
            "exchange_depth_requests", round(REQUESTS / max(used, 0.01)), bound=">= 500", unit="requests/s of one core"
        )
        figure("exchange_resident", round(resident_mib(process.pid)), bound="<= 128", unit="MiB")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.long
def test_a_book_is_cheap_at_any_instant_for_thousands_of_symbols(two_thousand, figure):
    model = BookModel(1, load_instruments(two_thousand), CalendarSessions(None))
    symbols = list(model.instruments)[:100]
    began = time.process_time()
    for symbol in symbols:
        model.book_at(symbol, ELEVEN)
    figure(
        "book_first_of_the_day", round((time.process_time() - began) / len(symbols) * 1e3, 2), bound="<= 20", unit="ms"
    )
    began = time.process_time()
    for second in range(5, 30, 5):
        for symbol in symbols:
            model.book_at(symbol, ELEVEN + second * NS_PER_SECOND)
    spent = (time.process_time() - began) / (5 * len(symbols))
    figure("book_polled_every_5_seconds", round(spent * 1e6), bound="<= 1000", unit="us")


def test_updates_stream(figure):
    model = BookModel(1, load_instruments(), CalendarSessions(None))
    model.book_at("NSE:SBIN-EQ", ELEVEN)
    began = time.process_time()
    count = sum(1 for _ in model.updates("NSE:SBIN-EQ", ELEVEN, ELEVEN + 1800 * NS_PER_SECOND))
    figure("book_updates_stream", round(count / (time.process_time() - began)), bound=">= 4000", unit="updates/s")
    assert count == pytest.approx(1800 * 0.6, rel=0.05)
