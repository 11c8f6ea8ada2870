"""Columns of the lake's tables, schema 2. Prices are paise (rupees x 100), times are ns UTC, quantities are shares.

The five, or fifty, levels of a side are one list a row, the best first. Stored so, the levels of a row lie side by
side, and a compressor finds a level again that moved up or down a rank: a day takes a fifth less than with a column a
level, and a thirtieth of the time to compress as small.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from harvester.brokers.fyers.depth import LEVELS, PAISE_PER_RUPEE
from harvester.decode.frames import Ints
from harvester.decode.hsm_layout import INDEX as INDEX_TOPIC
from harvester.decode.hsm_layout import SYMBOL as SYMBOL_TOPIC
from harvester.decode.tbt_layout import SLOTS
from harvester.lake.layout import BARS, DEPTH, DEPTH50, INDEX, QUOTES

SCHEMA_VERSION = 2
METADATA = {"schema": str(SCHEMA_VERSION), "price_scale": str(PAISE_PER_RUPEE)}
PANDAS_TYPES = {"int64": "Int64", "int32": "Int32"}
"""What pandas should read nullable integers as: as floats, which it takes otherwise, times are 100 ns off and more."""
DICTIONARY = pa.dictionary(pa.int32(), pa.string())

Kind = Literal["int64", "int32", "bool", "name", "list"]


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    kind: Kind = "int64"
    nullable: bool = False
    width: int = 1
    """Values of a row: levels of a list."""

    @property
    def field(self) -> pa.Field:
        plain = {"int64": pa.int64(), "int32": pa.int32(), "bool": pa.bool_(), "name": DICTIONARY}
        if self.kind != "list":
            return pa.field(self.name, plain[self.kind], nullable=self.nullable)
        element = pa.field("element", pa.int64(), nullable=self.nullable)
        return pa.field(self.name, pa.list_(element), nullable=False)


@dataclass(frozen=True)
class Table:
    """A kind of table. `columns` has all but the symbol, which is the second column of each file."""

    name: str
    columns: tuple[Column, ...]
    lead: str = "recv_ns"
    """The time of a row: the column that has statistics beside the symbol."""

    @cached_property
    def schema(self) -> pa.Schema:
        first, *rest = (column.field for column in self.columns)
        return with_metadata(pa.schema([first, pa.field("symbol", DICTIONARY, nullable=False), *rest]))

    @cached_property
    def height(self) -> int:
        """Values of a row, lists spread out: rows of a matrix of this table."""
        return sum(column.width for column in self.columns)

    @cached_property
    def places(self) -> dict[str, slice]:
        """Rows of a matrix that hold each column."""
        places, at = {}, 0
        for column in self.columns:
            places[column.name] = slice(at, at + column.width)
            at += column.width
        return places

    def at(self, name: str) -> int:
        """The row of a matrix that holds a column of single values."""
        return int(self.places[name].start)


def with_metadata(schema: pa.Schema) -> pa.Schema:
    """The schema with ours, and with what pandas needs to read nullable integers exactly (its own metadata, version 2).

    Source: "Storing pandas DataFrame objects in Apache Parquet format", in pandas' developer documentation.
    """
    exact = [field for field in schema if field.nullable and str(field.type) in PANDAS_TYPES]
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": str(field.type),
            "numpy_type": PANDAS_TYPES[str(field.type)],
            "metadata": None,
        }
        for field in exact
    ]
    pandas = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    return schema.with_metadata({**METADATA, "pandas": json.dumps(pandas, separators=(",", ":"))})


def _plain(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _optional(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, nullable=True) for name in names)


def _sides(width: int) -> tuple[Column, ...]:
    """An absent level has no price, quantity 0 and 0 orders."""
    return tuple(
        Column(f"{side}_{what}", "list", nullable=what == "px", width=width)
        for side in ("bid", "ask")
        for what in ("px", "qty", "ord")
    )


OPTIONAL = ("ltq", "ltt", "volume", "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt", "oi")
"""Values that an answer may lack; null then."""

_ORIGIN = (
    *_plain("recv_ns", "mono_offset_ns"),
    Column("feed", "name"),
    Column("run_id", "name"),
    *_plain("seq"),
    Column("entry", "int32"),
    Column("connection", "int32", nullable=True),
    Column("in_session", "bool"),
)
"""When a row's data came and where it is in the journal."""
_RUN_ID, _SEQ = (Table("", _ORIGIN).at(name) for name in ("run_id", "seq"))
_SEQ_BITS = 47
"""Numbers of a run's records are below 2**47: a million a second for four years."""


def order_of(matrix: Ints) -> Ints:
    """What rows of a table are ordered by: number of the run, then of the record. No clock is, for clocks are set."""
    order: Ints = (matrix[_RUN_ID] << _SEQ_BITS) + matrix[_SEQ]
    return order


DEPTH_TABLE = Table(
    DEPTH,
    (
        *_ORIGIN,
        *_optional("sched_ns", "sent_ns", "ltp", "total_buy_qty", "total_sell_qty"),
        *_sides(LEVELS),
        *_optional(*OPTIONAL, "exchange_time"),
    ),
)
QUOTES_TABLE = Table(QUOTES, (*_ORIGIN, *_optional(*SYMBOL_TOPIC.fields)))
INDEX_TABLE = Table(INDEX, (*_ORIGIN, *_optional(*INDEX_TOPIC.fields)))
DEPTH50_TABLE = Table(
    DEPTH50,
    (
        *_ORIGIN,
        *_optional("sequence", "feed_time", "send_time"),
        Column("snapshot", "bool"),
        Column("suspect", "bool"),
        *_optional("total_buy_qty", "total_sell_qty"),
        *_sides(SLOTS),
    ),
)
BARS_TABLE = Table(
    BARS,
    (
        *_plain("begin_ns"),
        *_optional("open", "high", "low", "close", "volume", "bid_px", "ask_px"),
        *_plain("updates", "gap_ns"),
    ),
    lead="begin_ns",
)
TABLES = {table.name: table for table in (DEPTH_TABLE, QUOTES_TABLE, INDEX_TABLE, DEPTH50_TABLE, BARS_TABLE)}

GAPS_SCHEMA = with_metadata(
    pa.schema(
        [
            pa.field("symbol", pa.string(), nullable=False),
            pa.field("feed", pa.string(), nullable=False),
            pa.field("from_ns", pa.int64(), nullable=False),
            pa.field("to_ns", pa.int64(), nullable=False),
            pa.field("cause", pa.string(), nullable=False),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("slots", pa.int64(), nullable=True),
            pa.field("source", pa.string(), nullable=False),
        ]
    )
)
