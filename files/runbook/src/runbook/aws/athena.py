"""The operator's athena-tables: the lake in the bucket as tables of Amazon Athena, made on request and kept right."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from harvester.base.aws_names import LAKE_PREFIX
from harvester.base.errors import ConfigError, HarvesterError
from harvester.lake.layout import MANIFEST, PARTITION
from harvester.reader.athena import FIRST_DAY, PARTITIONS, SCHEMAS, Definition, define_table
from runbook.aws import glue
from runbook.aws.environment import Environment
from runbook.aws.outcome import pages

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def plan(here: Environment, account: str, partition: str = "aws") -> list[glue.Change]:
    """What makes Athena's tables fit the lake; empty when they do. ConfigError when there is no bucket.

    Hosts are those of the inventory, and those of former days that the bucket has.
    """
    names = here.names
    bucket = names.bucket(account)
    stored, first_day = find_partitions(here.account.client("s3"), bucket)
    hosts = sorted({*stored, *here.variables["aws_host_names"]})
    wanted = [to_input(define_table(kind, bucket, LAKE_PREFIX, hosts, first_day)) for kind in SCHEMAS]
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


def to_input(table: Definition) -> dict[str, Any]:
    """The table as Glue wants it."""
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **table.properties},
        "PartitionKeys": _columns(PARTITIONS),
        "StorageDescriptor": {
            "Columns": _columns(table.columns),
            "Location": table.location,
            "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
        },
    }


def _columns(types: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in types.items()]
