"""What one engine reads in Parquet files: ENGINE FILE ..., answered in JSON as {file: {column: [values]}}."""

import json
import sys
from collections.abc import Callable
from typing import Any

Columns = dict[str, list[Any]]


def duckdb(path: str) -> Columns:
    import duckdb as engine

    relation = engine.read_parquet(path, hive_partitioning=False)
    rows = relation.fetchall()
    return {name: [row[at] for row in rows] for at, name in enumerate(relation.columns)}


def polars(path: str) -> Columns:
    import polars as engine

    return engine.scan_parquet(path, hive_partitioning=False).collect().to_dict(as_series=False)


def pandas_pyarrow(path: str) -> Columns:
    import pandas

    frame = pandas.read_parquet(path, engine="pyarrow", dtype_backend="pyarrow", partitioning=None)
    return {name: frame[name].tolist() for name in frame}


def pandas_fastparquet(path: str) -> Columns:
    from fastparquet import ParquetFile

    frame = ParquetFile(path).to_pandas()
    return {name: frame[name].tolist() for name in frame if name not in ("date", "host")}


def daft(path: str) -> Columns:
    import daft as engine

    return engine.read_parquet(path).to_pydict()


def datafusion(path: str) -> Columns:
    import datafusion as engine

    return engine.SessionContext().read_parquet(path).to_pydict()


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
