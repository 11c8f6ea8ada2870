"""query: SQL over the pulled lake by DuckDB.

Views: `depth` (as stored: prices in paise, times in ns; plus date, host, recv_time, mono_ns and a column for each level
such as bid_px_1), `depth_rupees` (the same with prices as exact decimals in rupees), `quotes`, `index`, `depth50` and
`bars` (as stored), `gaps` (with from_time and to_time), `certificate` (one row per day, symbol and feed).
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

from harvester.base.errors import ConfigError, HarvesterError
from harvester.lake.layout import DEPTH, GAPS, STREAMED
from runbook.report.catalogue import PulledDay, load_days, parquet_files, require_days

if TYPE_CHECKING:
    import duckdb

TIME_ZONE = "Asia/Kolkata"
TIMES = ("recv_ns", "from_ns", "to_ns", "begin_ns")
LEVEL_COLUMNS = [
    f"{side}_{what}_{level}" for side in ("bid", "ask") for what in ("px", "qty", "ord") for level in range(1, 6)
]
"""Columns of the view depth, one a level, beside the lists that are stored."""
PRICE_COLUMNS = (
    "ltp", "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt",
    *(name for name in LEVEL_COLUMNS if "_px_" in name),
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
        _create_views(connection, {kind: parquet_files(lake, days, kind) for kind in (DEPTH, GAPS, *STREAMED)})
    except duckdb.Error as error:
        raise _damaged(lake, error) from error
    connection.register("certificate", _certificates(days))
    return connection


def _create_views(connection: "duckdb.DuckDBPyConnection", files: dict[str, list[Path]]) -> None:
    """All views, also where no file stands behind them: they are empty then."""
    from harvester.lake.schema import GAPS_SCHEMA, TABLES

    schemas = {GAPS: GAPS_SCHEMA} | {name: table.schema for name, table in TABLES.items()}
    for name, schema in schemas.items():
        if files[name]:
            source = _parquet(files[name])
        else:
            connection.register(f"{name}_empty", _empty(schema))
            source = f"{name}_empty"
        times = [column.removesuffix("_ns") for column in TIMES if column in schema.names]
        more = [f"make_timestamptz({time}_ns // 1000) as {time}_time" for time in times]
        if "mono_offset_ns" in schema.names:
            more.append("recv_ns - mono_offset_ns as mono_ns")
        if name == DEPTH:
            more += [f"{column[:-2]}[{column[-1]}] as {column}" for column in LEVEL_COLUMNS]
        text = f'create view "{name}" as select *, {", ".join(more)} from {source}'  # noqa: S608  # our own names
        connection.execute(text)
    rupees = ", ".join(f"({name}::decimal(18,2) * 0.01)::decimal(18,2) as {name}" for name in PRICE_COLUMNS)
    lists = ", ".join(f"{side}_{what}" for side in ("bid", "ask") for what in ("px", "qty", "ord"))
    connection.execute(f"create view depth_rupees as select * exclude ({lists}) replace ({rupees}) from depth")  # noqa: S608


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([*schema, ("date", pa.date32()), ("host", pa.string())]).empty_table()


def _parquet(files: Iterable[Path]) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return (
        f"read_parquet([{names}], union_by_name=true, hive_partitioning=true, "
        "hive_types={'date': date, 'host': varchar})"
    )


def _certificates(days: Iterable[PulledDay]) -> Any:
    import pyarrow as pa

    rows = []
    for day in days:
        origin = {"date": day.date, "host": day.host}
        rows += [{**origin, **_polled(symbol, figures)} for symbol, figures in day.certificate["symbols"].items()]
        for feed, found in day.certificate.get("streams", {}).items():
            rows += [
                {**origin, "feed": feed, **_streamed(symbol, figures)} for symbol, figures in found["symbols"].items()
            ]
    whole = ("expected", "updates", "duplicates", "missed", "bad_records", "missing_messages")
    texts, real = ("host", "symbol", "feed"), ("coverage", "longest_silence_seconds", "gap_seconds")
    more = ("poll_deviation_p99_ms", "skew_p50_ms", "skew_p99_ms")
    schema = pa.schema(
        [("date", pa.date32()), *((name, pa.string()) for name in texts)]
        + [(name, pa.int64()) for name in whole]
        + [(name, pa.float64()) for name in (*real, *more)]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _polled(symbol: str, figures: dict[str, Any]) -> dict[str, Any]:
    deviation = figures.get("poll_deviation_ms") or {}
    return {
        "symbol": symbol,
        "feed": "fyers-rest",
        "expected": figures["expected"],
        "updates": figures["updates"],
        "duplicates": figures.get("duplicates"),
        "coverage": figures["coverage"],
        "longest_silence_seconds": (figures.get("longest_silence_ns") or 0) / 1e9,
        "missed": sum((figures.get("gaps_by_cause") or {}).values()),
        "bad_records": figures.get("bad_records"),
        "poll_deviation_p99_ms": deviation.get("p99"),
    }


def _streamed(symbol: str, figures: dict[str, Any]) -> dict[str, Any]:
    skew = figures.get("skew_ms") or {}
    return {
        "symbol": symbol,
        "updates": sum(figures["updates"].values()),
        "coverage": figures["coverage"],
        "longest_silence_seconds": figures["longest_silence_ns"] / 1e9,
        "gap_seconds": (figures["window_ns"] - figures["covered_ns"]) / 1e9,
        "missing_messages": figures["sequence"]["missing"] if "sequence" in figures else None,
        "skew_p50_ms": skew.get("p50"),
        "skew_p99_ms": skew.get("p99"),
    }


def _advice(error: "duckdb.Error", connection: "duckdb.DuckDBPyConnection") -> str:
    statement = "select view_name from duckdb_views() where not internal and not temporary"
    views = [row[0] for row in connection.execute(statement).fetchall()]
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
        "`./inv pull-data` downloads the file again."
    )


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
