"""Every engine gives every value of every table as it was written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests import lake_rows
from tests.recorder.fakes import make_settings
from tests.storage.backfill.conftest import MONDAY, Host, said, week
from tests.storage.lake.candles import CandlePlace
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.layout import CANDLES, HISTORY
from harvester.lake.schema import TABLES

HERE = Path(__file__).parent
ENGINES = ("duckdb", "polars", "pandas_pyarrow", "pandas_fastparquet", "daft", "datafusion")
WHOLE_LIMIT = 2**53
"""Beyond it a float64 has not every integer."""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Closed days with rows in each table: one of polls and both sockets, one of the broker's candles."""
    place = StreamedPlace(tmp_path_factory.mktemp("lake"))
    recorder = place.sockets(polled=(SBIN,))
    recorder.open([1, FYERS_HSM, FYERS_TBT])
    recorder.connect(0, [SBIN, INFY, NIFTY])
    recorder.connect(0, [SBIN], FYERS_TBT)
    recorder.snapshots(0, SBIN, INFY, NIFTY)
    recorder.book50(0, SBIN, 1, snapshot=True)
    for number in range(1, 400):
        recorder.clock.now_ns += NS_PER_SECOND // 10
        recorder.quotes(0, SBIN, number)
        recorder.books(0, SBIN, number)
        recorder.books(0, INFY, number)
        recorder.book50(0, SBIN, number)
        if number % 50 == 0:
            recorder.poll(number // 50, SBIN, sched_ns=recorder.clock.now_ns)
    recorder.lose("NSE:TCS-EQ", 50, 60)
    recorder.close()
    recorder.stop()
    place.close()
    bars = CandlePlace(tmp_path_factory.mktemp("bars"))
    bars.record_all()
    bars.close()
    other = (CANDLES, HISTORY)
    found = [place.current(kind) for kind in (*TABLES, "gaps", "instruments", "sessions") if kind not in other]
    found.append(bars.current(CANDLES))
    found.append(brought(tmp_path_factory.mktemp("brought")))
    assert all(pq.read_metadata(path).num_rows for path in found)
    return found


def brought(folder: Path) -> Path:
    """The bars of a day that a backfill brought."""
    host = Host(make_settings(folder))
    host.answer((SBIN, MONDAY, MONDAY, said(*week())), (INFY, MONDAY, MONDAY, said(*week())))
    host.build()
    (entry,) = host.manifest(MONDAY).find(HISTORY)
    return host.lake / entry.path


def check(python: str, engine: str, files: list[Path], *, whole_us: bool = False) -> None:
    """Compare each value with what pyarrow reads; the close compared that with what was recorded.

    `whole_us`: the engine's moments end at microseconds.
    """
    run = subprocess.run(
        [python, str(HERE / "ask.py"), engine, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answers: dict[str, dict[str, list[Any]]] = json.loads(run.stdout)
    for path in files:
        wanted = lake_rows.read(path).to_pydict()
        found = answers[str(path)]
        assert list(found) == list(wanted), path.name
        moments = [field.name for field in pq.read_schema(path) if str(field.type).startswith("timestamp")]
        for name in moments if whole_us else ():
            wanted[name] = [value and value - value % 1000 for value in wanted[name]]
        for name, values in wanted.items():
            nullable = None in values
            pairs = zip(values, found[name], strict=True)
            wrong = [(was, got) for was, got in pairs if not same(was, got, rounded=nullable and "fast" in engine)]
            assert wrong == [], (path.name, name, wrong[:3])


def same(was: Any, got: Any, *, rounded: bool) -> bool:
    """Equal; `rounded` as float64, which fastparquet makes of numbers among which are nulls (docs/formats.md)."""
    if rounded and isinstance(was, int) and was > WHOLE_LIMIT:
        return bool(float(was) == float(got))
    return bool(was == got)


def test_duckdb_reads_every_value(files: list[Path]) -> None:
    check(sys.executable, "duckdb", files)


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_reads_every_value(engines: str, files: list[Path], engine: str) -> None:
    check(engines, engine, files, whole_us=engine == "duckdb")  # 1.5, whose extension for S3 the lock has
