"""Columns of the lake's tables, schema 3, and the schema of a file by its own metadata.

Names: `ts_` is a moment in ns UTC, `_paise` an integer price, rupees x 100 (of an index: points x 100), `_ns` a
duration; quantities are shares. docs/formats.md has the meaning of each.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa

from harvester.base.errors import HarvesterError
from harvester.base.market import NSE, Market
from harvester.brokers.fyers.depth import LEVELS
from harvester.decode.frames import Ints
from harvester.decode.hsm_layout import INDEX as INDEX_TOPIC
from harvester.decode.hsm_layout import SYMBOL as SYMBOL_TOPIC
from harvester.decode.hsm_layout import Kind as TopicKind
from harvester.decode.tbt_layout import SLOTS
from harvester.lake import schema2
from harvester.lake.columns import FINE, PAISE, Column, Table, optional, plain, sides, times, with_metadata
from harvester.lake.layout import (
    BARS,
    CANDLES,
    DEPTH,
    DEPTH50,
    GAPS,
    HISTORY,
    INDICES,
    INSTRUMENTS,
    QUOTES,
    SCHEMA_VERSION,
    SESSIONS,
    TRADES,
)

SECONDS = {"exchange_time": "ts_event", "ltt": "ts_trade"}
"""Values that the wire has in whole seconds since 1970, and the columns that have them as moments."""
ACTIONS = ("update", "snapshot")
"""Texts of the column `action` by number: an update goes on from the book before, a snapshot is a whole book anew."""
PRINTS = ("print", "aggregate", "unmatched", "gap")
"""Texts of the column `kind` by number: what is known of the prints that a row of trades stands for."""
TRADE_SIDES = ("unknown", "buy", "sell")
"""Texts of the column `side_inferred` by number."""
CANDLE_SOURCES = ("live", "backfill")
LIVE, BACKFILL = range(len(CANDLE_SOURCES))
"""Texts of the column `source` by number: asked for on the day itself, or later."""
TEXTS = {"action": ACTIONS, "kind": PRINTS, "side_inferred": TRADE_SIDES, "source": CANDLE_SOURCES}
"""Texts by number of the columns of names that are the same every day."""

_ORIGIN = (
    Column("ts_recv", "time"),
    *plain("mono_offset_ns"),
    Column("feed", "name"),
    Column("run_id", "name"),
    *plain("seq"),
    Column("entry", "int32"),
    Column("connection", "int32", nullable=True),
    Column("in_session", "bool"),
)
"""When a row's data came and where it is in the journal."""
_POLL = times("ts_sched", "ts_send")
_BOOK = (Column("action", "name"), Column("valid", "bool"))
_RUN_ID, _SEQ = (Table("", _ORIGIN, SCHEMA_VERSION).at(name) for name in ("run_id", "seq"))
_SEQ_BITS = 47
"""Numbers of a run's records are below 2**47: a million a second for four years."""


def order_of(matrix: Ints) -> Ints:
    """What rows of a table are ordered by: number of the run, then of the record. No clock is, for clocks are set."""
    order: Ints = (matrix[_RUN_ID] << _SEQ_BITS) + matrix[_SEQ]
    return order


def column_of(name: str, topic: TopicKind = SYMBOL_TOPIC) -> Column:
    """The column that has a value of a topic."""
    if name in SECONDS:
        return Column(SECONDS[name], "time", nullable=True)
    return Column(f"{name}{PAISE}" if name in topic.prices else name, nullable=True)


def _values(topic: TopicKind) -> tuple[Column, ...]:
    return tuple(column_of(name, topic) for name in topic.fields)


DEPTH_TABLE = Table(DEPTH, (*_ORIGIN, *_POLL, *_BOOK, *sides(LEVELS, f"px{PAISE}")), SCHEMA_VERSION)
QUOTES_TABLE = Table(QUOTES, (*_ORIGIN, *_POLL, *_values(SYMBOL_TOPIC)), SCHEMA_VERSION)
TRADES_TABLE = Table(
    TRADES,
    (
        *_ORIGIN,
        *times("ts_event"),
        *plain(f"px{PAISE}", "qty"),
        *optional("last_qty"),
        *plain("volume"),
        Column("kind", "name"),
        Column("side_inferred", "name"),
    ),
    SCHEMA_VERSION,
)
INDICES_TABLE = Table(INDICES, (*_ORIGIN, *_values(INDEX_TOPIC)), SCHEMA_VERSION)
DEPTH50_TABLE = Table(
    DEPTH50,
    (
        *_ORIGIN,
        *optional("sequence"),
        *times("ts_feed", "ts_send"),
        *_BOOK,
        *optional("total_buy_qty", "total_sell_qty"),
        *sides(SLOTS, f"px{PAISE}"),
    ),
    SCHEMA_VERSION,
)
_BAR_PRICES = tuple(f"{name}{PAISE}" for name in ("open", "high", "low", "close"))
BARS_TABLE = Table(
    BARS,
    (
        Column("ts_begin", "time"),
        *optional(*_BAR_PRICES, "volume", f"bid_px{PAISE}", f"ask_px{PAISE}"),
        *plain("updates", "gap_ns"),
    ),
    SCHEMA_VERSION,
    lead="ts_begin",
)


def _candles(prices: tuple[str, ...]) -> Table:
    columns = (
        Column("ts_begin", "time"),
        *plain("resolution_ns", *prices, "volume"),
        Column("final", "bool"),
        Column("revision", "int32"),
        Column("source", "name"),
        Column("ts_recv", "time"),
        Column("run_id", "name"),
        *plain("seq"),
    )
    return Table(CANDLES, columns, SCHEMA_VERSION, lead="ts_begin")


CANDLES_TABLE = _candles(_BAR_PRICES)
US_CANDLES_TABLE = _candles(tuple(name.removesuffix(PAISE) + FINE for name in _BAR_PRICES))
"""The same in the market us: dollars have other units, and so the columns another name."""
HISTORY_TABLE = Table(HISTORY, CANDLES_TABLE.columns, SCHEMA_VERSION, lead="ts_begin")
"""As candles; the bars of a day may have several widths."""
_ALL = (DEPTH_TABLE, QUOTES_TABLE, TRADES_TABLE, INDICES_TABLE, DEPTH50_TABLE, BARS_TABLE, CANDLES_TABLE, HISTORY_TABLE)
TABLES = {table.name: table for table in _ALL}
GAPS_SCHEMA = with_metadata(
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("symbol", "feed")),
            *(Column(name, "time").field for name in ("ts_from", "ts_to")),
            *(pa.field(name, pa.string(), nullable=False) for name in ("cause", "detail")),
            pa.field("slots", pa.int64(), nullable=True),
            pa.field("source", pa.string(), nullable=False),
        ]
    ),
    SCHEMA_VERSION,
)
INSTRUMENTS_SCHEMA = with_metadata(
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("symbol", "segment")),
            *(pa.field(name, pa.string()) for name in ("fy_token", "isin", "name")),
            *(column.field for column in (*optional(f"tick{PAISE}", "lot"), *times("ts_expiry"))),
            *(pa.field(name, pa.string()) for name in ("root", "underlying")),
            *(column.field for column in optional(f"strike{PAISE}")),
            *(pa.field(name, pa.string()) for name in ("option_type", "hours")),
            pa.field("master_date", pa.date32()),
        ]
    ),
    SCHEMA_VERSION,
)
SESSIONS_SCHEMA = with_metadata(
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("segment", "phase")),
            *(Column(name, "time").field for name in ("ts_open", "ts_close")),
        ]
    ),
    SCHEMA_VERSION,
)
_ACCOUNTS = {GAPS: GAPS_SCHEMA, INSTRUMENTS: INSTRUMENTS_SCHEMA, SESSIONS: SESSIONS_SCHEMA}
"""Tables that have no place in the journal: each day has one of each."""
TABLES_OF: Mapping[int, Mapping[str, Table]] = {schema2.VERSION: schema2.TABLES, SCHEMA_VERSION: TABLES}
SCHEMAS_OF: Mapping[int, Mapping[str, pa.Schema]] = {
    schema2.VERSION: schema2.SCHEMAS,
    SCHEMA_VERSION: {**_ACCOUNTS, **{name: table.schema for name, table in TABLES.items()}},
}
"""Columns of every table by the version of the schema, and by its name."""


def table_of_market(name: str, market: Market) -> Table:
    """The table as it is written in a market."""
    return US_CANDLES_TABLE if name == CANDLES and market is not NSE else TABLES[name]


def table_in(name: str, version: int, columns: Collection[str]) -> Table:
    """The table of a version that has these columns: that of candles is another in each market."""
    if name == CANDLES and f"open{FINE}" in columns:
        return US_CANDLES_TABLE
    return TABLES_OF[version][name]


def version_of(path: Path, schema: pa.Schema) -> int:
    """The version that a file states in its metadata. Raises HarvesterError for one that this release does not read."""
    stated = (schema.metadata or {}).get(b"schema", b"").decode("ascii", "replace")
    if stated.isdecimal() and int(stated) in SCHEMAS_OF:
        return int(stated)
    if stated.isdecimal() and int(stated) > SCHEMA_VERSION:
        raise HarvesterError(
            f"{path}: a table of schema {stated}, and this release reads up to schema {SCHEMA_VERSION}. Update Alpha"
            " Harvester here, then run the command again."
        )
    raise HarvesterError(
        f"{path}: it states no schema of the lake's tables ({stated[:20]!r}), so it is none of them. If it is damaged,"
        " restore it from its other copy; a CSV export is not the lake's format."
    )
