"""From a minute's answer in the journal to its rows in PostgreSQL, beside one query and one upsert a minute.

A real server on this machine, through its socket. `minute to row` has the service's own looks, four a second; the work
of a turn is compared with what the program whose tables these are does each minute: a query for the day's closes, and
one upsert of a row in each table.
"""

import random
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tests.bench.report import Report

MINUTES = 375
LOOKED_AT = 120
"""Of them so many by the service in its own rhythm."""


def run(report: "Report", *, long: bool) -> None:
    """Skips where no server is installed."""
    from tests.postgresql_server import programs, stoppable_server

    if programs() is None:
        print("rows: no PostgreSQL server is installed (requirements/apt-postgresql.txt), so nothing is measured")
        return
    with tempfile.TemporaryDirectory(prefix="bench-rows-") as folder, stoppable_server() as server:
        waits, turns = _ours(Path(folder), server)
        theirs = _theirs(server)
    rows = [
        ["minute to row", 1e3 * median(waits), 1e3 * _p99(waits)],
        ["a turn of ours", 1e3 * median(turns), 1e3 * _p99(turns)],
        ["one query, one upsert a table", 1e3 * median(theirs), 1e3 * _p99(theirs)],
    ]
    report.table("Rows of a minute", [f"{LOOKED_AT} and {MINUTES - LOOKED_AT} minutes", "median ms", "p99 ms"], rows)
    report.figure("rows_minute_p99_s", round(_p99(waits), 2), bound="<= 2", unit="s")
    report.figure("rows_turn_ratio", round(median(turns) / median(theirs), 1), bound="<= 10", unit="times")


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]


def _ours(folder: Path, server: Any) -> tuple[list[float], list[float]]:
    from tests.journals import DAY
    from tests.postgres.conftest import SBIN, RowHost
    from tests.postgres.test_live import bar
    from tests.storage.lake.candles import said

    from harvester.health.live_rows import live_folder
    from harvester.postgres.live import Keeper

    host, stop = RowHost(folder, server.create()), threading.Event()
    recorder, live = host.recorder(), host.live()
    keeper = Keeper(live, live_folder(host.settings, "rows"), host.clock, print)

    def answer(number: int) -> None:
        bars = (bar(each, 800 + each % 7 / 20, 100 + each) for each in range(number))
        recorder.answer(number + 0.02, SBIN, said(*bars))

    def serve() -> None:
        while not stop.wait(keeper.turn(DAY)):
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    waits = []
    try:
        with psycopg.connect(host.base.dsn, autocommit=True) as looking:
            for number in range(1, LOOKED_AT + 1):
                time.sleep(random.uniform(0, 0.3))  # the service's looks and the broker's answers have no common beat
                began = time.perf_counter()
                answer(number)
                while _count(looking) < number:
                    time.sleep(0.002)
                waits.append(time.perf_counter() - began)
    finally:
        stop.set()
        thread.join()
    turns = []
    for number in range(LOOKED_AT + 1, MINUTES + 1):
        answer(number)
        began = time.perf_counter()
        live.turn(DAY)
        turns.append(time.perf_counter() - began)
    return waits, turns


def _count(connection: Any) -> int:
    try:
        row = connection.execute("SELECT count(*) FROM indicators").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0])


def _theirs(server: Any) -> list[float]:
    base = server.create()
    base.run(
        "CREATE TABLE equity_data (id bigserial PRIMARY KEY, ticker varchar(10), timestamp timestamptz, price numeric,"
        " volume bigint, UNIQUE (ticker, timestamp))",
        "CREATE TABLE indicators (id bigserial PRIMARY KEY, ticker varchar(10), timestamp timestamptz, sma9 numeric,"
        " vwap numeric, UNIQUE (ticker, timestamp))",
    )
    spent = []
    with psycopg.connect(base.dsn.replace("user=harvester", "user=postgres"), autocommit=True) as connection:
        for number in range(MINUTES):
            began = time.perf_counter()
            query = "SELECT price, volume FROM equity_data WHERE ticker = 'SBIN' ORDER BY timestamp"
            rows = [*connection.execute(query).fetchall(), (800, 100)]
            last = [price for price, _ in rows[-9:]]
            vwap = sum(price * volume for price, volume in rows) / sum(volume for _, volume in rows)
            for table, columns, values in (
                ("equity_data", ("price", "volume"), (800, 100)),
                ("indicators", ("sma9", "vwap"), (sum(last) / len(last), vwap)),
            ):
                connection.execute(
                    psycopg.sql.SQL(
                        "INSERT INTO {0} (ticker, timestamp, {1}, {2}) VALUES ('SBIN', to_timestamp(%s), %s, %s)"
                        " ON CONFLICT (ticker, timestamp) DO UPDATE SET {1} = EXCLUDED.{1}, {2} = EXCLUDED.{2}"
                    ).format(*map(psycopg.sql.Identifier, (table, *columns))),
                    (1_795_407_300 + 60 * number, *values),
                )
            spent.append(time.perf_counter() - began)
    return spent
