"""One symbol's rows of a table of the lake, of whatever schema its file states."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.lake.schema import TABLES_OF, version_of
from harvester.lake.schema2 import FORMER
from harvester.lake.schema2 import VERSION as FORMER_VERSION
from harvester.lake.tables.parquet import check_columns, plain


class SymbolRows:
    """A table, opened. Raises HarvesterError for what is no such table, pa.ArrowException or OSError for damage."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self._groups: dict[str, list[int]] = {}
        self._file = pq.ParquetFile(path)
        schema = self._file.schema_arrow
        version = version_of(path, schema)
        check_columns(path, schema, TABLES_OF[version][table])
        self._names = FORMER if version == FORMER_VERSION else {}
        for group in range(self._file.num_row_groups):
            for name in self._file.read_row_group(group, ["symbol"]).column("symbol").unique().to_pylist():
                self._groups.setdefault(name, []).append(group)

    @property
    def symbols(self) -> set[str]:
        return {*self._groups}

    def read(self, symbol: str, columns: Sequence[str]) -> pa.Table:
        """Columns by their names of schema 3, moments as int64 ns, in the order of the file."""
        stored = [self._names.get(column, column) for column in columns]
        table = self._file.read_row_groups(self._groups.get(symbol, []), [*stored, "symbol"])
        table = table.filter(pc.equal(pc.cast(table.column("symbol"), pa.string()), symbol))
        return pa.table({name: plain(table.column(each)) for name, each in zip(columns, stored, strict=True)})
