"""Each value of the broker's /depth answer: where it goes, what it may be, and what it is when it is missing."""

import json
from typing import Any

import pytest
from tests.journals import book

from harvester.brokers.fyers.depth import ABSENT, Depth, Level
from harvester.brokers.fyers.responses import read_depth
from harvester.ledger.outage import Outage

SYMBOL = "NSE:SBIN-EQ"
INT64 = 2**63 - 1
PRICES = {
    "ltp": "ltp", "open": "o", "high": "h", "low": "l", "prev_close": "c", "atp": "atp", "upper_ckt": "upper_ckt",
    "lower_ckt": "lower_ckt",
}  # fmt: skip
COUNTS = {
    "total_buy_qty": "totalbuyqty", "total_sell_qty": "totalsellqty", "ltq": "ltq", "ltt": "ltt", "volume": "v",
    "oi": "oi",
}  # fmt: skip
NEEDED = {"ltp": "a price in whole paise", "total_buy_qty": "a count", "total_sell_qty": "a count"}
KEYS = {**PRICES, **COUNTS}


def decode(changed: dict[str, Any] | str) -> Depth | Outage:
    """A good answer with these values, or the text of a whole book."""
    text = changed if isinstance(changed, str) else json.dumps({**book(), **changed})
    return read_depth(200, f'{{"s":"ok","d":{{"{SYMBOL}":{text}}}}}'.encode(), SYMBOL)


def with_text(key: str, text: str) -> Depth | Outage:
    """A good answer in which a value is written so."""
    return decode(json.dumps({**book(), key: "@"}).replace('"@"', text))


def value(found: Depth | Outage, name: str) -> Any:
    assert isinstance(found, Depth), found
    return getattr(found, name)


def refused(found: Depth | Outage) -> str:
    assert isinstance(found, Outage) and found.cause == "bad_response", found
    return found.detail


def test_every_value_goes_to_its_own_place() -> None:
    values = {key: 100 + at for at, key in enumerate(KEYS.values())}
    sides = {
        side: [{"price": base + at, "volume": base + 10 + at, "ord": base + 20 + at} for at in range(5)]
        for side, base in (("bids", 1_000), ("ask", 2_000))
    }

    depth = decode({**values, **sides})

    assert isinstance(depth, Depth)
    for name, key in KEYS.items():
        assert value(depth, name) == values[key] * (100 if name in PRICES else 1), name
    for levels, base in ((depth.bids, 1_000), (depth.asks, 2_000)):
        assert levels == tuple(Level(100 * (base + at), base + 10 + at, base + 20 + at) for at in range(5))


@pytest.mark.parametrize("name", KEYS)
def test_a_missing_value_is_none_and_a_missing_needed_one_is_named(name: str) -> None:
    without = {key: each for key, each in book().items() if key != KEYS[name]}

    found = decode(json.dumps(without))

    if name in NEEDED:
        assert refused(found) == f"{KEYS[name]} is missing or not {NEEDED[name]}"
        return
    assert isinstance(found, Depth)
    assert found == decode({})._replace(**{name: None})  # type: ignore[union-attr]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("odd", ['"800"', "true", "[]", "{}", "-1", "-0.01", "1e400", "9" * 40])
def test_an_odd_value_is_as_a_missing_one(name: str, odd: str) -> None:
    found = with_text(KEYS[name], odd)

    if name in NEEDED:
        assert refused(found) == f"{KEYS[name]} is missing or not {NEEDED[name]}"
    else:
        assert found == decode({})._replace(**{name: None})  # type: ignore[union-attr]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("1", 1), ("7.0", 7), ("1e3", 1_000), ("12e-1", None), ("0.5", None), ("1.05", None),
        (str(INT64), INT64), (f"{INT64}.0", INT64), (str(INT64 + 1), None), (f"{INT64 + 1}.0", None), ("1e18", 10**18),
        ("1e19", None), ("0e99", None), ("-0", 0), ("-0.0", 0),
    ],
)  # fmt: skip
def test_counts_are_whole_and_of_63_bits(name: str, text: str, number: int | None) -> None:
    found = with_text(COUNTS[name], text)

    if number is None and name in NEEDED:
        assert refused(found)
    else:
        assert value(found, name) == number


@pytest.mark.parametrize("name", PRICES)
@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("0", 0), ("0.01", 1), ("24428.600000000002", 2_442_860), ("5e-2", 5), ("1e2", 10_000),
        ("0.0010", 0), ("0.0090", 1), ("92233720368547758.07", INT64), ("92233720368547758.08", None),
        ("92233720368547758", INT64 - 7), ("92233720368547759", None), ("1e17", None), ("1e19", None),
    ],
)  # fmt: skip
def test_prices_are_paise_of_63_bits(name: str, text: str, paise: int | None) -> None:
    found = with_text(PRICES[name], text)

    if paise is None and name in NEEDED:
        assert refused(found)
    else:
        assert value(found, name) == paise


@pytest.mark.parametrize("name", [name for name in PRICES if name != "atp"])
@pytest.mark.parametrize("text", ["0.0011", "0.0089", "83.0025", "0.005"])
def test_a_price_off_the_paisa_by_more_than_noise_is_none(name: str, text: str) -> None:
    found = with_text(PRICES[name], text)

    assert refused(found) if name in NEEDED else value(found, name) is None


@pytest.mark.parametrize(
    ("text", "paise"), [("0.0011", 0), ("0.0089", 1), ("0.005", 0), ("0.015", 2), ("0.025", 2), ("83.00251", 8_300)]
)
def test_an_average_is_rounded_half_to_even(text: str, paise: int) -> None:
    assert value(with_text("atp", text), "atp") == paise


@pytest.mark.parametrize("side", ["bids", "ask"])
@pytest.mark.parametrize("count", range(6))
def test_levels_that_are_left_out_are_absent_and_the_others_in_place(side: str, count: int) -> None:
    levels = book()[side][:count]

    depth = decode({side: levels})

    assert isinstance(depth, Depth)
    read, other = (depth.bids, depth.asks) if side == "bids" else (depth.asks, depth.bids)
    assert read[:count] == tuple(Level(round(each["price"] * 100), each["volume"], each["ord"]) for each in levels)
    assert read[count:] == (ABSENT,) * (5 - count) and len(other) == 5 and ABSENT not in other


@pytest.mark.parametrize("side", ["bids", "ask"])
@pytest.mark.parametrize("at", range(5))
def test_a_level_that_cannot_be_read_is_named_by_side_and_place(side: str, at: int) -> None:
    good = {"price": 800, "volume": 5, "ord": 1}
    for odd in (
        5, [], "x", {}, {**good, "price": None}, {**good, "volume": -1}, {**good, "ord": 2**31},
        {**good, "ord": "1"}, {**good, "volume": 2**63}, {**good, "price": 0.005}, {"price": 800}, {"volume": 5},
    ):  # fmt: skip
        levels = [good] * at + [odd] + [good] * (4 - at)

        assert (
            refused(decode({side: levels}))
            == f"{side}[{at}] is not a level with a price in whole paise, a volume and orders"
        ), odd


@pytest.mark.parametrize("side", ["bids", "ask"])
@pytest.mark.parametrize(
    ("level", "read"),
    [
        ({"price": 800, "volume": 5}, Level(80_000, 5, 0)),
        ({"price": 800, "volume": 0, "ord": 0}, Level(80_000, 0, 0)),
        ({"price": 0, "volume": 5, "ord": 0}, Level(0, 5, 0)),
        ({"price": 0, "volume": 0, "ord": 3}, Level(0, 0, 3)),
        ({"price": 0, "volume": 0, "ord": 0}, ABSENT),
        ({"price": 0.0, "volume": 0}, ABSENT),
        ({"price": 800, "volume": INT64, "ord": 2**31 - 1}, Level(80_000, INT64, 2**31 - 1)),
    ],
)
def test_a_level_is_absent_only_when_all_of_it_is_zero(side: str, level: dict[str, Any], read: Level) -> None:
    depth = decode({side: [level]})

    assert isinstance(depth, Depth)
    assert (depth.bids if side == "bids" else depth.asks)[0] == read


@pytest.mark.parametrize("side", ["bids", "ask"])
def test_a_side_is_a_list_of_five_at_most_or_null(side: str) -> None:
    for odd in ({}, "[]", 5, True, book()[side] + book()[side][:1]):
        assert refused(decode({side: odd})) == f"'{side}' is not a list of at most 5 levels"
    without = {key: each for key, each in book().items() if key != side}
    assert refused(decode(json.dumps(without))) == f"the book has no '{side}'"
    for empty in ([], None):
        depth = decode({side: empty})
        assert isinstance(depth, Depth) and (depth.bids if side == "bids" else depth.asks) == (ABSENT,) * 5


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", KEYS)
def test_what_only_python_calls_a_number_is_as_a_missing_value(name: str, constant: str) -> None:
    found = with_text(KEYS[name], constant)

    assert refused(found) if name == "ltp" else value(found, name) is None


@pytest.mark.parametrize("key", ["totalbuyqty", "totalsellqty"])
def test_a_total_may_be_null_as_an_index_has_it(key: str) -> None:
    name = next(name for name in COUNTS if COUNTS[name] == key)

    assert value(with_text(key, "null"), name) is None
