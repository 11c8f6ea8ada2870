"""The lake in S3 is for engines: they read the bucket's layout as it is, and agree with the lake on the host."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import S3FileSystem
from s3_world import REGION, World

from harvester.cli import run
from harvester.reader.athena import SCHEMAS, define_files, describe

QUESTION = """
select host, cast(date as varchar) as day, symbol, count(*), sum(seq), min(ts_recv), max(ts_recv),
       sum(list_sum(bid_qty)), max(list_extract(ask_px_paise, 1))
from depth group by all order by all
"""


@pytest.fixture
def buckets(world: World) -> S3FileSystem:
    """Arrow's own S3 client on the bucket of a two-host, two-day lake."""
    for host in ("lab1", "lab2"):
        assert all(outcome.complete for outcome in world.upload(world.lake(2, host=host)))
    where = urlsplit(world.proxy.url)
    return S3FileSystem(
        access_key="testing", secret_key="testing", region=REGION, endpoint_override=where.netloc, scheme=where.scheme
    )


def test_duckdb_gives_the_same_answers_on_the_bucket_and_on_the_host(world: World, buckets: S3FileSystem) -> None:
    depth = ds.dataset(f"{world.name}/lake/depth_v3", filesystem=buckets, format="parquet", partitioning="hive")
    local = f"{world.folder}/lab*-data/lake/depth_v3/**/*.parquet"
    assert depth.count_rows() > 0

    there = duckdb.sql(QUESTION).to_arrow_table().to_pydict()
    here = (
        duckdb.sql(QUESTION.replace("from depth", f"from read_parquet('{local}', hive_partitioning=true)"))
        .to_arrow_table()
        .to_pydict()
    )

    assert there == here
    assert len(there["day"]) == 2 * 2 * 2


def test_arrows_own_engine_agrees_and_reads_only_the_partition_it_needs(world: World, buckets: S3FileSystem) -> None:
    depth = ds.dataset(f"{world.name}/lake/depth_v3", filesystem=buckets, format="parquet", partitioning="hive")
    world.proxy.asked.clear()

    one = depth.to_table(filter=(ds.field("date") == "2026-11-19") & (ds.field("host") == "lab2"), columns=["seq"])

    local = next((world.folder / "lab2-data" / "lake").glob("depth_v3/date=2026-11-19/*/*.parquet"))
    assert one["seq"].to_pylist() == pq.read_table(local, columns=["seq"])["seq"].to_pylist()
    read = {path.partition("?")[0] for method, path in world.proxy.asked if method == "GET" and "parquet" in path}
    assert len(read) == 1


def columns_of(ddl: str) -> dict[str, str]:
    """Columns and types of a definition."""
    return dict(re.findall(r"^  `(\w+)` ([a-z<>]+),?$", ddl, re.MULTILINE))


def type_in_file(file: pq.ParquetFile, field: pa.Field) -> str:
    """What Athena must call a column, by what is physically in the file."""
    physical = {"INT64": "bigint", "INT32": "int", "BOOLEAN": "boolean", "BYTE_ARRAY": "string"}
    columns = [file.schema.column(number) for number in range(len(file.schema))]
    [column] = [column for column in columns if column.path.split(".")[0] == field.name]
    name = physical[column.physical_type]
    assert name != "string" or column.logical_type.type == "STRING"
    if column.logical_type.type == "TIMESTAMP":
        name = "timestamp"
    if column.logical_type.type == "DATE":
        name = "date"
    return f"array<{name}>" if column.max_repetition_level else name


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_athenas_definition_is_what_the_files_hold(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(SCHEMAS[name].empty_table(), path)
    file = pq.ParquetFile(path)

    found = columns_of(describe(define_files(name, "b", "lake/", ["h1"], "2026-01-01"), "db"))

    assert found == {field.name: type_in_file(file, field) for field in file.schema_arrow}


@pytest.mark.parametrize("kind", ["depth_v3", "gaps_v3"])
def test_athenas_definition_fits_the_files_that_are_up(world: World, kind: str) -> None:
    lake = world.lake(1)
    world.upload(lake)
    ddl = describe(define_files(kind, world.name, "lake/", ["lab1"], "2026-01-01"), "db")
    [template] = re.findall(r"'storage.location.template' = 's3://[^/]+/(\S+)'", ddl)
    folder = template.replace("${folder}", kind).replace("${date}", "2026-11-20").replace("${host}", "lab1")

    keys = [row["Key"] for row in world.direct.list_objects_v2(Bucket=world.name, Prefix=folder)["Contents"]]

    assert len(keys) == 1
    file = pq.ParquetFile(pa.BufferReader(world.get(keys[0])))
    assert columns_of(ddl) == {field.name: type_in_file(file, field) for field in file.schema_arrow}


def test_the_command_prints_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["athena-ddl", "--bucket", "b-1", "--host", "h1", "--host", "h2"]) == 0

    printed = capsys.readouterr().out
    assert printed.count("CREATE EXTERNAL TABLE") == len(SCHEMAS) + 1
    assert printed.count("CREATE OR REPLACE VIEW") == len(SCHEMAS)
    assert "'projection.host.values' = 'h1,h2'" in printed
    assert "${date}" in printed
