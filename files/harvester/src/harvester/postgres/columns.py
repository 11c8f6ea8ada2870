"""Tables as PostgreSQL has them: columns, their types, and the key on which rows are merged."""

from dataclasses import dataclass
from typing import Any

from harvester.config.row_tables import EQUITY_DATA, INDICATORS, RowTable

Row = tuple[Any, ...]
TEXTS = ("text", "character varying", "character")
PRICE_TYPE = "numeric"
PRICE_DIGITS = 2
TICKER_LETTERS = 10


@dataclass(frozen=True)
class Column:
    """A column that we write: its type where we make it, and the type by which rows are copied."""

    name: str
    type: str
    copied: str
    is_needed: bool = True
    """Whether it never is null."""
    digits: int = PRICE_DIGITS
    """Of a price, the decimals that it has at most."""

    def accepts(self, found: str) -> bool:
        """Whether a column of this type, as format_type says it, holds every value exactly."""
        name, _, modifier = found.partition("(")
        if self.copied == "text":
            return name in TEXTS
        if self.copied == PRICE_TYPE:
            scale = modifier.rstrip(")").partition(",")[2]
            return name == PRICE_TYPE and (not modifier or int(scale or 0) >= self.digits)
        return found in {"bigint": ("bigint", "numeric")}.get(self.copied, (self.copied,))


@dataclass(frozen=True)
class TableLayout:
    """A table: the columns that we write, in the order of a row's values, and the unique key among them."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    index: str
    """Name of the unique key where we make it."""
    is_ours: bool = False
    """Whether it has an id and created_at besides, as the users' tables have."""

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the columns that are not in the key."""
        return tuple(column.name for column in self.columns if column.name not in self.key)


_TICKER = Column("ticker", f"varchar({TICKER_LETTERS})", "text")
_TIMESTAMP = Column("timestamp", "timestamptz", "timestamp with time zone")
_MINUTE_KEY = ("ticker", "timestamp")
_MINUTES = {
    EQUITY_DATA: (
        (_TICKER, _TIMESTAMP, Column("price", "numeric(10,2)", PRICE_TYPE), Column("volume", "bigint", "bigint")),
        "idx_equity_unique",
    ),
    INDICATORS: (
        (
            *(_TICKER, _TIMESTAMP),
            *(Column(name, "numeric(10,2)", PRICE_TYPE, is_needed=False) for name in ("sma9", "vwap")),
        ),
        "idx_indicators_unique",
    ),
}
"""The users' tables, and the names of their unique keys."""
TYPES = {
    "time": ("timestamptz", "timestamp with time zone"),
    "name": ("text", "text"),
    "int": ("bigint", "bigint"),
    "bool": ("boolean", "boolean"),
    "price": ("numeric(14,{digits})", PRICE_TYPE),
}
"""Of the lake's columns by their kind."""


def _type_of(kind: str, digits: int) -> tuple[str, str]:
    name, copied = TYPES[kind]
    return name.format(digits=digits), copied


def layout_of(table: RowTable, kinds: dict[str, str] | None = None, digits: int = PRICE_DIGITS) -> TableLayout:
    """A table of the settings; `kinds` has the kinds of the lake's columns, where it takes some; `digits` of prices."""
    schema, _, name = table.full_name.partition(".")
    if table.is_live:
        columns, index = _MINUTES[table.rows]
        if name != table.rows:
            index = f"{name[:48]}_unique"
        return TableLayout(schema, name, columns, _MINUTE_KEY, index, is_ours=True)
    kinds = kinds or {}
    chosen = tuple(
        Column(column, *_type_of(kinds[source], digits), is_needed=column in table.key, digits=digits)
        for column, source in table.columns.items()
    )
    return TableLayout(schema, name, chosen, table.key, f"{name[:48]}_unique")
