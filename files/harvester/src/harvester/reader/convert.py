"""Stored columns to the reader's: flat levels, rupees or exact prices, zone-aware times."""

from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args

import pyarrow as pa
import pyarrow.compute as pc

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.columns import FAR_SECONDS
from harvester.reader.columns import CAUSES_2, HIDDEN, LOGICAL, REST, Form, Kind
from harvester.reader.days import Table
from harvester.reader.errors import QuestionError

Prices = Literal["rupees", "decimal", "paise"]
PRECISION = 18
INTEGER_DIGITS = 19
"""Of any int64."""


class Look(NamedTuple):
    """How an answer looks. `levels` of a side, 0 where there are none; `origin`: with the columns of HIDDEN; `invalid`:
    with rows that are not valid.
    """

    logical: str
    levels: int = 0
    prices: Prices = "rupees"
    tz: str = "UTC"
    origin: bool = False
    invalid: bool = False

    def fields(self, digits: int = 2) -> list[pa.Field]:
        """The columns of the answer; prices have `digits` decimals where they are decimal."""
        found = []
        for name, kind in self.columns().items():
            if kind in ("prices", "sizes"):
                of = self._type("price" if kind == "prices" else "int", digits)
                found += [pa.field(f"{name}_{level}", of) for level in range(1, self.levels + 1)]
            else:
                found.append(pa.field(name, self._type(kind, digits)))
        return found

    def columns(self) -> dict[str, Kind]:
        """The logical columns of the answer."""
        return {name: kind for name, kind in LOGICAL[self.logical].items() if self.origin or name not in HIDDEN}

    def _type(self, kind: Kind, digits: int) -> pa.DataType:
        if kind == "price":
            exact = {"paise": pa.int64(), "decimal": pa.decimal128(PRECISION, digits)}
            return exact.get(self.prices, pa.float64())
        plain = {"name": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "date": pa.date32()}
        return plain.get(kind) or pa.timestamp("ns", self.tz)


def parse_prices(prices: str) -> Prices:
    """Raises QuestionError."""
    if prices not in get_args(Prices):
        raise QuestionError(f"prices={prices!r} is none of {', '.join(get_args(Prices))}.")
    return prices  # type: ignore[return-value]


def stored_names(look: Look, table: Table) -> list[str]:
    """The stored columns that an answer needs of a table."""
    return [table.source.columns[name].name for name in look.columns() if name in table.source.columns]


def convert(rows: pa.Table, table: Table, look: Look) -> pa.Table:
    """Rows of a stored table as rows of the answer."""
    columns: list[Any] = []
    for name, kind in look.columns().items():
        stored, scale = table.source.columns.get(name), table.scales.get(name)
        if stored is None:
            columns += [_absent(kind, len(rows))] * (look.levels if kind in ("prices", "sizes") else 1)
        elif kind in ("prices", "sizes"):
            levels = (pc.list_element(rows.column(stored.name), level) for level in range(look.levels))
            columns += [price(level, scale, look.prices) if scale else level for level in levels]
        else:
            values = _plain(rows.column(stored.name), stored.form)
            columns.append(price(values, scale, look.prices) if scale else values)
    fields = look.fields(table.digits)
    answer = pa.table(
        [_cast(column, field.type) for column, field in zip(columns, fields, strict=True)], pa.schema(fields)
    )
    return answer.filter(answer["valid"]) if "valid" in look.columns() and not look.invalid else answer


def _absent(kind: Kind, rows: int) -> Any:
    return pa.array([True] * rows, pa.bool_()) if kind == "bool" else pa.nulls(rows)


def _plain(values: Any, form: Form) -> Any:
    """Values of a form as the logical column has them."""
    if form == "plain":
        return values
    if form == "inverted":
        return pc.invert(values)
    if form == "snapshot":
        return pc.if_else(values, "snapshot", "update")
    if form == "polled":
        return pc.if_else(pc.equal(values.cast(pa.string()), REST), "snapshot", None)
    if form == "first":
        return pc.list_element(values, 0)
    if form == "cause":
        words = values.cast(pa.string())
        for former, cause in CAUSES_2.items():
            words = pc.if_else(pc.equal(words, former), cause, words)
        return words
    is_time = pc.and_(pc.greater(values, 0), pc.less(values, FAR_SECONDS))
    return pc.multiply(pc.if_else(is_time, values, None), NS_PER_SECOND)


def price(values: Any, scale: int, prices: Prices) -> Any:
    """Integers of so many parts of a rupee as rupees, exact decimals, or as they are."""
    if prices == "paise":
        return values
    if prices == "rupees":
        return pc.divide(values.cast(pa.float64()), float(scale))
    return pc.multiply(values.cast(pa.decimal128(INTEGER_DIGITS, 0)), pa.scalar(Decimal(1) / scale))


def _cast(column: Any, to: pa.DataType) -> Any:
    return column if column.type == to else column.cast(to)
