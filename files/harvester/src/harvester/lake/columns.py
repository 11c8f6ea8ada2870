"""What a column and a table of the lake are, of any schema.

The five, or fifty, levels of a side are one list a row, the best first. Stored so, the levels of a row lie side by
side, and a compressor finds a level again that moved up or down a rank: a day takes a fifth less than with a column a
level, and a thirtieth of the time to compress as small.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

PAISE, RUPEE = "_paise", 100
"""How the name of a column of prices ends, and how many of its units a rupee, or a point of an index, has."""
FINE, DOLLAR = "_e4", 10_000
"""The same of prices in dollars."""
FAR_SECONDS = 2**33
"""Seconds since 1970 from here on, which is the year 2242, are not taken for a time."""
PANDAS_TYPES = {"int64": "Int64", "int32": "Int32"}
"""What pandas should read nullable integers as: as floats, which it takes otherwise, times are 100 ns off and more."""
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
MOMENT = pa.timestamp("ns", "UTC")
PLAIN = {
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
    "name": DICTIONARY,
    "text": pa.string(),
    "time": MOMENT,
    "date": pa.date32(),
}

Kind = Literal["int64", "int32", "bool", "name", "text", "time", "date", "list"]


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    kind: Kind = "int64"
    nullable: bool = False
    width: int = 1
    """Values of a row: levels of a list."""

    @property
    def is_price(self) -> bool:
        return self.name.endswith((PAISE, FINE))

    @property
    def field(self) -> pa.Field:
        told = {"unit": "paise", "per_rupee": str(RUPEE)} if self.is_price else None
        if self.name.endswith(FINE):
            told = {"unit": "1/10000 dollar", "per_rupee": str(DOLLAR)}
        if self.kind != "list":
            return pa.field(self.name, PLAIN[self.kind], nullable=self.nullable, metadata=told)
        element = pa.field("element", pa.int64(), nullable=self.nullable)
        return pa.field(self.name, pa.list_(element), nullable=False, metadata=told)


@dataclass(frozen=True)
class Table:
    """A kind of table. `columns` has all but the symbol, which is the second column of each file."""

    name: str
    columns: tuple[Column, ...]
    version: int
    lead: str = "ts_recv"
    """The time of a row: the first column, which has statistics beside the symbol."""

    @cached_property
    def schema(self) -> pa.Schema:
        first, *rest = (column.field for column in self.columns)
        fields = [first, pa.field("symbol", DICTIONARY, nullable=False), *rest]
        return with_metadata(pa.schema(fields), self.version)

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


def to_kind(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same numbers as another kind: moments and int64 are the same bits, which a cast looks through one by one."""
    if column.type == kind:
        return column
    if MOMENT in (column.type, kind):
        return column.view(kind)
    return column.cast(kind)


def with_metadata(schema: pa.Schema, version: int) -> pa.Schema:
    """The schema with ours, and with what pandas needs to read nullable integers exactly (its own metadata, version 2).

    Source: "Storing pandas DataFrame objects in Apache Parquet format", in pandas' developer documentation. Where that
    metadata is there, fastparquet (2026.9) reads a file only if it has the moments and dates, too.
    """
    columns = [found for field in schema if (found := _for_pandas(field))]
    pandas = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    ours = {"schema": str(version), "price_scale": str(RUPEE), "pandas": json.dumps(pandas, separators=(",", ":"))}
    return schema.with_metadata(ours)


def _for_pandas(field: pa.Field) -> dict[str, Any] | None:
    """What pandas' metadata says of a nullable integer, a moment or a date; None of other columns."""
    kinds: tuple[str, str, dict[str, str] | None]
    if field.type == MOMENT:
        kinds = "datetimetz", "datetime64[ns]", {"timezone": field.type.tz}
    elif field.type == pa.date32():
        kinds = "date", "object", None
    elif field.nullable and str(field.type) in PANDAS_TYPES:
        kinds = str(field.type), PANDAS_TYPES[str(field.type)], None
    else:
        return None
    names = dict.fromkeys(("name", "field_name"), field.name)
    return names | dict(zip(("pandas_type", "numpy_type", "metadata"), kinds, strict=True))


def plain(*names: str) -> tuple[Column, ...]:
    """Whole numbers."""
    return tuple(Column(name) for name in names)


def optional(*names: str) -> tuple[Column, ...]:
    """Whole numbers that may be absent."""
    return tuple(Column(name, nullable=True) for name in names)


def times(*names: str) -> tuple[Column, ...]:
    """Moments that may be absent."""
    return tuple(Column(name, "time", nullable=True) for name in names)


def sides(width: int, price: str) -> tuple[Column, ...]:
    """Levels of both sides, `price` the name of a level's. An absent level has no price, quantity 0 and 0 orders."""
    return tuple(
        Column(f"{side}_{what}", "list", nullable=what == price, width=width)
        for side in ("bid", "ask")
        for what in (price, "qty", "ord")
    )
