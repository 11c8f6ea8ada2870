"""Runs in the engines' venv: what an engine counts in the books of a lake, as JSON. ENGINE SCHEMA ADDRESS [ENDPOINT].

ADDRESS is a folder, or s3://bucket/lake with the ENDPOINT of a server. For each day and symbol: rows, the sum of the
best bids in paise, the sum of the shares of the best asks, and the first and last moment of receipt in ns.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

REGION = "ap-south-1"
Row = list[Any]


class Books(NamedTuple):
    """Where the books are, and the columns of their schema."""

    folder: str
    time: str
    bids: str
    asks: str
    endpoint: str

    @property
    def files(self) -> str:
        return f"{self.folder}/*/*/*.parquet"


COLUMNS = {"2": ("depth", "recv_ns", "bid_px", "ask_qty"), "3": ("depth_v3", "ts_recv", "bid_px_paise", "ask_qty")}


def rows_of(table: Any) -> list[Row]:
    """An Arrow table's rows."""
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def pandas(books: Books, backend: str = "pyarrow") -> list[Row]:
    import pandas as engine

    frame = engine.read_parquet(books.folder, dtype_backend=backend)
    bids, asks = (frame[name].map(lambda each: 0 if engine.isna(each[0]) else int(each[0])) for name in books[2:4])
    flat = engine.DataFrame(
        {
            **{name: frame[name].astype(str) for name in ("date", "symbol")},
            **{"ns": frame[books.time].astype("int64"), "bids": bids, "asks": asks},
        }
    )
    groups = flat.groupby(["date", "symbol"])
    found = groups.agg(n=("ns", "size"), b=("bids", "sum"), a=("asks", "sum"), begin=("ns", "min"), until=("ns", "max"))
    return [[*key, *map(int, row)] for key, row in zip(found.index, found.itertuples(index=False), strict=True)]


def pandas_numpy(books: Books) -> list[Row]:
    return pandas(books, "numpy_nullable")


def polars(books: Books, *, scan: bool = False) -> list[Row]:
    import polars as engine

    read = engine.scan_parquet if scan else engine.read_parquet
    ns = engine.col(books.time).to_physical()
    grouped = (
        read(books.files, hive_partitioning=True)
        .lazy()
        .group_by(engine.col("date").cast(engine.String), engine.col("symbol").cast(engine.String))
        .agg(
            engine.len(),
            *(engine.col(name).list.get(0).sum() for name in (books.bids, books.asks)),
            *(ns.min().alias("begin"), ns.max().alias("until")),
        )
    )
    return [list(row) for row in grouped.collect().rows()]


def polars_scan(books: Books) -> list[Row]:
    return polars(books, scan=True)


def duckdb(books: Books) -> list[Row]:
    import duckdb as engine

    connection = engine.connect(config={"autoinstall_known_extensions": "false"})
    if books.endpoint:
        import duckdb_extension_httpfs as package

        [extension] = Path(str(package.__file__)).parent.glob("extensions/*/httpfs.duckdb_extension")
        connection.execute(f"load '{extension}'")
        connection.execute(
            "create secret (type s3, key_id 'testing', secret 'testing', url_style 'path', use_ssl false,"
            f" region '{REGION}', endpoint '{urlsplit(books.endpoint).netloc}')"
        )
    ns = books.time if books.time.endswith("_ns") else f"epoch_ns({books.time})"
    question = f"""
        select date::varchar, symbol, count(*), sum({books.bids}[1])::bigint, sum({books.asks}[1])::bigint,
               min({ns}), max({ns})
        from read_parquet('{books.files}', hive_partitioning=true) group by 1, 2
    """  # noqa: S608  # names of ours
    return rows_of(connection.sql(question).to_arrow_table())


def pyarrow_dataset(books: Books) -> list[Row]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    table = ds.dataset(books.folder, partitioning="hive").to_table()
    flat = pa.table(
        {
            **{name: table[name].cast(pa.string()) for name in ("date", "symbol")},
            **{name: pc.list_element(table[name], 0) for name in (books.bids, books.asks)},
            "ns": table[books.time].cast(pa.int64()),
        }
    )
    how = [("ns", "count"), (books.bids, "sum"), (books.asks, "sum"), ("ns", "min"), ("ns", "max")]
    names = ["date", "symbol", *(f"{name}_{each}" for name, each in how)]
    return rows_of(flat.group_by(["date", "symbol"]).aggregate(how).select(names))


def daft(books: Books) -> list[Row]:
    import daft as engine
    from daft import col

    storage = engine.io.S3Config(
        endpoint_url=books.endpoint or None, region_name=REGION, key_id="testing", access_key="testing", use_ssl=False
    )
    frame = engine.read_parquet(books.files, hive_partitioning=True, io_config=engine.io.IOConfig(s3=storage))
    flat = frame.select(
        *(col("date"), col("symbol").cast(engine.DataType.string())),
        *(col(name).get(0).alias(name) for name in (books.bids, books.asks)),
        col(books.time).cast(engine.DataType.int64()).alias("ns"),
    )
    grouped = flat.groupby("date", "symbol").agg(
        col("ns").count().alias("n"),
        *(col(name).sum() for name in (books.bids, books.asks)),
        *(col("ns").min().alias("begin"), col("ns").max().alias("until")),
    )
    return [[str(day), *row] for day, *row in rows_of(grouped.to_arrow())]


def daft_on_ray(books: Books) -> list[Row]:
    import daft as engine
    from cluster import workers

    with workers(3):
        engine.set_runner_ray()
        return daft(books)


def spark(books: Books) -> list[Row]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.legacy.parquet.nanosAsLong", "true")
        .getOrCreate()
    )
    session.read.parquet(books.folder).createOrReplaceTempView("books")
    ns = f"bigint({books.time})"
    question = f"""
        select string(date), symbol, count(*), sum({books.bids}[0]), sum({books.asks}[0]), min({ns}), max({ns})
        from books group by date, symbol
    """  # noqa: S608  # names of ours
    found = session.sql(question).collect()
    session.stop()
    return [list(row) for row in found]


ENGINES: Iterable[Callable[[Books], list[Row]]] = (
    *(pandas, pandas_numpy, polars, polars_scan, duckdb, pyarrow_dataset, daft, daft_on_ray, spark),
)


def main() -> None:
    name, schema, address, *endpoint = sys.argv[1:]
    [ask] = [engine for engine in ENGINES if engine.__name__ == name]
    folder, *columns = COLUMNS[schema]
    print(json.dumps(sorted(ask(Books(f"{address}/{folder}", *columns, *(endpoint or [""]))))))


if __name__ == "__main__":
    main()
