"""Athena over the bucket of a test: DuckDB runs the views' own queries over what the tables' properties project.

From Athena's user guide, "Use partition projection": a partition's files are all objects below the place that
storage.location.template gives for its values, subfolders included, and those that are not there are no fault.
"""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import duckdb
from s3_world import World

from harvester.reader.athena import SCHEMAS, Definition, View, define_all

DATABASE = "market"
TYPES = {"string": "varchar", "int": "integer", "array<bigint>": "bigint[]", "timestamp": "timestamptz_ns"}
LAST_DAY = date(2026, 11, 30)
"""NOW+1DAYS; it is November 2026 here."""


class Athena:
    """The tables and views of one bucket, as they are found now."""

    def __init__(self, world: World, hosts: list[str], since: str = "2026-11-01") -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._world, self._stored = world, world.stored()
        self._database = duckdb.connect()
        self._database.execute(f'create schema "{DATABASE}"')
        for defined in define_all([*SCHEMAS], world.name, world.bucket.prefix, hosts, since, DATABASE):
            if isinstance(defined, View):
                self._database.execute(f'create view "{DATABASE}"."{defined.name}" as {defined.query}')
                found = {row[0] for row in self._database.execute(f'describe "{DATABASE}"."{defined.name}"').fetchall()}
                assert found == {*defined.columns}
            else:
                self._make(defined)

    def rows(self, kind: str, *, table: str = "") -> int:
        """How many rows a query sees; of `table` where it is no view."""
        [(count,)] = self._database.execute(f'select count(*) from "{DATABASE}"."{table or kind}"').fetchall()  # noqa: S608
        return int(count)

    def _make(self, table: Definition) -> None:
        columns = {**table.columns, **table.partitions, "$path": "string"}
        fields = ", ".join(f'"{name}" {TYPES.get(kind, kind)}' for name, kind in columns.items())
        self._database.execute(f'create table "{DATABASE}"."{table.name}" ({fields})')
        for values, path in self._files(table):
            rest = ", ".join(f"'{value}'" for value in (*values.values(), f"s3://{self._world.name}/{path}"))
            local = Path(self._folder.name, path)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(self._stored[path.removeprefix(self._world.bucket.prefix)])
            if table.is_text:
                lines = local.read_text("utf-8").splitlines()
                self._database.executemany(
                    f'insert into "{DATABASE}"."{table.name}" values (?, {rest})',  # noqa: S608
                    [[line] for line in lines],
                )
            else:
                names = ", ".join(f'"{name}"' for name in table.columns)
                self._database.execute(
                    f'insert into "{DATABASE}"."{table.name}" select {names}, {rest} '  # noqa: S608
                    f"from read_parquet('{local}', hive_partitioning=false)"
                )

    def _files(self, table: Definition) -> Iterator[tuple[dict[str, str], str]]:
        """The values of the partitions and the key of every object that they project."""
        template = table.properties["storage.location.template"].removeprefix(f"s3://{self._world.name}/")
        choices = [self._values(table.properties, name) for name in table.partitions]
        for chosen in product(*choices):
            values = dict(zip(table.partitions, chosen, strict=True))
            place = template
            for name, value in values.items():
                place = place.replace(f"${{{name}}}", value)
            for path in self._stored:
                if f"{self._world.bucket.prefix}{path}".startswith(place):
                    yield values, f"{self._world.bucket.prefix}{path}"

    @staticmethod
    def _values(properties: dict[str, str], name: str) -> list[str]:
        if properties[f"projection.{name}.type"] == "enum":
            return properties[f"projection.{name}.values"].split(",")
        first, _, last = properties[f"projection.{name}.range"].partition(",")
        assert last == "NOW+1DAYS"
        begin = date.fromisoformat(first)
        return [(begin + timedelta(number)).isoformat() for number in range((LAST_DAY - begin).days + 1)]
