"""Every column of every table: the value that came is in it, of its scale, with null for what did not come."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import INTERVAL_NS, OPEN_NS, answer, book
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, ids_of, moment, quote
from tests.storage.lake.sockets import book as levels_of

from exchange.wire import hsm, tbt
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT

NUMBERS = {
    "recv_ns",
    "mono_offset_ns",
    "seq",
    "entry",
    "in_session",
    "snapshot",
    "suspect",
    "begin_ns",
    "updates",
    "gap_ns",
}
LEVELS = ["bid_px", "bid_qty", "bid_ord", "ask_px", "ask_qty", "ask_ord"]
ORIGIN = ["recv_ns", "symbol", "mono_offset_ns", "feed", "run_id", "seq", "entry", "connection", "in_session"]
COLUMNS = {
    "depth": [
        *ORIGIN, "sched_ns", "sent_ns", "ltp", "total_buy_qty", "total_sell_qty", *LEVELS, "ltq", "ltt", "volume",
        "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt", "oi", "exchange_time",
    ],
    "quotes": [
        *ORIGIN, "ltp", "volume", "ltt", "exchange_time", "bid_qty", "ask_qty", "bid_px", "ask_px", "ltq",
        "total_buy_qty",
        "total_sell_qty", "atp", "oi", "low", "high", "year_high", "year_low", "lower_ckt", "upper_ckt", "open",
        "prev_close",
    ],
    "index": [*ORIGIN, "ltp", "prev_close", "exchange_time", "high", "low", "open", "year_high", "year_low"],
    "depth50": [
        *ORIGIN, "sequence", "feed_time", "send_time", "snapshot", "suspect", "total_buy_qty", "total_sell_qty",
        *LEVELS,
    ],
    "bars": [
        "begin_ns", "symbol", "open", "high", "low", "close", "volume", "bid_px", "ask_px", "updates", "gap_ns",
    ],
}  # fmt: skip
QUOTE_PRICES = {
    "ltp", "bid_px", "ask_px", "atp", "low", "high", "year_high", "year_low", "lower_ckt", "upper_ckt", "open",
    "prev_close",
}  # fmt: skip
QUOTE = COLUMNS["quotes"][len(ORIGIN) :]


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

    assert infy["symbol"] == INFY
    assert {name: row[name] for name in row if name not in ("run_id", *LEVELS)} == {
        "recv_ns": OPEN_NS + INTERVAL_NS + 32 * NS_PER_MS,
        "symbol": SBIN,
        "mono_offset_ns": OPEN_NS - 3_600 * NS_PER_SECOND,
        "feed": "fyers-rest",
        "seq": infy["seq"] + 1,
        "entry": 0,
        "connection": None,
        "in_session": True,
        "sched_ns": OPEN_NS + INTERVAL_NS,
        "sent_ns": OPEN_NS + INTERVAL_NS + 2 * NS_PER_MS,
        "ltp": 70_000,
        "open": 70_100,
        "high": 70_200,
        "low": 70_300,
        "prev_close": 70_400,
        "atp": 70_500,
        "upper_ckt": 70_600,
        "lower_ckt": 70_700,
        "total_buy_qty": 50_000,
        "total_sell_qty": 50_001,
        "ltq": 50_002,
        "ltt": 50_003,
        "volume": 50_004,
        "oi": 50_005,
        "exchange_time": None,
    }
    assert row["bid_px"] == [1_000 + 100 * at for at in range(5)] and row["ask_px"] == [
        2_000 + 100 * at for at in range(5)
    ]
    bases = zip(("bid_qty", "bid_ord", "ask_qty", "ask_ord"), (200, 300, 400, 500), strict=True)
    assert all(row[name] == [base + at for at in range(5)] for name, base in bases)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("ltq", "ltq"), ("ltt", "ltt"), ("v", "volume"), ("o", "open"), ("h", "high"), ("l", "low"),
        ("c", "prev_close"), ("atp", "atp"), ("upper_ckt", "upper_ckt"), ("lower_ckt", "lower_ckt"), ("oi", "oi"),
    ],
)  # fmt: skip
def test_what_an_answer_lacks_is_null_in_its_column_alone(place, key: str, column: str) -> None:
    row = polled(place, **{key: ""})[1]

    assert {name for name, value in row.items() if value is None} == {column, "connection", "exchange_time"}


@pytest.mark.parametrize("side", ["bids", "ask"])
@pytest.mark.parametrize("count", range(6))
def test_an_absent_level_has_no_price_and_zeros(place, side: str, count: int) -> None:
    row = polled(place, **{side: book()[side][:count]})[1]

    mine, other = ("bid", "ask") if side == "bids" else ("ask", "bid")
    assert [price is None for price in row[f"{mine}_px"]] == [at >= count for at in range(5)]
    for what in ("qty", "ord"):
        assert [number == 0 for number in row[f"{mine}_{what}"]] == [at >= count for at in range(5)]
        assert 0 not in row[f"{other}_{what}"] and None not in row[f"{other}_px"]


def test_columns_types_and_nulls_are_the_published_ones(streamed) -> None:
    """docs/formats.md and every reader's code depend on them."""
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_HSM, FYERS_TBT])
    recorder.connect(0, [SBIN, NIFTY])
    recorder.snapshots(0, SBIN, NIFTY)
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 0, snapshot=True)
    recorder.close()
    recorder.stop()
    streamed.close()
    for table, names in COLUMNS.items():
        with pq.ParquetFile(streamed.current(table)) as file:
            schema, metadata = file.schema_arrow, file.metadata
            encodings = {
                metadata.row_group(0).column(at).path_in_schema: metadata.row_group(0).column(at).encodings
                for at in range(metadata.num_columns)
            }
            order = [(each.column_index, each.descending) for each in metadata.row_group(0).sorting_columns]
        assert schema.names == names, table
        assert schema.metadata.keys() == {b"schema", b"price_scale", b"pandas"}
        assert (schema.metadata[b"schema"], schema.metadata[b"price_scale"]) == (b"2", b"100")
        assert order == [(1, False)], "rows of a symbol are in the order of the journal, which no column alone has"
        for field in schema:
            if field.name in LEVELS and table in ("depth", "depth50"):
                element = field.type.value_field
                assert (element.type, element.nullable, field.nullable) == (
                    pa.int64(), field.name.endswith("px"), False
                )  # fmt: skip
                continue
            kinds = {"in_session": pa.bool_(), "snapshot": pa.bool_(), "suspect": pa.bool_()}
            kinds |= dict.fromkeys(("entry", "connection"), pa.int32())
            is_text = field.name in ("symbol", "feed", "run_id")
            assert field.type == (
                pa.dictionary(pa.int32(), pa.string()) if is_text else kinds.get(field.name, pa.int64())
            )
            assert field.nullable == (field.name not in NUMBERS and not is_text), (table, field.name)
        assert set().union(*encodings.values()) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}, "what every engine reads right"


@pytest.mark.parametrize("precision", [2, 4])
def test_a_quote_has_each_value_in_its_column_prices_in_paise(streamed, precision: int) -> None:
    values = [1_000 * (at + 1) for at in range(21)]
    row = stream_one(streamed, "quotes", hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045", precision=precision), values))

    scale = 100 if precision == 4 else 1
    assert [row[name] for name in QUOTE] == [
        value // (scale if name in QUOTE_PRICES else 1) for name, value in zip(QUOTE, values, strict=True)
    ]


@pytest.mark.parametrize("name", QUOTE)
def test_a_value_that_a_quote_lacks_is_null_in_quotes_and_in_depth(streamed, name: str) -> None:
    values: list[int | None] = list(quote(3))
    values[QUOTE.index(name)] = None
    topic, prices = hsm.Topic("sf|nse_cm|3045"), hsm.Topic("dp|nse_cm|3045")
    stream_one(streamed, "quotes", hsm.snapshot(1, topic, values), hsm.snapshot(2, prices, levels_of(1)))

    (row,) = streamed.table("quotes", SBIN)
    assert {each for each in QUOTE if row[each] is None} == {name}
    (depth,) = streamed.table("depth", SBIN)
    shared = [each for each in COLUMNS["depth"][len(ORIGIN) :] if each in QUOTE and each not in LEVELS]
    assert [depth[each] for each in shared] == [row[each] for each in shared]
    assert len(shared) == 15 and depth["sched_ns"] is None and depth["sent_ns"] is None


@pytest.mark.parametrize("precision", [2, 4])
@pytest.mark.parametrize("at", [None, *range(8)])
def test_an_index_has_each_value_in_its_column(streamed, at: int | None, precision: int) -> None:
    values: list[int | None] = [1_000 * (place + 1) for place in range(8)]
    if at is not None:
        values[at] = None

    row = stream_one(streamed, "index", hsm.snapshot(1, hsm.Topic("if|nse_cm|Nifty 50", precision=precision), values))

    names = COLUMNS["index"][len(ORIGIN) :]
    expected = [
        value if value is None or name == "exchange_time" or precision == 2 else value // 100
        for name, value in zip(names, values, strict=True)
    ]
    assert [row[name] for name in names] == expected


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("side", ["bid", "ask"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((-5, 7, 1), (-5, 7, 1)),
        ((0, 7, 1), (0, 7, 1)),
        ((9, 0, 0), (9, 0, 0)),
        ((9, 2**32 - 1, 2**31 + 1), (9, 2**32 - 1, 2**31 + 1)),
        ((0, 0, 3), (None, 0, 0)),
        ((None, 7, 1), (None, 0, 0)),
        ((9, None, 1), (9, 0, 1)),
        ((9, 7, None), (9, 7, 0)),
        ((None, None, None), (None, 0, 0)),
    ],
)
def test_a_level_of_a_book_is_in_its_place_or_absent(
    streamed, level: int, side: str, given: tuple[int | None, ...], expected: tuple[int | None, ...]
) -> None:
    values: list[int | None] = list(levels_of(1))
    plain = {name: levels_of(1)[10 * at : 10 * at + 10] for at, name in enumerate(("px", "qty", "ord"))}
    place = level + 5 * (side == "ask")
    for at, value in enumerate(given):
        values[10 * at + place] = value

    row = stream_one(streamed, "depth", hsm.snapshot(2, hsm.Topic("dp|nse_cm|3045"), values))

    for what, value in zip(("px", "qty", "ord"), expected, strict=True):
        plain[what][place] = value
        assert row[f"bid_{what}"] + row[f"ask_{what}"] == plain[what]


@pytest.mark.parametrize("name", sorted(QUOTE_PRICES))
def test_one_price_off_the_paisa_costs_the_row_and_is_counted(streamed, name: str) -> None:
    values = [100 * value for value in quote(1) if value is not None]
    values[QUOTE.index(name)] += 1
    whole = [100 * value for value in quote(2) if value is not None]
    topic = hsm.Topic("sf|nse_cm|3045", precision=4)

    stream_one(streamed, "quotes", hsm.snapshot(1, topic, values), hsm.snapshot(1, topic, whole))

    (row,) = streamed.table("quotes")
    assert row["ltp"] == quote(2)[0] and row["entry"] == 1
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
    rows = streamed.table("depth50")
    for number, row in zip((1, 2, 5), rows, strict=True):
        singles = {name: row[name] for name in row if name not in (*LEVELS, "run_id")}
        assert singles == {
            "recv_ns": moment(number), "symbol": SBIN, "mono_offset_ns": OPEN_NS - 3_600 * NS_PER_SECOND,
            "feed": "fyers-tbt", "seq": singles["seq"], "entry": 0, "connection": 0, "in_session": True,
            "sequence": number, "feed_time": 91 + number, "send_time": 101 + number, "snapshot": number == 2,
            "suspect": number != 2, "total_buy_qty": 71 + number, "total_sell_qty": 81 + number,
        }  # fmt: skip
        for name, base, missing in zip(
            LEVELS, (1_000, 2_000, 3_000, 4_000, 5_000, 6_000), (7, 7, 7, 9, 9, 9), strict=True
        ):
            absent = None if name.endswith("px") else 0
            assert row[name] == [absent if slot == missing else base + slot for slot in range(50)]
    assert [row["seq"] - rows[0]["seq"] for row in rows] == [0, 1, 2]


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
    column = {"tbq": "total_buy_qty", "tsq": "total_sell_qty"}.get(name, name)
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
        "begin_ns": moment(0), "symbol": SBIN, "open": 80_000, "high": 80_050, "low": 79_970, "close": 80_020,
        "volume": 500, "bid_px": 3, "ask_px": 6, "updates": 4, "gap_ns": 10 * NS_PER_SECOND,
    }  # fmt: skip
    assert second == {
        "begin_ns": moment(60), "symbol": SBIN, "open": 80_007, "high": 80_009, "low": 80_007, "close": 80_009,
        "volume": 200, "bid_px": 9, "ask_px": 8, "updates": 2, "gap_ns": 15 * NS_PER_SECOND,
    }  # fmt: skip
