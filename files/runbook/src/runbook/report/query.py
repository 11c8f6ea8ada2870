"""query: SQL over the pulled lake by DuckDB.

Views: `depth` (books: as stored, with date, host, mono_ns and a column for each level such as bid_px_paise_1),
`quotes`, `trades`, `indices`, `depth50`, `bars`, `candles`, `history` (what a backfill brought), `gaps`,
`instruments` and `sessions` (as stored, with date and host),
`depth_rupees`, `quotes_rupees` and so on (prices as exact decimals in rupees), `ohlcv_data` (the broker's bars in force
with the columns of the price feed's files), `certificate` (one row per day, symbol
and feed). `runbook.report.views` has their SQL.
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
from harvester.base.market import Market, in_force
from harvester.reader.days import Day
from runbook.report.catalogue import files_of, load_days, load_history, require_days

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Answer:
    """Column names and rows; times are zone-aware, prices from `..._rupees` are Decimal."""

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

    brought = load_history(lake, since=since, until=until)
    days = load_days(lake, since=since, until=until)
    days = [*(days if brought else require_days(lake, days)), *brought]
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    markets = _markets_of(days)
    connection.execute(f"set TimeZone='{markets[0].zone_name}'")
    try:
        _create_views(connection, days, markets)
    except duckdb.Error as error:
        raise _damaged(lake, error) from error
    connection.register("certificate", _certificates(days))
    return connection


def _markets_of(days: Iterable[Day]) -> list[Market]:
    """The markets of the days, that of the inventory first where it is one of them."""
    found = {day.market for day in days}
    return sorted(found, key=lambda market: (market != in_force(), market.name))


def _create_views(connection: "duckdb.DuckDBPyConnection", days: Iterable[Day], markets: list[Market]) -> None:
    """All views, also where no file stands behind them: they are empty then."""
    from runbook.report.views import IN_RUPEES, SCHEMAS, exact_of, price_feed, schema_of, view_of

    files = files_of(days, [*SCHEMAS])
    for name in SCHEMAS:
        for market in markets:
            connection.register(f"{name}_{market.name}_empty", _empty(schema_of(name, market)))
        connection.execute(view_of(name, files, markets))
    for name in IN_RUPEES:
        for statement in exact_of(name, markets):
            connection.execute(statement)
    connection.execute(price_feed(markets))


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([*schema, ("date", pa.date32()), ("host", pa.string())]).empty_table()


def _certificates(days: Iterable[Day]) -> Any:
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
    """DuckDB has no class for a damaged file: its message names the file, or the error is of no class of its own."""
    import duckdb

    return ".parquet" in str(error) or type(error) is duckdb.Error


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
