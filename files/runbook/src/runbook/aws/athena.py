"""The operator's athena-tables: the lake in the bucket as tables of Amazon Athena, made on request and kept right."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from harvester.base.aws_names import LAKE_PREFIX
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import MARKETS
from harvester.lake.layout import MANIFEST, PARTITION
from harvester.price_feed.athena import define_feed
from harvester.price_feed.layout import ANALYTICS, clean
from harvester.reader.athena import CURRENT, FIRST_DAY, SCHEMAS, Definition, View, define_all
from runbook.aws import glue
from runbook.aws.environment import Environment
from runbook.aws.outcome import pages
from runbook.aws.price_feed import HOSTS, PLACE, SYMBOLS
from runbook.fleet.calendar import market_of

_PARQUET, _HIVE = "org.apache.hadoop.hive.ql.io.parquet", "org.apache.hadoop.hive"
PARQUET = (
    f"{_PARQUET}.MapredParquetInputFormat",
    f"{_PARQUET}.MapredParquetOutputFormat",
    f"{_PARQUET}.serde.ParquetHiveSerDe",
)
"""Classes that read and write, as Athena's own DDL names them."""
TEXT = (
    "org.apache.hadoop.mapred.TextInputFormat",
    f"{_HIVE}.ql.io.HiveIgnoreKeyTextOutputFormat",
    f"{_HIVE}.serde2.lazy.LazySimpleSerDe",
)
CATALOG = "awsdatacatalog"


def plan(here: Environment, account: str, partition: str = "aws") -> list[glue.Change]:
    """What makes Athena's tables fit the lake; empty when they do. ConfigError when there is no bucket.

    Hosts are those of the inventory, and those of former days that the bucket has; tables are those of this release,
    and of older schemas where the bucket has files of them.
    """
    names = here.names
    bucket = names.bucket(account)
    stored, first_day = find_partitions(here.account.client("s3"), bucket)
    hosts = sorted({*stored, *here.variables["aws_host_names"]})
    former = [kind for kind in SCHEMAS if kind not in CURRENT and has_files(here.account.client("s3"), bucket, kind)]
    market = MARKETS[market_of(None, [here.variables])]
    defined = define_all([*former, *CURRENT], bucket, LAKE_PREFIX, hosts, first_day, names.database, market)
    feeds = define_feeds(here, bucket)
    wanted = [
        view_input(one, names.database) if isinstance(one, View) else table_input(one) for one in (*defined, *feeds)
    ]
    arn = f"arn:{partition}:glue:{names.region}:{account}:database/{names.database}"
    return [*glue.plan(here.account.client("glue"), names.database, arn, names.tags, wanted)]


def make(here: Environment, account: str, changes: Sequence[glue.Change]) -> None:
    """Do what was planned, and look again. HarvesterError when the tables are not right after it."""
    for change in changes:
        change.apply()
    for left in plan(here, account):
        raise HarvesterError(
            f"{left.what} is not as it must be ({'; '.join(left.differences) or 'it is not there'}). Does another"
            " program change it? Run ./inv athena-tables again."
        )


def find_partitions(s3: Any, bucket: str) -> tuple[set[str], str]:
    """The hosts that have closed days in the bucket, and the first day, FIRST_DAY at the latest."""
    hosts, first_day = set(), FIRST_DAY
    root = f"{LAKE_PREFIX}{MANIFEST}/"
    try:
        for found in pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=root):
            match = PARTITION.match(str(PurePosixPath(found["Key"].removeprefix(root)).parent))
            if match:
                hosts.add(match[2])
                first_day = min(first_day, match[1])
    except s3.exceptions.NoSuchBucket:
        raise ConfigError(f"There is no bucket {bucket}, so there is no lake to ask. Run site.yml first.") from None
    return hosts, first_day


def define_feeds(here: Environment, bucket: str) -> list[Definition]:
    """A table for each price feed; its symbols are those of the inventory, and those that the bucket has."""
    s3, found = here.account.client("s3"), []
    of_hosts, of_functions = ([*here.variables.get(name, ())] for name in ("aws_host_symbols", SYMBOLS))
    feeds = [(prefix, of_hosts) for prefix in here.variables.get(HOSTS, ())]
    feeds += [(str(here.variables.get(PLACE, "")), of_functions)] if of_functions else []
    for prefix, symbols_of in feeds:
        root = f"{prefix}{ANALYTICS}/csv/symbol="
        listed = pages(s3, "list_objects_v2", "CommonPrefixes", Bucket=bucket, Prefix=root, Delimiter="/")
        stored = {each["Prefix"].removeprefix(root).rstrip("/") for each in listed}
        named = {clean(each) for each in symbols_of if isinstance(each, str)}
        if symbols := stored | named:
            found.append(define_feed(bucket, prefix, symbols))
    return found


def has_files(s3: Any, bucket: str, kind: str) -> bool:
    """Whether the bucket has files of a folder: tables of an older schema are defined only then."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{LAKE_PREFIX}{kind}/", MaxKeys=1)
    return bool(found["KeyCount"])


def table_input(table: Definition) -> dict[str, Any]:
    """The table as Glue wants it."""
    reads, writes, serializes = TEXT if table.is_text else PARQUET
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE", "classification": "csv" if table.is_text else "parquet", **table.properties
        },
        "PartitionKeys": _columns(table.partitions),
        "StorageDescriptor": {
            "Columns": _columns(table.columns),
            "Location": table.location,
            "InputFormat": reads,
            "OutputFormat": writes,
            "SerdeInfo": {
                "SerializationLibrary": serializes,
                **({"Parameters": {"field.delim": table.delimiter}} if table.delimiter else {}),
            },
        },
    }  # fmt: skip


def view_input(view: View, database: str) -> dict[str, Any]:
    """The view as Glue wants it: as Athena's engine keeps a view (Trino's source, ViewReaderUtil.PrestoViewReader)."""
    columns = [{"name": name, "type": _presto_type(kind)} for name, kind in view.columns.items()]
    content = {"originalSql": view.query, "catalog": CATALOG, "schema": database, "columns": columns}
    encoded = base64.b64encode(json.dumps(content).encode()).decode()
    return {
        "Name": view.name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": _columns(view.columns), "Location": "", "SerdeInfo": {}},
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
    }


def _presto_type(kind: str) -> str:
    """The name of an Athena type in queries, where it differs from that in DDL."""
    inner = kind.removeprefix("array<").removesuffix(">")
    name = {"int": "integer", "string": "varchar", "timestamp": "timestamp(3)"}.get(inner, inner)
    return name if inner == kind else f"array({name})"


def _columns(types: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in types.items()]
