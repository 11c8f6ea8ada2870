"""The SQL of query's views: tables of every schema under the names of schema 3.

A moment `ts_x` is there twice: as a timestamp with time zone, in microseconds, which is what DuckDB's functions take,
and as `x_ns`, exact int64 ns since 1970. Prices that end with `_paise` are integers; in the views `..._rupees` the same
are decimals, without that end.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import NSE, Market
from harvester.lake.columns import FAR_SECONDS, FINE, PAISE
from harvester.lake.layout import BARS, CANDLES, DEPTH, HISTORY, INDICES, QUOTES, SCHEMA_VERSION, TRADES
from harvester.lake.schema import SCHEMAS_OF, US_CANDLES_TABLE
from harvester.price_feed.athena import TABLE
from harvester.price_feed.layout import COLUMNS
from harvester.reader.columns import CAUSES_2, LOGICAL, NEWEST, REST, SOURCES, Source, Stored, in_fine_units
from runbook.report.catalogue import Files

SCHEMAS: Mapping[str, pa.Schema] = SCHEMAS_OF[SCHEMA_VERSION]
IN_RUPEES = (DEPTH, QUOTES, TRADES, INDICES, BARS, CANDLES, HISTORY)
MINUTE_NS = 60 * NS_PER_SECOND
PRICES = ("open", "high", "low", "close")
SIDES, LEVELS = ("bid", "ask"), range(1, 6)


def schema_of(name: str, market: Market) -> pa.Schema:
    """The columns of a table in a market: prices of candles have other units in dollars."""
    return US_CANDLES_TABLE.schema if name == CANDLES and market is not NSE else SCHEMAS[name]


def _in_unit(source: Source, market: Market) -> Source:
    return in_fine_units(source) if source.kind == CANDLES and market is not NSE else source


def view_of(name: str, files: Files, markets: Sequence[Market]) -> str:
    """A statement that makes the view of a table.

    A relation such as depth_nse_empty has its columns, and no row. Of a lake with days of several markets, a column
    that one of them lacks is null in its rows.
    """
    parts = [
        f"select {_columns(name, NEWEST, _in_unit(source, market), market)} from {name}_{market.name}_empty"  # noqa: S608  # names of ours
        for market in markets
        for source in SOURCES[NEWEST][name]
    ]
    for (schema, market), tables in files.items():
        for source in SOURCES[schema].get(name, ()):
            if here := tables.get(source.kind):
                feeds = ", ".join(f"'{feed}'" for feed in source.feeds)
                where = f" where feed in ({feeds})" if feeds else ""
                columns = _columns(name, schema, _in_unit(source, market), market)
                parts.append(f"select {columns} from {_parquet(here)}{where}")  # noqa: S608
    more = []
    if "mono_offset_ns" in schema_of(name, markets[0]).names:
        more.append("recv_ns - mono_offset_ns as mono_ns")
    if name == DEPTH:
        more += [f"{column}[{level}] as {column}_{level}" for column, level in _levels()]
    return f'create view "{name}" as select {", ".join(["*", *more])} from ({" union all by name ".join(parts)})'  # noqa: S608


def exact_of(name: str, markets: Sequence[Market]) -> Iterator[str]:
    """Statements that make the views of a table with prices as exact decimals: in rupees, and in dollars."""
    found = {schema_of(name, market) for market in markets}
    prices = [column for schema in found for column in schema.names if column.endswith((PAISE, FINE))]
    for suffix in (PAISE, FINE):
        if those := [column for column in prices if column.endswith(suffix)]:
            others = [column for column in prices if column not in those]
            yield _exact(name, those, others, suffix)


def _exact(name: str, prices: list[str], others: list[str], suffix: str) -> str:
    where = f" where {prices[0]} is not null" if others else ""
    dropped = [*prices, *others]
    if name == DEPTH:
        dropped = [column for column, level in _levels() if level == 1]
        prices = [f"{column}_{level}" for column, level in _levels() if PAISE in column]
        dropped += prices
    digits, view = (2, "rupees") if suffix == PAISE else (4, "dollars")
    kind = f"decimal(18,{digits})"
    exact = [f"({price}::{kind} * 1e-{digits}::{kind})::{kind} as {price.replace(suffix, '')}" for price in prices]
    columns = f"* exclude ({', '.join(dropped)}), {', '.join(exact)}"
    return f"create view {name}_{view} as select {columns} from {name}{where}"  # noqa: S608


def price_feed(markets: Sequence[Market]) -> str:
    """A statement that makes the view of the broker's bars in force with the columns of the price feed's files."""
    stamp = "strftime({0} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S{1}')"
    newest = "max(ts_recv) over (partition by date, host, symbol)"
    units = {PAISE if market is NSE else FINE: market.units for market in markets}
    prices = {name: [f"{name}{suffix} / {unit}" for suffix, unit in units.items()] for name in PRICES}
    values = {
        "symbol_clean": "replace(replace(replace(symbol, 'NSE:', ''), '-EQ', ''), '/', '.')",
        "timestamp_unix": f"begin_ns // {NS_PER_SECOND}",
        "timestamp_iso": stamp.format("ts_begin", ""),
        **{name: f"coalesce({', '.join(either)})::double" for name, either in prices.items()},
        "resolution": f"if(resolution_ns % {MINUTE_NS} = 0, (resolution_ns // {MINUTE_NS})::varchar,"
        f" (resolution_ns // {NS_PER_SECOND}) || 'S')",
        "fetch_timestamp": stamp.format("ts_recv", ".%f"),
        **{name: f"{name}(ts_begin at time zone 'UTC')" for name in ("year", "month", "day", "hour")},
        "processed_at": stamp.format(newest, ".%f"),
    }
    columns = ", ".join(f"{values.get(name, name)} as {name}" for name in COLUMNS)
    latest = "row_number() over (partition by date, host, symbol, begin_ns order by revision desc) = 1"
    in_force = f"select * from {CANDLES} qualify {latest}"  # noqa: S608  # names of ours
    return f"create view {TABLE} as select {columns}, date, host from ({in_force})"  # noqa: S608


def _levels() -> Iterator[tuple[str, int]]:
    """The lists of a book, with each of their levels."""
    for side in SIDES:
        for what in (f"px{PAISE}", "qty", "ord"):
            yield from ((f"{side}_{what}", level) for level in LEVELS)


def _columns(name: str, schema: int, source: Source, market: Market) -> str:
    """The columns of a table from those of a stored one."""
    columns = []
    for field in schema_of(name, market):
        logical = field.name.removesuffix(PAISE).removesuffix(FINE)
        stored = source.columns.get(logical) if logical in LOGICAL[name] else Stored(field.name)
        value = _value(stored) if stored else "true" if pa.types.is_boolean(field.type) else "null::bigint"
        if not pa.types.is_timestamp(field.type):
            columns.append(f"{value} as {field.name}")
        elif schema == NEWEST:
            columns += [f"{value}::timestamptz as {field.name}", f"epoch_ns({value}) as {_ns(field.name)}"]
        else:
            columns += [f"make_timestamptz(({value}) // 1000) as {field.name}", f"{value} as {_ns(field.name)}"]
    return ", ".join([*columns, "date", "host"])


def _ns(name: str) -> str:
    return f"{name.removeprefix('ts_')}_ns"


def _value(stored: Stored) -> str:
    """What stands for a column in a stored table."""
    name = stored.name
    former = " ".join(f"when '{word}' then '{cause}'" for word, cause in CAUSES_2.items())
    return {
        "plain": name,
        "seconds": f"case when {name} > 0 and {name} < {FAR_SECONDS} then {name} * {NS_PER_SECOND} end",
        "inverted": f"not {name}",
        "snapshot": f"case when {name} then 'snapshot' else 'update' end",
        "polled": f"case when {name} = '{REST}' then 'snapshot' end",
        "first": f"{name}[1]",
        "cause": f"case {name} {former} else {name} end",
    }[stored.form]


def _parquet(files: Sequence[Path]) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return (
        f"read_parquet([{names}], union_by_name=true, hive_partitioning=true, "
        "hive_types={'date': date, 'host': varchar})"
    )
