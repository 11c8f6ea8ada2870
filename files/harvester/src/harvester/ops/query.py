"""query: SQL over the pulled lake by DuckDB.

Views: `depth` (as stored: prices in paise, times in ns; plus date, host and recv_time), `depth_rupees` (the same with
prices as exact decimals in rupees), `gaps` (with from_time and to_time), `certificate` (one row per day and symbol).
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.errors import ConfigError, HarvesterError
from harvester.lake.layout import DEPTH, GAPS
from harvester.ops.catalogue import Day, load_days, parquet_files, require_days

if TYPE_CHECKING:
    import duckdb

TIME_ZONE = "Asia/Kolkata"
PRICE_COLUMNS = (
    "ltp", "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt",
    *(f"{side}_px_{level}" for side in ("bid", "ask") for level in range(1, 6)),
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Column names and rows; times are zone-aware, prices from depth_rupees are Decimal."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def to_csv(self) -> str:
        """The rows as CSV with a header; times in ISO form."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_plain(value) for value in row] for row in self.rows)
        return text.getvalue()

    def to_json(self) -> str:
        """The rows as a JSON list of objects; decimals as text, for a JSON reader would make floats of them."""
        rows = [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]
        return json.dumps(rows, indent=1, ensure_ascii=False)


def ask(sql: str, lake: Path) -> Answer:
    """Run one SQL text over the views; ConfigError for SQL that DuckDB refuses, naming views or columns there are."""
    import duckdb

    with open_lake(lake) as connection:
        try:
            relation = connection.sql(sql)
            if relation is None:
                return Answer([], [])
            table = relation.to_arrow_table()
        except duckdb.Error as error:
            if _is_about_a_file(error):
                raise _damaged(lake, error) from error
            raise ConfigError(_advice(error, connection)) from error
    columns = [column.to_pylist() for column in table.columns]
    return Answer(table.column_names, list(zip(*columns, strict=True)))


def open_lake(lake: Path, *, since: date | None = None, until: date | None = None) -> "duckdb.DuckDBPyConnection":
    """An in-memory DuckDB with the views over the days of a lake; the caller closes it.

    ConfigError when there is no day; HarvesterError when a file is not what its name says.
    """
    import duckdb

    days = require_days(lake, load_days(lake, since=since, until=until))
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute(f"set TimeZone='{TIME_ZONE}'")
    try:
        _create_views(connection, parquet_files(lake, days, DEPTH), parquet_files(lake, days, GAPS))
    except duckdb.Error as error:
        raise _damaged(lake, error) from error
    connection.register("certificate", _certificates(days))
    return connection


def _create_views(connection: "duckdb.DuckDBPyConnection", depth: list[Path], gaps: list[Path]) -> None:
    """All views, also where no file stands behind them: they are empty then."""
    from harvester.lake.schema import DEPTH_SCHEMA, GAPS_SCHEMA

    times = {"depth": ("recv",), "gaps": ("from", "to")}
    for name, files, schema in (("depth", depth, DEPTH_SCHEMA), ("gaps", gaps, GAPS_SCHEMA)):
        if files:
            source = _parquet(files)
        else:
            connection.register(f"{name}_empty", _empty(schema))
            source = f"{name}_empty"
        more = ", ".join(f"make_timestamptz({time}_ns // 1000) as {time}_time" for time in times[name])
        connection.execute(f"create view {name} as select *, {more} from {source}")  # noqa: S608  # our own names
    rupees = ", ".join(f"({name}::decimal(18,2) * 0.01)::decimal(18,2) as {name}" for name in PRICE_COLUMNS)
    connection.execute(f"create view depth_rupees as select * replace ({rupees}) from depth")  # noqa: S608


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([*schema, ("date", pa.date32()), ("host", pa.string())]).empty_table()


def _parquet(files: Iterable[Path]) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return (
        f"read_parquet([{names}], union_by_name=true, hive_partitioning=true, "
        "hive_types={'date': date, 'host': varchar})"
    )


def _certificates(days: Iterable[Day]) -> Any:
    import pyarrow as pa

    rows = []
    for day in days:
        for symbol, facts in day.certificate["symbols"].items():
            deviation = facts.get("poll_deviation_ms") or {}
            rows.append(
                {
                    "date": day.date,
                    "host": day.host,
                    "symbol": symbol,
                    "expected": facts["expected"],
                    "updates": facts["updates"],
                    "duplicates": facts.get("duplicates"),
                    "coverage": facts["coverage"],
                    "longest_silence_seconds": (facts.get("longest_silence_ns") or 0) / 1e9,
                    "missed": sum((facts.get("gaps_by_cause") or {}).values()),
                    "bad_records": facts.get("bad_records"),
                    "poll_deviation_p99_ms": deviation.get("p99"),
                }
            )
    schema = pa.schema(
        [("date", pa.date32()), ("host", pa.string()), ("symbol", pa.string())]
        + [(name, pa.int64()) for name in ("expected", "updates", "duplicates")]
        + [("coverage", pa.float64()), ("longest_silence_seconds", pa.float64())]
        + [("missed", pa.int64()), ("bad_records", pa.int64()), ("poll_deviation_p99_ms", pa.float64())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _advice(error: "duckdb.Error", connection: "duckdb.DuckDBPyConnection") -> str:
    views = [row[0] for row in connection.execute("select view_name from duckdb_views() where not internal").fetchall()]
    views = sorted({*views, "certificate"})
    return (
        f"DuckDB refused the query: {_first(error)}. The views are {', '.join(views)}; `describe depth` lists the "
        "columns of one."
    )


def _is_about_a_file(error: Exception) -> bool:
    """DuckDB has no class for a damaged file; its message names the file."""
    return ".parquet" in str(error)


def _damaged(lake: Path, error: Exception) -> HarvesterError:
    return HarvesterError(
        f"A file of {lake} cannot be read: {_first(error)}. `./inv verify-data` says what else is wrong, and "
        "`./inv pull-data` brings the file again."
    )


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
