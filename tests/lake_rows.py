"""Rows of the lake's tables as Python has them exactly: moments are int64 ns, for datetime ends at microseconds."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Row = dict[str, Any]


def plain(column: Any) -> Any:
    """Moments as int64 ns; another column as it is."""
    return pc.cast(column, pa.int64()) if pa.types.is_timestamp(column.type) else column


def read(path: Path) -> pa.Table:
    """A file's table with plain columns."""
    with pq.ParquetFile(path) as file:
        table = file.read()
    return pa.table({name: plain(table.column(name)) for name in table.column_names})


def rows(path: Path) -> list[Row]:
    """A file's rows."""
    found: list[Row] = read(path).to_pylist()
    return found
