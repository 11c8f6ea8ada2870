"""The tables by which Athena reads the bucket: names, types, partitions and places, to the letter."""

import pyarrow as pa
import pytest

from harvester.cli import run
from harvester.reader.athena import SCHEMAS, athena_type, define_table, describe_table

GAPS = """\
CREATE EXTERNAL TABLE IF NOT EXISTS `market`.`gaps` (
  `symbol` string,
  `feed` string,
  `from_ns` bigint,
  `to_ns` bigint,
  `cause` string,
  `detail` string,
  `slots` bigint,
  `source` string
)
PARTITIONED BY (`date` string, `host` string)
STORED AS PARQUET
LOCATION 's3://b-1/lake/gaps/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2026-03-04,NOW+1DAYS',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'projection.host.type' = 'enum',
  'projection.host.values' = 'h1,h2',
  'storage.location.template' = 's3://b-1/lake/gaps/date=${date}/host=${host}/'
);
"""


def test_a_table_is_defined_to_the_letter() -> None:
    table = define_table("gaps", "b-1", "lake/", ["h1", "h2"], "2026-03-04")
    assert (table.name, table.location) == ("gaps", "s3://b-1/lake/gaps/")
    assert describe_table(table, "market") == GAPS


def test_every_type_of_the_lake_has_its_name_in_athena() -> None:
    columns = {name: define_table(name, "b", "", ["h"], "2026-01-01").columns for name in SCHEMAS}
    assert all(list(columns[name]) == SCHEMAS[name].names for name in SCHEMAS)
    depth = columns["depth"]
    assert [depth[name] for name in ("recv_ns", "symbol", "entry", "in_session", "bid_px")] == [
        "bigint", "string", "int", "boolean", "array<bigint>",
    ]  # fmt: skip
    with pytest.raises(KeyError):
        athena_type(pa.float32())


def test_the_command_prints_the_tables_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["athena-ddl", "--bucket", "b-1", "--host", "h1", "--host", "h2", "--database", "market"]
    assert run([*words, "--since", "2026-03-04", "--table", "gaps"]) == 0
    assert capsys.readouterr().out == GAPS + "\n"
