"""What the live judge takes the close takes, and what it refuses the close refuses, for the same reason."""

import json
from pathlib import Path

import pytest
from tests.journals import answer, book

from harvester.brokers.fyers.depth import ABSENT, Depth
from harvester.brokers.fyers.responses import judge_depth, read_depth
from harvester.ledger.outage import Outage

SYMBOL = "NSE:SBIN-EQ"
EMPTY_SIDE = [{"price": 0, "volume": 0, "ord": 0}] * 5
NULLS = [{"price": None, "volume": None, "ord": None}] * 5


def judge(body: bytes, symbol: str = SYMBOL, status: int = 200) -> Depth | str:
    """The row of an answer, or the cause of its gap: the same live and at the close."""
    live, closed = judge_depth(status, body, symbol), read_depth(status, body, symbol)
    assert live == (closed if isinstance(closed, Outage) else None)
    return closed.cause if isinstance(closed, Outage) else closed


def with_value(key: str, text: str) -> bytes:
    """An answer whose value of `key` is this text, JSON or not."""
    changed = json.dumps({"s": "ok", "d": {SYMBOL: book() | {key: "@"}}}).encode()
    return changed.replace(b'"@"', text.encode())


def test_an_index_has_no_totals_and_no_book() -> None:
    depth = judge(answer(SYMBOL, totalbuyqty=None, totalsellqty=None, ask=None, bids=None))

    assert isinstance(depth, Depth)
    assert (depth.total_buy_qty, depth.total_sell_qty) == (None, None)
    assert depth.bids == depth.asks == (ABSENT,) * 5


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["chp", "ch", "oipercent", "atp", "oi"])
def test_a_new_listing_has_a_change_in_percent_that_is_no_number(key: str, value: str) -> None:
    assert isinstance(judge(with_value(key, value)), Depth)


@pytest.mark.parametrize(("key", "value"), [("ltp", "NaN"), ("ltp", "null"), ("totalbuyqty", '"many"'), ("ask", "{}")])
def test_what_a_row_needs_must_be_there(key: str, value: str) -> None:
    assert judge(with_value(key, value)) == "bad_response"


@pytest.mark.parametrize("empty", [EMPTY_SIDE, NULLS, [None] * 5, [], None, [{"price": None, "volume": 0, "ord": 0}]])
@pytest.mark.parametrize("side", ["ask", "bids"])
def test_at_its_circuit_a_symbol_has_one_side(side: str, empty: object) -> None:
    depth = judge(answer(SYMBOL, **{side: empty}))

    assert isinstance(depth, Depth)
    assert {"ask": depth.asks, "bids": depth.bids}[side] == (ABSENT,) * 5


def test_a_level_without_a_number_of_orders_is_one() -> None:
    depth = judge(answer(SYMBOL, ask=[{"price": 800, "volume": 5, "ord": None}, {"price": 801, "volume": 6}]))

    assert isinstance(depth, Depth)
    assert depth.asks[:2] == ((80_000, 5, 0), (80_100, 6, 0))


def test_a_price_finer_than_a_paisa_is_refused_live_too() -> None:
    fine = [{"price": 89.1225, "volume": 1, "ord": 1}]

    assert judge(with_value("ltp", "89.1225")) == "bad_response"
    assert judge(answer(SYMBOL, ask=fine)) == "bad_response"


@pytest.mark.parametrize(
    "body",
    [
        with_value("ltp", "null"),
        answer(SYMBOL, bids="none"),
        answer(SYMBOL, ask=[{"price": 800}]),
        answer(SYMBOL, bids=book()["bids"] * 2),
        json.dumps({"s": "ok", "d": {SYMBOL: {}}}).encode(),
        b'{"s":"ok","d":{"NSE:SBIN-EQ":{"ltp":NaN}}}',
        b"[" * 100_000,
        answer(SYMBOL) + b" " * 70_000,
        b'{"s":"ok","d":' + b"9" * 60_000 + b"}",
    ],
)
def test_an_answer_without_a_row_is_none_live_either(body: bytes) -> None:
    assert judge(body) == "bad_response"


@pytest.mark.parametrize(
    ("name", "symbol", "is_data"),
    [
        ("depth_totals_null.json", "NSE:NIFTY50-INDEX", True),
        ("depth_new_listing_NaN_chp.json", "NSE:NEWIPO-EQ", True),
        ("depth_upper_circuit_no_asks.json", SYMBOL, True),
        ("depth_currency_4_decimals.json", "NSE:USDINR26DECFUT", False),
    ],
)
def test_the_recorded_cases(recorded_data: Path, name: str, symbol: str, is_data: bool) -> None:
    path = recorded_data.parent / "cases" / name
    if not path.exists():
        pytest.skip("no cases beside this checkout")

    assert isinstance(judge(path.read_bytes(), symbol), Depth) == is_data
