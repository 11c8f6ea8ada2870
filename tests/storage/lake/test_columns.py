"""Every column of every table: the value that came is in it, of its scale, with null for what did not come."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import INTERVAL_NS, OPEN_NS, answer, book
from tests.lake_rows import rows
from tests.storage.lake.candles import WIDTH, CandleRecorder, bar, said
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, ids_of, moment, quote
from tests.storage.lake.sockets import book as levels_of

from exchange.wire import hsm, tbt
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.calendar import Phase
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.day.candles import CandlesExpected

LEVELS = ["bid_px_paise", "bid_qty", "bid_ord", "ask_px_paise", "ask_qty", "ask_ord"]
ORIGIN = ["ts_recv", "symbol", "mono_offset_ns", "feed", "run_id", "seq", "entry", "connection", "in_session"]
POLL, BOOK = ["ts_sched", "ts_send"], ["action", "valid"]
COLUMNS = {
    "depth": [*ORIGIN, *POLL, *BOOK, *LEVELS],
    "quotes": [
        *ORIGIN, *POLL, "ltp_paise", "volume", "ts_trade", "ts_event", "bid_qty", "ask_qty", "bid_px_paise",
        "ask_px_paise", "ltq", "total_buy_qty", "total_sell_qty", "atp_paise", "oi", "low_paise", "high_paise",
        "year_high_paise", "year_low_paise", "lower_ckt_paise", "upper_ckt_paise", "open_paise", "prev_close_paise",
    ],
    "trades": [*ORIGIN, "ts_event", "px_paise", "qty", "last_qty", "volume", "kind", "side_inferred"],
    "indices": [
        *ORIGIN, "ltp_paise", "prev_close_paise", "ts_event", "high_paise", "low_paise", "open_paise",
        "year_high_paise", "year_low_paise",
    ],
    "depth50": [*ORIGIN, "sequence", "ts_feed", "ts_send", *BOOK, "total_buy_qty", "total_sell_qty", *LEVELS],
    "bars": [
        "ts_begin", "symbol", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "bid_px_paise",
        "ask_px_paise", "updates", "gap_ns",
    ],
    "candles": [
        "ts_begin", "symbol", "resolution_ns", "open_paise", "high_paise", "low_paise", "close_paise", "volume",
        "final", "revision", "source", "ts_recv", "run_id", "seq",
    ],
}  # fmt: skip
COLUMNS["history"] = COLUMNS["candles"]
NAMES = {"symbol", "feed", "run_id", "action", "kind", "side_inferred", "source"}
ALWAYS = {
    "ts_recv", "mono_offset_ns", "seq", "entry", "in_session", "valid", "ts_begin", "updates", "gap_ns", "qty", *NAMES,
}  # fmt: skip
"""Columns without nulls, beside the lists of levels."""


def always(table: str) -> set[str]:
    """Columns of a table without nulls."""
    more = {"trades": {"px_paise", "volume"}, "candles": {*COLUMNS["candles"]}, "history": {*COLUMNS["history"]}}
    return ALWAYS | more.get(table, set())


QUOTE = COLUMNS["quotes"][len([*ORIGIN, *POLL]) :]


def kind_of(name: str) -> Any:
    """The type of a column of single values."""
    if name.startswith("ts_"):
        return pa.timestamp("ns", "UTC")
    if name in NAMES:
        return pa.dictionary(pa.int32(), pa.string())
    flags, short = ("in_session", "valid", "final"), ("entry", "connection", "revision")
    return pa.bool_() if name in flags else pa.int32() if name in short else pa.int64()


def polled(place: Any, **changes: Any) -> list[dict[str, Any]]:
    """The rows of a day with one poll of each symbol; of SBIN's with these values."""
    recorder = place.start()
    recorder.open_window(2)
    recorder.poll(0, INFY)
    recorder.poll(1, SBIN, body=answer(SBIN, **changes))
    recorder.close_window(2)
    recorder.stop()
    place.close(windows=())
    return place.rows()


def test_a_polled_row_has_each_value_in_its_column(place) -> None:
    prices = ["ltp", "o", "h", "l", "c", "atp", "upper_ckt", "lower_ckt"]
    counts = ["totalbuyqty", "totalsellqty", "ltq", "ltt", "v", "oi"]
    changes: dict[str, Any] = {name: 700 + at for at, name in enumerate(prices)}
    changes |= {name: 50_000 + at for at, name in enumerate(counts)}
    changes["bids"] = [{"price": 10 + at, "volume": 200 + at, "ord": 300 + at} for at in range(5)]
    changes["ask"] = [{"price": 20 + at, "volume": 400 + at, "ord": 500 + at} for at in range(5)]

    infy, row = polled(place, **changes)

    origin = {
        "ts_recv": OPEN_NS + INTERVAL_NS + 32 * NS_PER_MS,
        "symbol": SBIN,
        "mono_offset_ns": OPEN_NS - 3_600 * NS_PER_SECOND,
        "feed": "fyers-rest",
        "seq": infy["seq"] + 1,
        "entry": 0,
        "connection": None,
        "in_session": True,
        "ts_sched": OPEN_NS + INTERVAL_NS,
        "ts_send": OPEN_NS + INTERVAL_NS + 2 * NS_PER_MS,
    }
    assert infy["symbol"] == INFY
    assert {name: row[name] for name in row if name not in ("run_id", *LEVELS)} == {
        **origin, "action": "snapshot", "valid": True
    }  # fmt: skip
    assert row["bid_px_paise"] == [1_000 + 100 * at for at in range(5)]
    assert row["ask_px_paise"] == [2_000 + 100 * at for at in range(5)]
    bases = zip(("bid_qty", "bid_ord", "ask_qty", "ask_ord"), (200, 300, 400, 500), strict=True)
    assert all(row[name] == [base + at for at in range(5)] for name, base in bases)
    quote_row = rows(place.current("quotes"))[1]
    assert {name: quote_row[name] for name in quote_row if name != "run_id"} == {
        **origin,
        "ltp_paise": 70_000,
        "open_paise": 70_100,
        "high_paise": 70_200,
        "low_paise": 70_300,
        "prev_close_paise": 70_400,
        "atp_paise": 70_500,
        "upper_ckt_paise": 70_600,
        "lower_ckt_paise": 70_700,
        "bid_px_paise": 1_000,
        "bid_qty": 200,
        "ask_px_paise": 2_000,
        "ask_qty": 400,
        "total_buy_qty": 50_000,
        "total_sell_qty": 50_001,
        "ltq": 50_002,
        "ts_trade": 50_003 * NS_PER_SECOND,
        "volume": 50_004,
        "oi": 50_005,
        "ts_event": None,
        "year_high_paise": None,
        "year_low_paise": None,
    }


@pytest.mark.few
@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("ltq", "ltq"), ("ltt", "ts_trade"), ("v", "volume"), ("o", "open_paise"), ("h", "high_paise"),
        ("l", "low_paise"), ("c", "prev_close_paise"), ("atp", "atp_paise"), ("upper_ckt", "upper_ckt_paise"),
        ("lower_ckt", "lower_ckt_paise"), ("oi", "oi"),
    ],
)  # fmt: skip
def test_what_an_answer_lacks_is_null_in_its_column_alone(place, key: str, column: str) -> None:
    row = polled(place, **{key: ""})[1]

    assert {name for name, value in row.items() if value is None} == {"connection"}
    never = {"connection", "ts_event", "year_high_paise", "year_low_paise"}
    quote_row = rows(place.current("quotes"))[1]
    assert {name for name, value in quote_row.items() if value is None} == {column, *never}


@pytest.mark.parametrize("seconds", [0, 2**33, 2**60])
def test_what_is_no_time_is_null(place, seconds: int) -> None:
    polled(place, ltt=seconds)

    assert [row["ts_trade"] for row in rows(place.current("quotes"))] == [OPEN_NS, None]


@pytest.mark.few
@pytest.mark.parametrize("side", ["bids", "ask"])
@pytest.mark.parametrize("count", range(6))
def test_an_absent_level_has_no_price_and_zeros(place, side: str, count: int) -> None:
    row = polled(place, **{side: book()[side][:count]})[1]

    mine, other = ("bid", "ask") if side == "bids" else ("ask", "bid")
    assert [price is None for price in row[f"{mine}_px_paise"]] == [at >= count for at in range(5)]
    for what in ("qty", "ord"):
        assert [number == 0 for number in row[f"{mine}_{what}"]] == [at >= count for at in range(5)]
        assert 0 not in row[f"{other}_{what}"] and None not in row[f"{other}_px_paise"]
    first = rows(place.current("quotes"))[1]
    assert (first[f"{mine}_px_paise"], first[f"{mine}_qty"]) == (row[f"{mine}_px_paise"][0], row[f"{mine}_qty"][0])


def for_pandas(schema: pa.Schema) -> dict[str, str]:
    """What pandas must be told; fastparquet reads no file of whose moments and dates it is not told."""
    integers = {
        field.name: {"int64": "Int64", "int32": "Int32"}[str(field.type)]
        for field in schema
        if field.nullable and pa.types.is_integer(field.type)
    }
    dates = {field.name: "object" for field in schema if pa.types.is_date(field.type)}
    return integers | dates | {field.name: "datetime64[ns]" for field in schema if pa.types.is_timestamp(field.type)}


def test_of_dates_pandas_is_told_as_well(closed) -> None:
    schema = pq.read_schema(closed.current("instruments"))
    told = {column["name"]: column["numpy_type"] for column in json.loads(schema.metadata[b"pandas"])["columns"]}
    assert told == for_pandas(schema) and told["master_date"] == "object"


def test_columns_types_and_nulls_are_the_published_ones(streamed) -> None:
    """docs/formats.md and every reader's code depend on them."""
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_HSM, FYERS_TBT])
    recorder.connect(0, [SBIN, NIFTY])
    recorder.snapshots(0, SBIN, NIFTY)
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 0, snapshot=True)
    recorder.quotes(0, SBIN, 1)
    recorder.close()
    recorder.stop()
    phases = {"nse_cash": (Phase("continuous", OPEN_NS, OPEN_NS + WIDTH),)}
    asked = CandleRecorder(streamed.journal, streamed.clock)
    asked.answer(20, SBIN, said(bar(0)))
    asked.stop()
    streamed.close(candles=CandlesExpected((SBIN,), WIDTH), phases=phases)
    for table, names in COLUMNS.items():
        if table == "history":
            continue  # no day that was recorded has it
        with pq.ParquetFile(streamed.current(table)) as file:
            schema, metadata = file.schema_arrow, file.metadata
            encodings = {
                metadata.row_group(0).column(at).path_in_schema: metadata.row_group(0).column(at).encodings
                for at in range(metadata.num_columns)
            }
            order = [(each.column_index, each.descending) for each in metadata.row_group(0).sorting_columns]
        assert schema.names == names, table
        assert schema.metadata.keys() == {b"schema", b"price_scale", b"pandas"}
        assert (schema.metadata[b"schema"], schema.metadata[b"price_scale"]) == (b"3", b"100")
        told = {column["name"]: column["numpy_type"] for column in json.loads(schema.metadata[b"pandas"])["columns"]}
        assert told == for_pandas(schema)
        assert order == [(1, False)], "rows of a symbol are in the order of the journal, which no column alone has"
        for field in schema:
            told = {b"unit": b"paise", b"per_rupee": b"100"} if field.name.endswith("_paise") else {}
            assert (field.metadata or {}).items() >= told.items()
            if field.name in LEVELS and table in ("depth", "depth50"):
                element = field.type.value_field
                assert (element.type, element.nullable, field.nullable) == (
                    pa.int64(), field.name.endswith("px_paise"), False
                )  # fmt: skip
                continue
            assert field.type == kind_of(field.name)
            assert field.nullable == (field.name not in always(table)), (table, field.name)
        assert set().union(*encodings.values()) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}, "what every engine reads right"


@pytest.mark.parametrize("precision", [2, 4])
def test_a_quote_has_each_value_in_its_column_prices_in_paise(streamed, precision: int) -> None:
    values = [1_000 * (at + 1) for at in range(21)]
    row = stream_one(streamed, "quotes", hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045", precision=precision), values))

    assert [row[name] for name in QUOTE] == [as_stored(*pair, precision) for pair in zip(QUOTE, values, strict=True)]


def as_stored(name: str, value: int, precision: int = 2) -> int:
    """A value of the wire as the column of that name has it."""
    if name.startswith("ts_"):
        return value * NS_PER_SECOND
    return value // 100 if name.endswith("_paise") and precision == 4 else value


@pytest.mark.few
@pytest.mark.parametrize("name", QUOTE)
def test_a_value_that_a_quote_lacks_is_null(streamed, name: str) -> None:
    values: list[int | None] = list(quote(3))
    values[QUOTE.index(name)] = None
    topic, prices = hsm.Topic("sf|nse_cm|3045"), hsm.Topic("dp|nse_cm|3045")
    stream_one(streamed, "quotes", hsm.snapshot(1, topic, values), hsm.snapshot(2, prices, levels_of(1)))

    (row,) = streamed.table("quotes", SBIN)
    assert {each for each in [*QUOTE, *POLL] if row[each] is None} == {name, *POLL}
    (depth,) = streamed.table("depth", SBIN)
    assert {each for each, value in depth.items() if value is None} == {*POLL}
    assert (depth["action"], depth["valid"]) == ("snapshot", True)


@pytest.mark.few
@pytest.mark.parametrize("precision", [2, 4])
@pytest.mark.parametrize("at", [None, *range(8)])
def test_an_index_has_each_value_in_its_column(streamed, at: int | None, precision: int) -> None:
    values: list[int | None] = [1_000 * (place + 1) for place in range(8)]
    if at is not None:
        values[at] = None

    row = stream_one(streamed, "indices", hsm.snapshot(1, hsm.Topic("if|nse_cm|Nifty 50", precision=precision), values))

    names = COLUMNS["indices"][len(ORIGIN) :]
    expected = [
        None if value is None else as_stored(name, value, precision) for name, value in zip(names, values, strict=True)
    ]
    assert [row[name] for name in names] == expected


LEVEL_VALUES: list[tuple[tuple[int | None, ...], tuple[int | None, ...]]] = [
    ((-5, 7, 1), (-5, 7, 1)),
    ((0, 7, 1), (0, 7, 1)),
    ((9, 0, 0), (9, 0, 0)),
    ((9, 2**32 - 1, 2**31 + 1), (9, 2**32 - 1, 2**31 + 1)),
    ((0, 0, 3), (None, 0, 0)),
    ((None, 7, 1), (None, 0, 0)),
    ((9, None, 1), (9, 0, 1)),
    ((9, 7, None), (9, 7, 0)),
    ((None, None, None), (None, 0, 0)),
]
"""Price, number and orders of a level as the wire gives them, and as the table has them."""


def test_a_level_of_a_book_is_in_its_place_or_absent(streamed) -> None:
    """Each of these values at each level of both sides, the ten levels of a book different ones."""
    topic, books, expected = hsm.Topic("dp|nse_cm|3045"), [], []
    for turn in range(len(LEVEL_VALUES)):
        given, wanted = zip(*(LEVEL_VALUES[(turn + place) % len(LEVEL_VALUES)] for place in range(10)), strict=True)
        values = [*levels_of(1)]
        for what, column in enumerate(zip(*given, strict=True)):
            values[10 * what : 10 * what + 10] = column
        books.append(hsm.snapshot(2, topic, values))
        expected.append([[*column] for column in zip(*wanted, strict=True)])

    stream_one(streamed, "depth", *books)

    names = ("px_paise", "qty", "ord")
    found = streamed.table("depth", SBIN)
    assert [[row[f"bid_{name}"] + row[f"ask_{name}"] for name in names] for row in found] == expected


def test_a_book_of_which_one_value_was_not_given_is_not_valid_and_all_else_is_in_its_place(streamed) -> None:
    topic, whole = hsm.Topic("dp|nse_cm|3045"), levels_of(1)
    lacking = [[None if at == number else value for at, value in enumerate(whole)] for number in range(30)]

    stream_one(streamed, "depth", *(hsm.snapshot(2, topic, values) for values in (whole, *lacking)))

    first, *others = streamed.table("depth", SBIN)
    assert (first["valid"], [row["valid"] for row in others]) == (True, [False] * 30)
    for number, row in enumerate(others):
        for what, name in enumerate(("px_paise", "qty", "ord")):
            levels = whole[10 * what : 10 * what + 10]
            if number % 10 == number - 10 * what or (what and number < 10):
                levels = [*levels]
                levels[number % 10] = None if not what else 0
            assert row[f"bid_{name}"] + row[f"ask_{name}"] == levels, (number, name)


@pytest.mark.few
@pytest.mark.parametrize("name", [name for name in QUOTE if name.endswith("_paise")])
def test_one_price_off_the_paisa_costs_the_row_and_is_counted(streamed, name: str) -> None:
    values = [100 * value for value in quote(1) if value is not None]
    values[QUOTE.index(name)] += 1
    whole = [100 * value for value in quote(2) if value is not None]
    topic = hsm.Topic("sf|nse_cm|3045", precision=4)

    stream_one(streamed, "quotes", hsm.snapshot(1, topic, values), hsm.snapshot(1, topic, whole))

    (row,) = streamed.table("quotes")
    assert row["ltp_paise"] == quote(2)[0] and row["entry"] == 1
    assert streamed.certificate()["streams"]["fyers-hsm"]["leftovers"] == {"price finer than a paisa": 1}


def stream_one(streamed, table: str, *entries: bytes) -> dict[str, Any]:
    """The first row of a table, of a day with these entries in one frame."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, NIFTY])
    recorder.at(1)
    recorder.entries(0, *entries)
    recorder.close()
    recorder.stop()
    streamed.close(explain="made by hand")
    return streamed.table(table)[0]


def test_a_row_of_fifty_levels_has_each_value_in_its_column(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_TBT])
    recorder.connect(3, [SBIN], feed=FYERS_TBT)
    for number, is_snapshot in ((1, False), (2, True), (5, False)):
        recorder.at(number)
        feed = tbt.Feed(
            SBIN,
            [tbt.Level(slot, 1_000 + slot, 2_000 + slot, 3_000 + slot) for slot in range(50) if slot != 7],
            [tbt.Level(slot, 4_000 + slot, 5_000 + slot, 6_000 + slot) for slot in range(50) if slot != 9],
            tbq=71 + number, tsq=81 + number, feed_time=91 + number, send_time=101 + number, sequence=number,
            snapshot=is_snapshot,
        )  # fmt: skip
        recorder.frame(FYERS_TBT, 3, tbt.socket_message([feed]))
    recorder.close()
    recorder.stop()
    streamed.close()
    found = streamed.table("depth50")
    for number, row in zip((1, 2, 5), found, strict=True):
        singles = {name: row[name] for name in row if name not in (*LEVELS, "run_id")}
        assert singles == {
            "ts_recv": moment(number), "symbol": SBIN, "mono_offset_ns": OPEN_NS - 3_600 * NS_PER_SECOND,
            "feed": "fyers-tbt", "seq": singles["seq"], "entry": 0, "connection": 0, "in_session": True,
            "sequence": number, "ts_feed": (91 + number) * NS_PER_SECOND, "ts_send": (101 + number) * NS_PER_SECOND,
            "action": "snapshot" if number == 2 else "update", "valid": number == 2,
            "total_buy_qty": 71 + number, "total_sell_qty": 81 + number,
        }  # fmt: skip
        for name, base, missing in zip(
            LEVELS, (1_000, 2_000, 3_000, 4_000, 5_000, 6_000), (7, 7, 7, 9, 9, 9), strict=True
        ):
            absent = None if name.endswith("px_paise") else 0
            assert row[name] == [absent if slot == missing else base + slot for slot in range(50)]
    assert [row["seq"] - found[0]["seq"] for row in found] == [0, 1, 2]


@pytest.mark.parametrize("name", ["feed_time", "send_time", "tbq", "tsq"])
def test_what_a_message_lacks_is_null_in_its_column_alone(streamed, name: str) -> None:
    values = {"feed_time": 5, "send_time": 6, "tbq": 7, "tsq": 8}
    feed = tbt.Feed(SBIN, [tbt.Level(0, 1, 1, 1)], sequence=1, snapshot=True, **{**values, name: None})
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_TBT])
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.frame(FYERS_TBT, 0, tbt.socket_message([feed]))
    recorder.close()
    recorder.stop()
    streamed.close()
    (row,) = streamed.table("depth50")
    column = {"tbq": "total_buy_qty", "tsq": "total_sell_qty"}.get(name, f"ts_{name.removesuffix('_time')}")
    assert {each for each, value in row.items() if value is None} == {column}


def test_bars_have_the_quotes_of_their_minute(streamed) -> None:
    """Two minutes, quotes without volume, bid or ask among them; a gap over their border."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    told = [
        (10, 50, None, 1, 2), (20, -30, 1_500, 3, 4), (59, 20, None, None, 6), (60, 7, None, 7, 8),
        (70, 9, 1_700, 9, None),
    ]  # fmt: skip
    for second, ltp, volume, bid, ask in told:
        recorder.at(second)
        entry: list[int | None] = [None] * 21
        entry[0], entry[1], entry[6], entry[7] = 80_000 + ltp, volume, bid, ask
        recorder.entries(0, hsm.update(ids_of(SBIN)["sf"], entry))
    recorder.lose(SBIN, 50, 75)
    recorder.close()
    recorder.stop()
    streamed.close()
    first, second = streamed.table("bars", SBIN)
    assert first == {
        "ts_begin": moment(0), "symbol": SBIN, "open_paise": 80_000, "high_paise": 80_050,
        "low_paise": 79_970,
        "close_paise": 80_020,
        "volume": 500, "bid_px_paise": 3, "ask_px_paise": 6, "updates": 4, "gap_ns": 10 * NS_PER_SECOND,
    }  # fmt: skip
    assert second == {
        "ts_begin": moment(60), "symbol": SBIN, "open_paise": 80_007, "high_paise": 80_009,
        "low_paise": 80_007,
        "close_paise": 80_009,
        "volume": 200, "bid_px_paise": 9, "ask_px_paise": 8, "updates": 2, "gap_ns": 15 * NS_PER_SECOND,
    }  # fmt: skip
