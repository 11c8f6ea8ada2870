"""Tables by which Amazon Athena reads the lake in S3, made from the lake's schemas; `harvester athena-ddl` prints them.

Partitions are projected, not listed: a day is there as soon as its files are, and no crawler runs (Athena user guide,
"Use partition projection with Amazon Athena").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from harvester.lake.layout import GAPS
from harvester.lake.schema import GAPS_SCHEMA, TABLES

FIRST_DAY = "2026-01-01"
PARTITIONS = {"date": "string", "host": "string"}
PLAIN = {pa.int64(): "bigint", pa.int32(): "int", pa.bool_(): "boolean", pa.string(): "string"}
SCHEMAS = {GAPS: GAPS_SCHEMA, **{name: table.schema for name, table in TABLES.items()}}


@dataclass(frozen=True)
class Definition:
    """One external table; `columns` has Athena types by name, `properties` define the projected partitions."""

    name: str
    columns: dict[str, str]
    location: str
    properties: dict[str, str]


def athena_type(kind: pa.DataType) -> str:
    """The type of a column in Athena's DDL. Raises KeyError for one that the lake has no use for so far."""
    if pa.types.is_dictionary(kind):
        return athena_type(kind.value_type)
    if pa.types.is_list(kind):
        return f"array<{athena_type(kind.value_type)}>"
    return PLAIN[kind]


def define_table(name: str, bucket: str, prefix: str, hosts: Sequence[str], since: str) -> Definition:
    """One kind of table; `hosts` are the host parts of the lake, `since` is its first day."""
    location = f"s3://{bucket}/{prefix}{name}/"
    properties = {
        "projection.enabled": "true",
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        "projection.date.range": f"{since},NOW+1DAYS",
        "projection.date.interval": "1",
        "projection.date.interval.unit": "DAYS",
        "projection.host.type": "enum",
        "projection.host.values": ",".join(hosts),
        "storage.location.template": f"{location}date=${{date}}/host=${{host}}/",
    }
    columns = {field.name: athena_type(field.type) for field in SCHEMAS[name]}
    return Definition(name, columns, location, properties)


def describe_table(table: Definition, database: str) -> str:
    """CREATE TABLE for it."""
    columns = ",\n".join(f"  `{name}` {kind}" for name, kind in table.columns.items())
    partitions = ", ".join(f"`{name}` {kind}" for name, kind in PARTITIONS.items())
    properties = ",\n".join(f"  '{name}' = '{value}'" for name, value in table.properties.items())
    return f"""CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{table.name}` (
{columns}
)
PARTITIONED BY ({partitions})
STORED AS PARQUET
LOCATION '{table.location}'
TBLPROPERTIES (
{properties}
);
"""
