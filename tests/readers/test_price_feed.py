"""The price feed's csv.gz: pandas and DuckDB read its sixteen columns, each value as it was written."""

import gzip
import json
import subprocess
from datetime import date
from pathlib import Path

import duckdb
import pytest

from harvester.price_feed.layout import COLUMNS, FeedBar, file_name, folder_of, write_csv

BEGIN_S = 1_795_405_500
BARS = [
    FeedBar((BEGIN_S + 300 * number) * 10**9, 80_000, 80_125 + number, 79_995, 80_050, 100 * number, 10**18 + number)
    for number in range(3)
]
READ = """
import json, sys, pandas
table = pandas.read_csv(sys.argv[1])
print(json.dumps([list(table.columns), [str(kind) for kind in table.dtypes], table.astype(object).values.tolist()]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for symbol in ("NSE:SBIN-EQ", "NSE:M&M-EQ"):
        path = tmp_path / folder_of(symbol, date(2026, 11, 23)) / file_name(BEGIN_S)
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(write_csv(symbol, BARS, "5", 100), mtime=0))
    return tmp_path


def test_duckdb_reads_them_by_their_keys(folder: Path) -> None:
    files = f"{folder}/analytics/csv/*/*/*/*/*.csv.gz"
    question = "select * from read_csv(?, header = true, hive_partitioning = false) order by symbol, timestamp_unix"
    answer = duckdb.connect().execute(question, [files])
    assert [each[0] for each in answer.description or ()] == list(COLUMNS)
    rows = answer.fetchall()
    assert [row[1] for row in rows] == ["M&M"] * 3 + ["SBIN"] * 3
    assert [row[4:9] for row in rows[3:]] == [(800.0, 801.25 + n / 100, 799.95, 800.5, 100 * n) for n in range(3)]


@pytest.mark.long
def test_pandas_reads_sixteen_columns(folder: Path, engines: str) -> None:
    (path,) = folder.glob("analytics/csv/symbol=SBIN/*/*/*/*.csv.gz")
    done = subprocess.run([engines, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    columns, kinds, rows = json.loads(done.stdout)
    assert columns == list(COLUMNS) and len(columns) == 16
    whole = {"timestamp_unix", "volume", "resolution", "year", "month", "day", "hour"}
    assert {name for name, kind in zip(columns, kinds, strict=True) if kind == "int64"} == whole
    assert {name for name, kind in zip(columns, kinds, strict=True) if kind == "float64"} == {
        "open", "high", "low", "close"
    }  # fmt: skip
    assert [row[2] for row in rows] == [BEGIN_S + 300 * n for n in range(3)]
    assert [row[4:9] for row in rows] == [[800.0, 801.25 + n / 100, 799.95, 800.5, 100 * n] for n in range(3)]
