"""The SQL of query's views: tables of every schema under the names of schema 3.

A moment `ts_x` is there twice: as a timestamp with time zone, in microseconds, which is what DuckDB's functions take,
and as `x_ns`, exact int64 ns since 1970. Prices that end with `_paise` are integers; in the views `..._rupees` the same
are decimals, without that end.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from harvester.lake import schema2
from harvester.lake.columns import PAISE
from harvester.lake.layout import BARS, DEPTH, INDICES, QUOTES, SCHEMA_VERSION, TRADES
from harvester.lake.schema import SCHEMAS_OF
from harvester.lake.schema2 import FORMER

SCHEMAS: Mapping[str, pa.Schema] = SCHEMAS_OF[SCHEMA_VERSION]
IN_RUPEES = (DEPTH, QUOTES, TRADES, INDICES, BARS)
SIDES, LEVELS = ("bid", "ask"), range(1, 6)
SECONDS = {"ts_event": "exchange_time", "ts_trade": "ltt", "ts_feed": "feed_time", "ts_send": "send_time"}
"""What schema 2 had in seconds."""
ANSWER = "feed = 'fyers-rest'"
"""Rows of depth of schema 2 whose quote came with the book; that of others is in quotes as well."""
SNAPSHOT = "case when snapshot then 'snapshot' else 'update' end"
Files = Mapping[int, Mapping[str, Sequence[Path]]]
"""The files of each table, by the version of their schema."""


def view_of(name: str, files: Files, empty: str) -> str:
    """A statement that makes the view of a table; `empty` is a relation with its columns and no row."""
    parts = [f"select {_current(name)} from {empty}"]  # noqa: S608  # names of ours
    if here := files.get(SCHEMA_VERSION, {}).get(name):
        parts.append(f"select {_current(name)} from {_parquet(here)}")  # noqa: S608
    parts += _former(name, files.get(schema2.VERSION, {}))
    more = []
    if "mono_offset_ns" in SCHEMAS[name].names:
        more.append("recv_ns - mono_offset_ns as mono_ns")
    if name == DEPTH:
        more += [f"{column}[{level}] as {column}_{level}" for column, level in _levels()]
    return f'create view "{name}" as select {", ".join(["*", *more])} from ({" union all by name ".join(parts)})'  # noqa: S608


def rupees_of(name: str) -> str:
    """A statement that makes the view of a table with prices as exact decimals."""
    prices = [each for each in SCHEMAS[name].names if each.endswith(PAISE)]
    dropped = prices
    if name == DEPTH:
        dropped = [column for column, level in _levels() if level == 1]
        prices = [f"{column}_{level}" for column, level in _levels() if PAISE in column]
        dropped += prices
    rupees = [f"({price}::decimal(18,2) * 0.01)::decimal(18,2) as {price.replace(PAISE, '')}" for price in prices]
    columns = f"* exclude ({', '.join(dropped)}), {', '.join(rupees)}"
    return f"create view {name}_rupees as select {columns} from {name}"  # noqa: S608


def _levels() -> Iterator[tuple[str, int]]:
    """The lists of a book, with each of their levels."""
    for side in SIDES:
        for what in (f"px{PAISE}", "qty", "ord"):
            yield from ((f"{side}_{what}", level) for level in LEVELS)


def _current(name: str) -> str:
    columns = []
    for field in SCHEMAS[name]:
        if pa.types.is_timestamp(field.type):
            columns += [f"{field.name}::timestamptz as {field.name}", f"epoch_ns({field.name}) as {_ns(field.name)}"]
        else:
            columns.append(field.name)
    return ", ".join([*columns, "date", "host"])


def _ns(name: str) -> str:
    return f"{name.removeprefix('ts_')}_ns"


def _former(name: str, files: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """Statements over the files of schema 2 that have rows of the table."""
    if here := files.get(name):
        yield f"select {_renamed(name)} from {_parquet(here)}"  # noqa: S608
    if name == QUOTES and (books := files.get(DEPTH)):
        yield f"select {_renamed(name, DEPTH)} from {_parquet(books)} where {ANSWER}"  # noqa: S608


def _renamed(name: str, stored: str = "") -> str:
    """The columns of a table from those of a table of schema 2."""
    have = {*schema2.SCHEMAS[stored or name].names}
    is_answer = name == QUOTES and stored == DEPTH
    columns = []
    for field in SCHEMAS[name]:
        value = _value(field.name, have)
        if is_answer and field.name.startswith(SIDES):
            value = f"{value}[1]"
        if pa.types.is_timestamp(field.type):
            columns += [f"make_timestamptz(({value}) // 1000) as {field.name}", f"{value} as {_ns(field.name)}"]
        else:
            columns.append(f"{value} as {field.name}")
    return ", ".join([*columns, "date", "host"])


def _value(name: str, have: set[str]) -> str:
    """What stands for a column of schema 3 in a table of schema 2 that has these columns."""
    former = FORMER.get(name, name.removesuffix(PAISE))
    if name == "cause":
        return "case cause when 'mute' then 'stale' else cause end"
    if former in have:
        return former
    if name == "action":
        return SNAPSHOT if "snapshot" in have else f"case when {ANSWER} then 'snapshot' end"
    if name == "valid":
        return "not suspect" if "suspect" in have else "true"
    seconds = SECONDS.get(name)
    return f"case when {seconds} > 0 then {seconds} * 1000000000 end" if seconds in have else "null::bigint"


def _parquet(files: Sequence[Path]) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return (
        f"read_parquet([{names}], union_by_name=true, hive_partitioning=true, "
        "hive_types={'date': date, 'host': varchar})"
    )
