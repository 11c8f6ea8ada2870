"""What one engine reads in Parquet files: ENGINE FILE ..., answered in JSON as {file: {column: [values]}}."""

import json
import sys
from collections.abc import Callable
from typing import Any

Columns = dict[str, list[Any]]


def arrow(table: Any, unit: str = "ns") -> Columns:
    """An engine's Arrow table, whose moments have that unit; as int64 ns, for datetime ends at microseconds."""
    import pyarrow

    def plain(column: Any) -> Any:
        if not pyarrow.types.is_timestamp(column.type):
            return column
        assert (column.type.unit, bool(column.type.tz)) == (unit, True), column.type
        return column.cast(pyarrow.timestamp("ns", column.type.tz)).cast(pyarrow.int64())

    return {name: plain(table.column(name)).to_pylist() for name in table.column_names}


def moment(value: Any) -> Any:
    """A moment of pandas as ns; another value as it is."""
    return value.value if type(value).__name__ == "Timestamp" else value


def duckdb(path: str) -> Columns:
    import duckdb as engine

    unit = "us" if engine.__version__.startswith("1.") else "ns"
    return arrow(engine.read_parquet(path, hive_partitioning=False).to_arrow_table(), unit)


def polars(path: str) -> Columns:
    import polars as engine

    return arrow(engine.scan_parquet(path, hive_partitioning=False).collect().to_arrow())


def pandas_pyarrow(path: str) -> Columns:
    import pandas

    frame = pandas.read_parquet(path, engine="pyarrow", dtype_backend="pyarrow", partitioning=None)
    return {name: [*map(moment, frame[name])] for name in frame}


def pandas_fastparquet(path: str) -> Columns:
    from fastparquet import ParquetFile

    frame = ParquetFile(path).to_pandas()
    return {name: [*map(moment, frame[name])] for name in frame if name not in ("date", "host")}


def daft(path: str) -> Columns:
    import daft as engine

    return arrow(engine.read_parquet(path).to_arrow())


def datafusion(path: str) -> Columns:
    import datafusion as engine

    return arrow(engine.SessionContext().read_parquet(path).to_arrow_table())


ENGINES: tuple[Callable[[str], Columns], ...] = (duckdb, polars, pandas_pyarrow, pandas_fastparquet, daft, datafusion)


def plain(value: Any) -> Any:
    """Numbers and texts of the standard library; every null None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(each) for each in value]
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main() -> None:
    name, *paths = sys.argv[1:]
    [read] = [engine for engine in ENGINES if engine.__name__ == name]
    answers = {
        path: {column: [plain(value) for value in values] for column, values in read(path).items()} for path in paths
    }
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
