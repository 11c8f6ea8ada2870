"""A database of the Glue Data Catalog and its tables: what differs from what is wanted, the change, the removal."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runbook.aws.outcome import pages

OURS = ("EXTERNAL", "classification", "projection.", "storage.location.template", "presto_view", "skip.header.")
"""Beginnings of the properties that are compared; others come from Athena itself or from a person, and are left."""


@dataclass(frozen=True)
class Change:
    """One thing that is to be made or repaired: what it is, what differs (nothing when it is new), and how."""

    what: str
    differences: tuple[str, ...]
    apply: Callable[[], Any]


def plan(
    glue: Any, name: str, arn: str, tags: Mapping[str, str], wanted: Sequence[Mapping[str, Any]]
) -> Iterator[Change]:
    """What makes the database and its tables as wanted, in order; tables are stated as Glue's TableInput.

    Tables that are not among the wanted ones are a person's, and are left.
    """
    there = {}
    if database_exists(glue, name):
        there = read_tables(glue, name)
        found = {f"tag {key}": value for key, value in glue.get_tags(ResourceArn=arn)["Tags"].items() if key in tags}
        if lacking := _compare(found, {f"tag {key}": value for key, value in tags.items()}):
            tag = partial(glue.tag_resource, ResourceArn=arn, TagsToAdd=dict(tags))
            yield Change(f"database {name}", lacking, tag)
    else:
        make = partial(glue.create_database, DatabaseInput={"Name": name}, Tags=dict(tags))
        yield Change(f"database {name}", (), make)
    for table in wanted:
        yield from _plan_table(glue, name, table, there.get(table["Name"]))


def _plan_table(
    glue: Any, database: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterator[Change]:
    what = f"table {database}.{wanted['Name']}"
    if found is None:
        yield Change(what, (), partial(glue.create_table, DatabaseName=database, TableInput=wanted))
    elif differences := _compare(_compared(found), _compared(wanted)):
        kept = {key: value for key, value in found.get("Parameters", {}).items() if not key.startswith(OURS)}
        repaired = {**wanted, "Parameters": {**kept, **wanted["Parameters"]}}
        yield Change(what, differences, partial(glue.update_table, DatabaseName=database, TableInput=repaired))


def database_exists(glue: Any, name: str) -> bool:
    try:
        glue.get_database(Name=name)
    except glue.exceptions.EntityNotFoundException:
        return False
    return True


def read_tables(glue: Any, name: str) -> dict[str, Any]:
    """The tables of the database, by name."""
    return {table["Name"]: table for table in pages(glue, "get_tables", "TableList", DatabaseName=name)}


def remove_database(glue: Any, name: str) -> None:
    """Remove every table, then the database: AWS lets the tables of a removed database go in its own time."""
    for table in read_tables(glue, name):
        glue.delete_table(DatabaseName=name, Name=table)
    glue.delete_database(Name=name)


def _compared(table: Mapping[str, Any]) -> dict[str, str]:
    """What of a table is compared, by the words that a plan shows."""
    storage = table.get("StorageDescriptor", {})
    properties = {
        "type": table.get("TableType", ""),
        "location": storage.get("Location", ""),
        "input format": storage.get("InputFormat", ""),
        "output format": storage.get("OutputFormat", ""),
        "serialization": storage.get("SerdeInfo", {}).get("SerializationLibrary", ""),
        "delimiter": storage.get("SerdeInfo", {}).get("Parameters", {}).get("field.delim", ""),
        "query": hashlib.sha256(table.get("ViewOriginalText", "").encode()).hexdigest()[:12],
    }
    properties |= {f"column {one['Name']}": one["Type"] for one in storage.get("Columns", ())}
    properties |= {f"partition {one['Name']}": one["Type"] for one in table.get("PartitionKeys", ())}
    return properties | {key: value for key, value in table.get("Parameters", {}).items() if key.startswith(OURS)}


def _compare(found: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each property that differs."""
    keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    return tuple(f"{key}: {found.get(key, 'none')} -> {wanted.get(key, 'none')}" for key in keys)
