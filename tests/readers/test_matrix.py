"""Every reader counts the same in a lake of several days, a second generation and both schemas; a grid on a cluster."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer
from tests.bench.month import repeat, trading_days
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.reader.days import THURSDAY, record_all, record_thursday

from harvester.lake.layout import DEPTH
from harvester.reader import open_lake

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMA_2 = ROOT / "tests/storage/schema2/lake"
HERE_ALONE = (
    "pandas",
    "pandas_numpy",
    "polars",
    "polars_scan",
    "duckdb",
    "pyarrow_dataset",
    "daft",
    "daft_on_ray",
    "spark",
)
BUCKET = ("duckdb", "daft")
DAYS = 21

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_all(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Iterator[tuple[str, str]]:
    """A copy of the pulled lake in a bucket of moto: its address, and the server's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "ap-south-1"}
    store = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
    store.create_bucket(Bucket="copies", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    for path in folder.rglob("*.parquet"):
        if "superseded" not in path.parts:
            store.put_object(Bucket="copies", Key=f"lake/{path.relative_to(folder)}", Body=path.read_bytes())
    yield "s3://copies/lake", f"http://{host}:{port}"
    server.stop()


def run(python: str, script: str, *arguments: object) -> Any:
    """The last line that a script printed in the engines' venv, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "files/harvester/src"), "RAY_worker_niceness": "0"}
    command = [python, "-W", "ignore", str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def wanted(folder: Path) -> list[list[Any]]:
    """What the reader says of each day and symbol."""
    lake, found = open_lake(folder), []
    for day in lake.days():
        parts: dict[str, list[pa.Table]] = {}
        for each in lake.on(day):
            for symbol in each.updated(DEPTH):
                answer = lake.depth(symbol, day, host=each.host, session="all", prices="paise", invalid=True)
                parts.setdefault(symbol, []).append(answer.arrow())
        for symbol, tables in parts.items():
            rows = pa.concat_tables(tables)
            times = rows["ts_recv"].cast(pa.int64()).to_pylist()
            sums = [sum(value or 0 for value in rows[name].to_pylist()) for name in ("bid_px_1", "ask_qty_1")]
            found.append([str(day), symbol, len(rows), *sums, min(times), max(times)])
    return sorted(found)


@pytest.mark.parametrize("engine", HERE_ALONE)
def test_an_engine_counts_what_the_reader_counts(engines: str, folder: Path, engine: str) -> None:
    for schema, lake in ((3, folder), (2, SCHEMA_2)):
        assert run(engines, "matrix.py", engine, schema, lake) == wanted(lake), schema


@pytest.mark.parametrize("engine", BUCKET)
def test_an_engine_counts_the_same_in_a_bucket(
    engines: str, folder: Path, bucket: tuple[str, str], engine: str
) -> None:
    assert run(engines, "matrix.py", engine, 3, *bucket) == wanted(folder)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("month")
    record_thursday(place)
    repeat(place / "lake", [day for day in trading_days(THURSDAY, DAYS + 1) if day != THURSDAY])
    return place / "lake"


@pytest.mark.parametrize("engine", ["ray", "daft"])
def test_a_grid_of_a_month_on_a_ray_cluster_is_the_local_one(engines: str, month: Path, engine: str) -> None:
    """By Ray's tasks and by Daft, on one worker and on three: the same days, moments, mask, and values to the bit."""
    local = run(engines, "spread.py", "here", month, 0, SBIN, INFY)
    assert local["grid"]["days"] == DAYS + 1
    assert local["grid"]["known"] > DAYS * 150
    for count in (1, 3):
        found = run(engines, "spread.py", engine, month, count, SBIN, INFY)
        assert found["grid"] == local["grid"]
        assert count == 1 or found["processes"] > 1, "days are spread"
