"""What the definitions of columns and tables say: the makers of columns, the metadata of a file, by direct calls."""

import numpy as np
import pyarrow as pa
import pytest

from harvester.decode.hsm_layout import INDEX, SYMBOL
from harvester.lake.columns import DICTIONARY, MOMENT, Column, Table, optional, plain, sides, times, with_metadata
from harvester.lake.schema import QUOTES_TABLE, column_of, order_of

PAISE = {b"unit": b"paise", b"per_rupee": b"100"}


def told(column: Column) -> tuple[pa.DataType, bool, dict[bytes, bytes] | None]:
    field = column.field
    return field.type, field.nullable, field.metadata


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("seq"), (pa.int64(), False, None)),
        (Column("ts_recv", "time", nullable=True), (MOMENT, True, None)),
        (Column("feed", "name"), (DICTIONARY, False, None)),
        (Column("ltp_paise"), (pa.int64(), False, PAISE)),
        (Column("paise_sum"), (pa.int64(), False, None)),
        (
            Column("bid_px_paise", "list", nullable=True, width=5),
            (
                pa.list_(pa.field("element", pa.int64(), nullable=True)),
                False,
                PAISE,
            ),
        ),
        (
            Column("bid_qty", "list", width=5),
            (pa.list_(pa.field("element", pa.int64(), nullable=False)), False, None),
        ),
    ],
    ids=lambda given: given.name if isinstance(given, Column) else "",
)
def test_a_column_has_its_type_and_says_its_unit(column: Column, expected: tuple[object, ...]) -> None:
    assert told(column) == expected


def test_makers_of_columns_keep_names_kinds_and_their_order() -> None:
    assert plain("a", "b") == (Column("a"), Column("b"))
    assert optional("a", "b") == (Column("a", nullable=True), Column("b", nullable=True))
    assert times("a", "b") == (Column("a", "time", nullable=True), Column("b", "time", nullable=True))


def test_only_the_price_of_a_level_may_be_absent() -> None:
    made = [(column.name, column.kind, column.nullable, column.width) for column in sides(3, "px")]
    names = ["bid_px", "bid_qty", "bid_ord", "ask_px", "ask_qty", "ask_ord"]
    assert made == [(name, "list", name.endswith("px"), 3) for name in names]


def test_a_tables_matrix_has_a_row_for_each_value_of_a_row() -> None:
    table = Table("t", (Column("ts_recv", "time"), *sides(2, "px"), *plain("last")), 3)
    assert table.height == 14
    assert table.places["bid_px"] == slice(1, 3)
    assert table.places["ask_ord"] == slice(11, 13)
    assert table.at("last") == 13
    assert table.schema.names == ["ts_recv", "symbol", *(column.name for column in table.columns[1:])]


def test_a_schema_says_its_version_its_scale_and_what_pandas_needs() -> None:
    fields = [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=True),
        pa.field("connection", pa.int32(), nullable=True),
        pa.field("name", pa.string(), nullable=True),
        pa.field("ts_recv", MOMENT, nullable=False),
    ]
    expected = (
        '{"index_columns":[],"column_indexes":[],"columns":['
        '{"name":"sequence","field_name":"sequence","pandas_type":"int64","numpy_type":"Int64","metadata":null},'
        '{"name":"connection","field_name":"connection","pandas_type":"int32","numpy_type":"Int32","metadata":null},'
        '{"name":"ts_recv","field_name":"ts_recv","pandas_type":"datetimetz","numpy_type":"datetime64[ns]",'
        '"metadata":{"timezone":"UTC"}}],"pandas_version":"2.0.0"}'
    )

    schema = with_metadata(pa.schema(fields), 7)

    assert schema.metadata == {b"schema": b"7", b"price_scale": b"100", b"pandas": expected.encode()}
    assert [schema.field(number) for number in range(len(fields))] == fields


@pytest.mark.parametrize(
    ("name", "topic", "column"),
    [
        ("ltp", SYMBOL, Column("ltp_paise", nullable=True)),
        ("ltp", INDEX, Column("ltp_paise", nullable=True)),
        ("vol_traded_today", SYMBOL, Column("vol_traded_today", nullable=True)),
        ("exchange_time", INDEX, Column("ts_event", "time", nullable=True)),
    ],
)
def test_a_value_of_a_topic_has_its_column(name: str, topic: object, column: Column) -> None:
    assert column_of(name, topic) == column  # type: ignore[arg-type]


def test_rows_are_ordered_by_run_then_record_up_to_the_last_number_of_a_run() -> None:
    matrix = np.zeros((QUOTES_TABLE.height, 3), dtype=np.int64)
    matrix[QUOTES_TABLE.at("run_id")], matrix[QUOTES_TABLE.at("seq")] = [0, 1, 1], [2**47 - 1, 0, 1]
    assert order_of(matrix).tolist() == [2**47 - 1, 2**47, 2**47 + 1]
