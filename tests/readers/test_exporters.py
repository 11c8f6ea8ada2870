"""Exported days in unmodified packages: hftbacktest replays them, nautilus_trader's catalog loads them."""

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.reader.days import DAYS, GAP, THURSDAY, opening, record_all
from tests.storage.reader.test_exports import CONTRACT, OPTION, instrument
from tests.storage.reader.traded import BOUGHT, PRINTS, SHARES, SOLD, record_traded

from harvester.base.clock import NS_PER_SECOND
from harvester.reader import nautilus, open_lake
from harvester.reader.exporters import Target, export_day

HERE = Path(__file__).parent
FIELDS = ["bid_px_1", "ask_px_1", "bid_qty_1", "ask_qty_1"]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_all(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def ask(exporters: str) -> Ask:
    def run(*arguments: object) -> Any:
        command = [exporters, str(HERE / "replay.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def exported(to: Target, folder: Path, output: Path) -> dict[str, int]:
    """All days, twice, as somebody does whose day was built again: what each file or catalog got."""
    for _ in range(2):
        found = [each for day in DAYS for each in export_day(to, folder, day, output)]
    return {path.name: count for path, count in found}


@pytest.mark.long
@pytest.mark.parametrize("symbol", [SBIN, INFY])
def test_hftbacktest_replays_an_exported_day(folder: Path, tmp_path: Path, ask: Ask, symbol: str) -> None:
    """At each step its best levels are those that the reader's grid knows, and there are none in a gap."""
    counts = exported("hftbacktest", folder, tmp_path)
    name = f"{symbol.replace(':', '-')}_{THURSDAY}.npz"
    assert counts[name] > 0
    step_ns = NS_PER_SECOND // 8
    seen = {int(row[0]): row[1:] for row in ask("hftbacktest", tmp_path / name, step_ns)["books"]}
    grid = open_lake(folder).grid(symbol, days=THURSDAY, every="125ms", fields=FIELDS)
    known = {int(time): row[0] for time, row, mask in zip(*grid_rows(grid), strict=True) if mask}
    assert len(known) > 300
    first = min(seen)
    compared = [time for time in known if time in seen and time > first]
    assert len(compared) > 300
    for time in compared:
        assert np.allclose(seen[time], known[time]), (time, seen[time], known[time])
    lost = [row for time, row in seen.items() if GAP[0] + 1 < (time - opening(THURSDAY)) / NS_PER_SECOND < GAP[1] - 1]
    assert len(lost) > 100
    assert all(math.isnan(row[0]) and math.isnan(row[1]) for row in lost) == (symbol == INFY)


def grid_rows(grid: Any) -> tuple[Any, Any, Any]:
    return grid.times_ns, grid.values, grid.mask[:, 0]


@pytest.mark.long
def test_nautilus_loads_an_exported_lake(folder: Path, tmp_path: Path, ask: Ask) -> None:
    """Every valid book of continuous trading with its levels and orders; and the shares."""
    exported("nautilus", folder, tmp_path)
    found = ask("nautilus", tmp_path)
    lake = open_lake(folder)
    assert {*found["books"]} == {"SBIN-EQ.NSE", "INFY-EQ.NSE", "TCS-EQ.NSE", "ITC-EQ.NSE"}
    share = found["instruments"][SBIN]
    assert (share["kind"], share["id"], share["currency"]) == ("Equity", "SBIN-EQ.NSE", "INR")
    wanted = lake.depth(SBIN, prices="decimal").arrow().to_pylist()
    books = found["books"]["SBIN-EQ.NSE"]
    full = [book for book in books if book[1][0][1] or book[2][0][1]]
    assert len(full) == len(wanted)
    for book, row in zip(full, wanted, strict=True):
        for place, side in enumerate(("bid", "ask")):
            levels = [[str(row[f"{side}_px_{n}"] or "0.00"), row[f"{side}_qty_{n}"]] for n in range(1, 6)]
            assert book[1 + place] == levels
            assert book[3 + place] == [row[f"{side}_ord_{n}"] for n in range(1, 6)]
    times = [book[0] for book in found["books"]["INFY-EQ.NSE"]]
    assert times == sorted(times)
    begin = opening(THURSDAY) + GAP[0] * NS_PER_SECOND
    [empty] = [book for book in found["books"]["INFY-EQ.NSE"] if book[0] == begin and book[1][0][1] == 0]
    assert empty[2][0] == ["0.00", 0]


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_traded(tmp_path_factory.mktemp("traded"))


def seen_in(folder: Path) -> list[tuple[int, float, int]]:
    """Who took, price and shares of the trades that the reader has and an export keeps."""
    rows = open_lake(folder).trades(SBIN, prices="rupees").arrow().to_pylist()
    side = {"buy": 1, "sell": -1, "unknown": 0}
    kept = [row for row in rows if row["kind"] in ("print", "aggregate")]
    assert len(kept) == PRINTS and sum(row["qty"] for row in kept) == SHARES
    return [(side[row["side_inferred"]], row["px"], row["qty"]) for row in kept]


@pytest.mark.long
def test_hftbacktest_counts_our_trades(traded: Path, tmp_path: Path, ask: Ask) -> None:
    [(path, _)] = export_day("hftbacktest", traded, THURSDAY, tmp_path)
    trades = [tuple(each) for each in ask("hftbacktest", path, NS_PER_SECOND)["trades"]]
    assert trades == seen_in(traded)
    assert [sum(side == each for side, _, _ in trades) for each in (1, -1)] == [BOUGHT, SOLD]


@pytest.mark.long
def test_nautilus_loads_our_trades_and_what_the_master_says(traded: Path, tmp_path: Path, ask: Ask) -> None:
    [_] = export_day("nautilus", traded, THURSDAY, tmp_path)
    for name, row in (("NSE:SBIN26DECFUT", CONTRACT), ("NSE:SBIN26DEC800CE", OPTION)):
        [(folder, table)] = [nautilus.describe(instrument(name, **row)) or pytest.fail(name)]
        place = tmp_path / "data" / folder / nautilus.instrument_of(name)
        place.mkdir(parents=True)
        pq.write_table(table, place / "1970-01-01T00-00-00-000000000Z_1970-01-01T00-00-00-000000000Z.parquet")

    found = ask("nautilus", tmp_path)

    taker = {0: 0, 1: 1, 2: -1}
    trades = [(taker[side], float(px), qty) for _, px, qty, side in found["trades"]["SBIN-EQ.NSE"]]
    assert trades == seen_in(traded)
    share, future, option = (found["instruments"][name] for name in (SBIN, "NSE:SBIN26DECFUT", "NSE:SBIN26DEC800CE"))
    assert (share["tick"], share["lot"], share["isin"]) == ("0.05", "1", "INE062A01020")
    assert (future["kind"], future["lot"], future["expires"]) == ("FuturesContract", "750", CONTRACT["ts_expiry"])
    assert (option["kind"], option["tick"], option["strike"]) == ("OptionContract", "0.05", "800.50")
