"""`harvester athena-ddl`: table definitions by which Amazon Athena reads the lake in S3, made from the lake's schemas.

Partitions are projected, not listed: a day is there as soon as its files are, and no crawler runs (Athena user guide,
"Use partition projection with Amazon Athena").
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from harvester.aws_names import LAKE_PREFIX
from harvester.lake.layout import GAPS
from harvester.lake.schema import GAPS_SCHEMA, TABLES

if TYPE_CHECKING:
    from harvester.settings import Settings

FIRST_DAY = "2026-01-01"
PLAIN = {pa.int64(): "bigint", pa.int32(): "int", pa.bool_(): "boolean", pa.string(): "string"}
SCHEMAS = {GAPS: GAPS_SCHEMA, **{name: table.schema for name, table in TABLES.items()}}


def athena_type(kind: pa.DataType) -> str:
    """The type of a column in Athena's DDL. Raises KeyError for one that the lake has no use for so far."""
    if pa.types.is_dictionary(kind):
        return athena_type(kind.value_type)
    if pa.types.is_list(kind):
        return f"array<{athena_type(kind.value_type)}>"
    return PLAIN[kind]


def describe_table(name: str, bucket: str, prefix: str, database: str, hosts: Sequence[str], since: str) -> str:
    """CREATE TABLE for one kind of table; `hosts` are the host parts of the lake, `since` is its first day."""
    columns = ",\n".join(f"  `{field.name}` {athena_type(field.type)}" for field in SCHEMAS[name])
    location = f"s3://{bucket}/{prefix}{name}/"
    return f"""CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{name}` (
{columns}
)
PARTITIONED BY (`date` string, `host` string)
STORED AS PARQUET
LOCATION '{location}'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '{since},NOW+1DAYS',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'projection.host.type' = 'enum',
  'projection.host.values' = '{",".join(hosts)}',
  'storage.location.template' = '{location}date=${{date}}/host=${{host}}/'
);
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", required=True, help="the bucket of the lake")
    parser.add_argument("--prefix", default=LAKE_PREFIX, help="what the keys begin with")
    parser.add_argument("--database", default="harvester", help="Athena database, which must exist")
    parser.add_argument("--host", action="append", required=True, help="a host part of the lake; repeatable")
    parser.add_argument("--since", default=FIRST_DAY, metavar="YYYY-MM-DD", help="first day of the lake")
    parser.add_argument("--table", action="append", choices=sorted(SCHEMAS), help="one table; default: all")


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Print the definitions."""
    for name in args.table or SCHEMAS:
        print(describe_table(name, args.bucket, args.prefix, args.database, args.host, args.since))
    return 0
