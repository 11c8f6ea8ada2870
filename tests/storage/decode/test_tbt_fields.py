"""Each field of the 50-level socket, in messages that the broker's own protobuf classes wrote: place, sign, absence.

Each case goes through the fast path (40 messages of the usual form), the same one by one, and the exact parser, for
which a field of no known number is added.
"""

import fyers_apiv3.FyersWebsocket.msg_pb2 as schema
import numpy as np
import pytest

from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_tbt import Books, TbtBatch, TbtDecoder

PATHS = ["by arrays", "one by one", "exactly"]
COLUMNS = {side: [f"{side}_{what}" for what in ("px", "qty", "ord")] for side in ("bid", "ask")}
UNKNOWN_FIELD = b"\xf8\x07\x05"
"""Field 127, a number: skipped by every parser, and never of the usual form."""

pytestmark = pytest.mark.parametrize("path", PATHS)


def feed(ticker: str = "NSE:SBIN-EQ", **values: int) -> schema.MarketFeed:
    """A symbol's part; `values` are of wrappers by name."""
    made = schema.MarketFeed(ticker=ticker)
    made.depth.SetInParent()
    for name, value in values.items():
        getattr(made, name).value = value
    return made


def add(feed: schema.MarketFeed, side: str, **values: int) -> schema.MarketFeed:
    """Add a level to the "bid" or "ask" side."""
    level = (feed.depth.bids if side == "bid" else feed.depth.asks).add()
    for name, value in values.items():
        getattr(level, name).value = value
    return feed


def message(*feeds: schema.MarketFeed, snapshot: bool = True) -> bytes:
    made = schema.SocketMessage(type=schema.MessageType.Value("depth"), snapshot=snapshot)
    for number, each in enumerate(feeds):
        made.feeds[str(number)].CopyFrom(each)
    return made.SerializeToString(deterministic=True)


def read(path: str, *frames: bytes) -> TbtBatch:
    """The batch of the frames, of which the last is repeated by arrays."""
    if path == "exactly":
        frames = tuple(frame + UNKNOWN_FIELD for frame in frames)
    return TbtDecoder().decode([*frames[:-1], *[frames[-1]] * (40 if path == "by arrays" else 1)])


def books_of(path: str, *frames: bytes) -> Books:
    batch = read(path, *frames)
    assert batch.leftovers == []
    return batch.books


def slots(books: Books, name: str, row: int = -1) -> dict[int, int]:
    """Levels of a column that hold something, by slot."""
    column = getattr(books, name)[:, row].tolist()
    return {slot: value for slot, value in enumerate(column) if value not in (ABSENT, 0)}


@pytest.mark.parametrize("side", COLUMNS)
@pytest.mark.parametrize("num", [0, 1, 48, 49])
def test_a_level_is_in_the_slot_of_its_number_on_its_side(path: str, side: str, num: int) -> None:
    books = books_of(path, message(add(feed(), side, price=10_005, qty=7, nord=3, num=num)))

    for name, value in zip(COLUMNS[side], (10_005, 7, 3), strict=True):
        assert slots(books, name) == {num: value}
    for name in COLUMNS["ask" if side == "bid" else "bid"]:
        assert slots(books, name) == {}


@pytest.mark.parametrize("side", COLUMNS)
@pytest.mark.parametrize("num", [50, 51, 99, 100, 150, 2**31, 2**32 - 1])
def test_a_level_beyond_the_last_slot_is_in_no_slot(path: str, side: str, num: int) -> None:
    """A bid at 50 once became the best ask."""
    full = feed()
    for each in COLUMNS:
        for slot in range(50):
            add(full, each, price=1_000 + slot, qty=200 + slot, nord=300 + slot, num=slot)

    books = books_of(path, message(full), message(add(feed(), side, price=9, qty=9, nord=9, num=num), snapshot=False))

    for names in COLUMNS.values():
        for name, base in zip(names, (1_000, 200, 300), strict=True):
            assert getattr(books, name)[:, -1].tolist() == [base + slot for slot in range(50)]


def test_fifty_levels_of_both_sides_are_read_whole(path: str) -> None:
    full = feed()
    for slot in range(49, -1, -1):
        add(full, "bid", price=2_000_000 - slot, qty=1 + slot, nord=101 + slot, num=slot)
        add(full, "ask", price=2_000_001 + slot, qty=201 + slot, nord=301 + slot, num=slot)

    books = books_of(path, message(full))

    assert books.bid_px[:, -1].tolist() == [2_000_000 - slot for slot in range(50)]
    assert books.ask_px[:, -1].tolist() == [2_000_001 + slot for slot in range(50)]
    found = [getattr(books, name)[:, -1].tolist() for name in ("bid_qty", "bid_ord", "ask_qty", "ask_ord")]
    assert found == [[base + slot for slot in range(50)] for base in (1, 101, 201, 301)]


@pytest.mark.parametrize("side", COLUMNS)
@pytest.mark.parametrize("price", [-1, -(2**31), -(2**63) + 1, 0, 1, 127, 128, 2**31, 2**35 - 1, 2**35, 2**63 - 1])
def test_prices_keep_their_sign_and_size(path: str, side: str, price: int) -> None:
    books = books_of(path, message(add(feed(), side, price=price, qty=1, num=0)))

    assert getattr(books, f"{side}_px")[0, -1] == price


@pytest.mark.parametrize("side", COLUMNS)
@pytest.mark.parametrize("field", ["qty", "nord"])
@pytest.mark.parametrize("value", [1, 127, 128, 16_383, 16_384, 2**21, 2**28 - 1, 2**28, 2**31, 2**32 - 1])
def test_quantities_and_orders_have_no_sign(path: str, side: str, field: str, value: int) -> None:
    other = "nord" if field == "qty" else "qty"
    books = books_of(path, message(add(feed(), side, **{field: value, other: 1}, price=5, num=3)))

    column = {"qty": "qty", "nord": "ord"}
    assert slots(books, f"{side}_{column[field]}") == {3: value}
    assert slots(books, f"{side}_{column[other]}") == {3: 1}


@pytest.mark.parametrize("side", COLUMNS)
@pytest.mark.parametrize("field", ["price", "qty", "nord"])
def test_a_field_that_is_not_given_keeps_what_was_known(path: str, side: str, field: str) -> None:
    values = {"price": 500, "qty": 60, "nord": 7}
    changed = {name: value + 1 for name, value in values.items() if name != field}

    books = books_of(
        path,
        message(add(feed(), side, **values, num=2)),
        message(add(feed(), side, **changed, num=2), snapshot=False),
    )

    expected = {**values, **changed}
    found = {name: slots(books, column) for name, column in zip(expected, COLUMNS[side], strict=True)}
    assert found == {name: {2: value} for name, value in expected.items()}


@pytest.mark.parametrize("side", COLUMNS)
def test_a_level_without_a_number_is_in_no_slot(path: str, side: str) -> None:
    books = books_of(path, message(add(feed(), side, price=5, qty=5, nord=5)))

    assert [slots(books, name) for names in COLUMNS.values() for name in names] == [{}] * 6


@pytest.mark.parametrize("side", COLUMNS)
def test_a_level_without_a_quantity_has_neither_price_nor_orders(path: str, side: str) -> None:
    whole = add(add(feed(), side, price=5, qty=5, nord=5, num=0), side, price=6, qty=6, nord=6, num=49)
    books = books_of(path, message(whole), message(add(feed(), side, qty=0, num=49), snapshot=False))

    assert [slots(books, name) for name in COLUMNS[side]] == [{0: 5}] * 3
    assert getattr(books, f"{side}_px")[49].tolist() == [6, *[ABSENT] * (len(books) - 1)]


NUMBERS = [0, 1, 2**31, 2**35, 2**63 - 1]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("field", ["feed_time", "send_time"])
def test_times_are_what_was_sent_and_absent_where_nothing_was(path: str, field: str, value: int) -> None:
    books = books_of(path, message(feed(**{field: value})))

    assert getattr(books, field)[-1] == value
    assert getattr(books, "send_time" if field == "feed_time" else "feed_time")[-1] == ABSENT


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(("field", "column"), [("tbq", "total_buy"), ("tsq", "total_sell")])
def test_totals_are_of_their_side_and_absent_where_none_was_sent(
    path: str, field: str, column: str, value: int
) -> None:
    made = feed()
    getattr(made.depth, field).value = value

    books = books_of(path, message(made))

    assert getattr(books, column)[-1] == value
    assert getattr(books, "total_sell" if column == "total_buy" else "total_buy")[-1] == ABSENT


@pytest.mark.parametrize("value", NUMBERS)
def test_sequence_numbers_are_whole(path: str, value: int) -> None:
    made = feed()
    made.sequence_no = value

    assert books_of(path, message(made)).sequence[-1] == value


@pytest.mark.parametrize("field", ["feed_time", "send_time", "tbq", "tsq", "sequence_no"])
def test_a_number_of_64_bits_is_damage_in_whatever_field(path: str, field: str) -> None:
    made = feed()
    if field == "sequence_no":
        made.sequence_no = 2**63
    else:
        getattr(made.depth if field.startswith("t") else made, field).value = 2**63

    batch = read(path, message(made))

    assert len(batch.books) == 0
    assert {left.reason for left in batch.leftovers} == {Reason.MALFORMED}


@pytest.mark.parametrize("mine", [False, True])
@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("outer", [False, True])
def test_of_flags_the_parts_own_count_first(path: str, mine: bool, other: bool, outer: bool) -> None:
    one, two = feed("NSE:A-EQ"), feed("NSE:B-EQ")
    one.snapshot, two.snapshot = mine, other

    books = books_of(path, message(one, two, snapshot=outer))

    expected = [mine, other] if mine or other else [outer, outer]
    assert books.snapshot[-2:].tolist() == expected
    assert books.suspect[-2:].tolist() == [not flag for flag in expected], "until a snapshot came"


@pytest.mark.parametrize(
    ("ticker", "token", "name"),
    [
        ("NSE:A-EQ", "3045", "NSE:A-EQ"),
        ("", "3045", "3045"),
        ("", "", "0"),
        ("NSE:Ä-EQ", "ß", "NSE:Ä-EQ"),
        ("", "ß", "ß"),
    ],
)
def test_a_symbol_is_its_ticker_or_its_token_or_its_key(path: str, ticker: str, token: str, name: str) -> None:
    made = feed(ticker)
    made.token = token

    batch = read(path, message(made))

    assert [batch.tickers[place] for place in batch.books.symbol] == [name] * len(batch.books)
    assert batch.tickers == [name]


@pytest.mark.parametrize("part", ["quote", "eq", "dq", "ohlcv", "symdetail"])
def test_parts_that_nobody_asked_for_cost_nothing(path: str, part: str) -> None:
    made = add(feed(feed_time=8), "bid", price=5, qty=6, nord=7, num=1)
    other = getattr(made, part)
    for field in other.DESCRIPTOR.fields:
        if field.message_type:
            getattr(other, field.name).value = 9
        else:
            setattr(other, field.name, "0.05")

    books = books_of(path, message(made))

    assert [slots(books, name) for name in COLUMNS["bid"]] == [{1: 5}, {1: 6}, {1: 7}]
    assert books.feed_time[-1] == 8


def test_a_part_without_a_book_is_no_row_and_is_listed_whole(path: str) -> None:
    without = schema.MarketFeed(ticker="NSE:A-EQ")
    frame = message(without, add(feed("NSE:B-EQ"), "ask", price=5, qty=6, nord=7, num=0))

    batch = read(path, frame)

    names = [batch.tickers[place] for place in batch.books.symbol]
    assert names == ["NSE:B-EQ"] * len(batch.books) and batch.books.entry.tolist() == [0] * len(batch.books)
    length = len(frame) + (len(UNKNOWN_FIELD) if path == "exactly" else 0)
    assert [tuple(left) for left in batch.leftovers] == [
        (number, 0, length, Reason.NO_DEPTH) for number in range(len(batch.books))
    ]
    assert [slots(batch.books, name) for name in COLUMNS["ask"]] == [{0: 5}, {0: 6}, {0: 7}]


def test_symbols_of_a_message_keep_their_books_and_their_places(path: str) -> None:
    names = ["NSE:C-EQ", "NSE:A-EQ", "NSE:B-EQ"]
    first = [add(feed(name), "bid", price=10 * at + 1, qty=1, nord=1, num=at) for at, name in enumerate(names)]
    second = [add(feed(name), "ask", price=10 * at + 2, qty=2, nord=2, num=at) for at, name in enumerate(names)]

    books = books_of(path, message(*first), message(*second, snapshot=False))

    rows = books.frame.tolist().index(1)
    assert books.entry[: rows + 3].tolist() == [0, 1, 2, 0, 1, 2]
    assert books.symbol[: rows + 3].tolist() == [0, 1, 2, 0, 1, 2]
    for at in range(3):
        assert slots(books, "bid_px", rows + at) == {at: 10 * at + 1} and slots(books, "bid_px", at) == {
            at: 10 * at + 1
        }
        assert slots(books, "ask_px", rows + at) == {at: 10 * at + 2} and slots(books, "ask_px", at) == {}
    assert np.all(books.snapshot[:3]) and not books.snapshot[3:].any()
