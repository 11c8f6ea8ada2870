"""Rows of the lake's own tables, candles and depth, with the columns that a table of the settings names."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from harvester.base.errors import ConfigError
from harvester.config.row_tables import RowTable
from harvester.lake.layout import CANDLES, DEPTH, Partition
from harvester.lake.manifest import load_manifest
from harvester.postgres.columns import Row
from harvester.reader import Lake, open_lake
from harvester.reader.columns import LOGICAL

LEVELS = 5


def kinds_of(table: RowTable) -> dict[str, str]:
    """The kinds of the columns that a table takes. Raises ConfigError for one that the lake does not have."""
    known = _known(table.rows)
    if wrong := sorted(set(table.columns.values()) - known.keys()):
        raise ConfigError(
            f"deliveries: the table {table.name} takes {wrong[0]}, which {table.rows} does not have. It has"
            f" {', '.join(sorted(known))}."
        )
    return {source: known[source] for source in table.columns.values()}


def _known(rows: str) -> dict[str, str]:
    """The columns of candles or depth, a level of a book being bid_px_1, and their kinds."""
    found: dict[str, str] = {}
    for name, kind in LOGICAL[CANDLES if rows == CANDLES else DEPTH].items():
        if kind in ("prices", "sizes"):
            found |= {f"{name}_{level}": "price" if kind == "prices" else "int" for level in range(1, LEVELS + 1)}
        elif kind in ("time", "name", "int", "bool", "price"):
            found[name] = kind
    return found


class LakeRows:
    """What the lake has of one day of this host."""

    def __init__(self, lake: Path, day: Partition) -> None:
        self._lake, self._day = lake, day

    @cached_property
    def _open(self) -> Lake:
        return open_lake(str(self._lake))

    def symbols(self, table: RowTable) -> list[str]:
        """Recorded by this host on that day; none where nothing of the kind was."""
        manifest = load_manifest(self._lake, self._day)
        if manifest is None or not manifest.find(table.rows):
            return []
        return sorted(
            name for each in self._open.on(self._day.date) if each.host == self._day.host for name in each.segments
        )

    def rows(self, table: RowTable, symbol: str) -> Iterator[Row]:
        """A symbol's rows in order. Raises ReaderError."""
        chosen: dict[str, Any] = {"session": "all", "prices": "decimal", "tz": "UTC", "host": self._day.host}
        if table.rows == CANDLES:
            answer = self._open.bars(symbol, self._day.date, source="broker", origin=True, **chosen)
        else:
            answer = self._open.depth(symbol, self._day.date, levels=LEVELS, invalid=True, origin=True, **chosen)
        for batch in answer.batches():
            columns = [_values(batch.column(source)) for source in table.columns.values()]
            yield from zip(*columns, strict=True)


def _values(column: pa.Array) -> list[Any]:
    """As Python has them; a moment to the microsecond, which is all that PostgreSQL keeps."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", "UTC"), safe=False)
    return list(column.to_pylist())
