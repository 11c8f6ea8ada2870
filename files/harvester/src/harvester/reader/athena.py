"""Tables and views by which Amazon Athena reads the lake in S3, made from the lake's schemas; `harvester athena-ddl`.

A table of the lake is two objects, called by its folder: `depth_v3_files` has the rows of every generation, `depth_v3`
is the view of those files that the newest manifest of a day lists, so that each day counts once, whatever was built
anew, and only when it is whole. A file is known by its name, which has one content for good. Manifests are read as
lines of text, for they are JSON that spans lines.

Partitions are projected, not listed: a day is there as soon as its files are, and no crawler runs (Athena user guide,
"Use partition projection with Amazon Athena"). "$path" is Athena's hidden column with the object of a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from harvester.base.market import NSE, Market
from harvester.lake.layout import CANDLES, FOLDERS, MANIFEST, REBUILT, SCHEMA_VERSION
from harvester.lake.schema import SCHEMAS_OF, table_of_market

FIRST_DAY = "2026-01-01"
PARTITIONS = {"date": "string", "host": "string"}
FOLDER = "folder"
"""A partition of the files: whether they are of a day's first generation or of a later one."""
PLAIN = {
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.string(): "string",
    pa.date32(): "date",
    pa.timestamp("ns", "UTC"): "timestamp",
}
"""Athena's timestamps have milliseconds, in UTC; seq has the order of rows that share one."""
SCHEMAS = {
    FOLDERS[version][table]: schema for version, tables in SCHEMAS_OF.items() for table, schema in tables.items()
}
"""Columns by folder, of every version, in the market nse: no folder mixes two versions, no bucket two markets."""
CANDLES_FOLDER = FOLDERS[SCHEMA_VERSION][CANDLES]
CURRENT = tuple(FOLDERS[SCHEMA_VERSION][table] for table in SCHEMAS_OF[SCHEMA_VERSION])
MANIFEST_LINES = "manifest_lines"


@dataclass(frozen=True)
class Definition:
    """An external table; `columns` has Athena types by name, `properties` define the projected partitions."""

    name: str
    columns: dict[str, str]
    location: str
    properties: dict[str, str]
    partitions: dict[str, str]
    is_text: bool = False
    """Whether the files are lines of text, not Parquet."""
    delimiter: str = ""
    """What stands between the columns of a line, where a line has several."""


@dataclass(frozen=True)
class View:
    """A view; `columns` has Athena types by name."""

    name: str
    columns: dict[str, str]
    query: str


def columns_of(folder: str, market: Market = NSE) -> dict[str, str]:
    """Athena's types by column, of a folder as its market writes it."""
    schema = table_of_market(CANDLES, market).schema if folder == CANDLES_FOLDER else SCHEMAS[folder]
    return {field.name: athena_type(field.type) for field in schema}


def athena_type(kind: pa.DataType) -> str:
    """The type of a column in Athena's DDL. Raises KeyError for one that the lake has no use for so far."""
    if pa.types.is_dictionary(kind):
        return athena_type(kind.value_type)
    if pa.types.is_list(kind):
        return f"array<{athena_type(kind.value_type)}>"
    return PLAIN[kind]


def define_manifests(bucket: str, prefix: str, hosts: Sequence[str], since: str) -> Definition:
    """The manifests, a row a line; `hosts` are the host parts of the lake, `since` is its first day."""
    location = f"s3://{bucket}/{prefix}{MANIFEST}/"
    properties = _projection(hosts, since) | {
        "storage.location.template": f"{location}date=${{date}}/host=${{host}}/",
    }
    return Definition(MANIFEST_LINES, {"line": "string"}, location, properties, PARTITIONS, is_text=True)


def define_files(
    kind: str, bucket: str, prefix: str, hosts: Sequence[str], since: str, market: Market = NSE
) -> Definition:
    """The rows of one folder, of all generations."""
    location = f"s3://{bucket}/{prefix}"
    properties = _projection(hosts, since) | {
        f"projection.{FOLDER}.type": "enum",
        f"projection.{FOLDER}.values": f"{kind},{kind}{REBUILT}",
        "storage.location.template": f"{location}${{{FOLDER}}}/date=${{date}}/host=${{host}}/",
    }
    partitions = {FOLDER: "string", **PARTITIONS}
    return Definition(f"{kind}_files", columns_of(kind, market), location, properties, partitions)


def _projection(hosts: Sequence[str], since: str) -> dict[str, str]:
    return {
        "projection.enabled": "true",
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        "projection.date.range": f"{since},NOW+1DAYS",
        "projection.date.interval": "1",
        "projection.date.interval.unit": "DAYS",
        "projection.host.type": "enum",
        "projection.host.values": ",".join(hosts),
    }


def define_view(kind: str, database: str, market: Market = NSE) -> View:
    """The rows of one folder as the newest manifests have it, each once."""
    columns = columns_of(kind, market) | PARTITIONS
    lines = f'"{database}"."{MANIFEST_LINES}"'
    generation = "TRY_CAST(regexp_extract({0}\"$path\", 'manifest-([0-9]+)[.]json$', 1) AS integer)"
    query = f"""\
SELECT {", ".join(f'f."{name}"' for name in columns)}
FROM "{database}"."{kind}_files" f
JOIN (
  SELECT m."date", m."host", regexp_extract(m."line", '"path": "{kind}/[^"]*/([^"/]+)"', 1) AS "name"
  FROM {lines} m
  JOIN (
    SELECT "date", "host", max({generation.format("")}) AS "generation"
    FROM {lines}
    GROUP BY "date", "host"
  ) n
  ON m."date" = n."date" AND m."host" = n."host" AND {generation.format("m.")} = n."generation"
  WHERE m."line" LIKE '%"path": "{kind}/%'
) listed
ON f."date" = listed."date" AND f."host" = listed."host"
  AND regexp_extract(f."$path", '[^/]+$') = listed."name\""""  # noqa: S608  # names of ours
    return View(kind, columns, query)


def define_all(
    kinds: Sequence[str],
    bucket: str,
    prefix: str,
    hosts: Sequence[str],
    since: str,
    database: str,
    market: Market = NSE,
) -> Iterator[Definition | View]:
    """What the tables of these folders need, each after what it rests on."""
    yield define_manifests(bucket, prefix, hosts, since)
    for kind in kinds:
        yield define_files(kind, bucket, prefix, hosts, since, market)
    for kind in kinds:
        yield define_view(kind, database, market)


def describe(defined: Definition | View, database: str) -> str:
    """Its DDL."""
    if isinstance(defined, View):
        return f'CREATE OR REPLACE VIEW "{database}"."{defined.name}" AS\n{defined.query};\n'
    columns = ",\n".join(f"  `{name}` {kind}" for name, kind in defined.columns.items())
    partitions = ", ".join(f"`{name}` {kind}" for name, kind in defined.partitions.items())
    properties = ",\n".join(f"  '{name}' = '{value}'" for name, value in defined.properties.items())
    rows = f"\nROW FORMAT DELIMITED FIELDS TERMINATED BY '{defined.delimiter}'" if defined.delimiter else ""
    return f"""CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{defined.name}` (
{columns}
)
PARTITIONED BY ({partitions}){rows}
STORED AS {"TEXTFILE" if defined.is_text else "PARQUET"}
LOCATION '{defined.location}'
TBLPROPERTIES (
{properties}
);
"""
