"""The depth decoder: exact paise, the broker's quirks, and a reason for everything it cannot take."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.journals import answer, book

from harvester.brokers.fyers.depth import ABSENT, Depth, Level
from harvester.brokers.fyers.responses import read_depth
from harvester.ledger.outage import Outage

SYMBOL = "NSE:SBIN-EQ"


def decode(body: bytes, status: int = 200) -> Depth | Outage:
    return read_depth(status, body, SYMBOL)


def decode_book(**changes: Any) -> Depth:
    depth = decode(answer(SYMBOL, **changes))
    assert isinstance(depth, Depth), depth
    return depth


def reason(body: bytes, status: int = 200) -> str:
    bad = decode(body, status)
    assert isinstance(bad, Outage), bad
    assert bad.detail.isprintable()
    return bad.detail


def test_recorded_answers_decode_to_what_they_say(recorded_data: Path) -> None:
    (path,) = (recorded_data / "fyers_raw").glob("rest_depth_*.jsonl")
    lines = path.read_text().splitlines()
    assert lines
    for line in lines:
        entry = json.loads(line)
        body = json.dumps({"s": "ok", "d": {entry["symbol"]: entry["row"]}, "message": ""}).encode()
        depth = read_depth(200, body, entry["symbol"])
        assert isinstance(depth, Depth)
        row = entry["row"]
        for levels, side in ((depth.bids, row["bids"]), (depth.asks, row["ask"])):
            expected = [(round(level["price"] * 100), level["volume"], level["ord"]) for level in side]
            assert list(levels) == expected
        assert depth.ltp == round(row["ltp"] * 100)
        assert (depth.total_buy_qty, depth.oi, depth.ltt) == (row["totalbuyqty"], row["oi"], row["ltt"])


def test_every_value_is_read_from_the_field_that_the_broker_documents_for_it() -> None:
    names = {
        "ltp": "ltp", "ltq": "ltq", "ltt": "ltt", "v": "volume", "o": "open", "h": "high", "l": "low",
        "c": "prev_close", "atp": "atp", "upper_ckt": "upper_ckt", "lower_ckt": "lower_ckt", "oi": "oi",
        "totalbuyqty": "total_buy_qty", "totalsellqty": "total_sell_qty",
    }  # fmt: skip
    counts = {"ltq", "ltt", "v", "oi", "totalbuyqty", "totalsellqty"}
    values = {name: number for number, name in enumerate(names, start=101)}
    sides = {
        side: [{"price": first, "volume": first + 1, "ord": first + 2}] for side, first in (("bids", 7), ("ask", 17))
    }

    depth = decode_book(**values, **sides)

    expected = {names[name]: value if name in counts else 100 * value for name, value in values.items()}
    assert {name: getattr(depth, name) for name in expected} == expected
    assert (depth.bids[0], depth.asks[0]) == (Level(700, 8, 9), Level(1700, 18, 19))


def test_a_price_may_be_an_integer() -> None:
    depth = decode_book(ltp=24429, ask=[{"price": 24429, "volume": 975, "ord": 4}])
    assert depth.ltp == 2442900
    assert depth.asks[0] == Level(2442900, 975, 4)


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("0.05", 5),
        ("1.1", 110),
        ("4.35", 435),  # 434.99999999999994 as a float
        ("1.15", 115),
        ("100000.05", 10_000_005),
        ("24428.600000000002", 2_442_860),
        ("24428.599609375", 2_442_860),
        ("1e2", 10_000),
    ],
)
def test_prices_are_exact(text: str, paise: int) -> None:
    depth = decode(_with_ltp(text))
    assert isinstance(depth, Depth)
    assert depth.ltp == paise


def _with_ltp(text: str) -> bytes:
    return answer(SYMBOL).replace(b'"ltp":800.15', b'"ltp":' + text.encode())


@pytest.mark.parametrize(
    "text", ["83.0025", "-1", "1e400", '"800"', "true", "null", "[]", "9" * 30, "1e99999999999999999999"]
)
def test_a_last_price_that_is_none_in_paise_is_refused(text: str) -> None:
    assert reason(_with_ltp(text))


def test_an_average_price_is_rounded_half_to_even() -> None:
    assert decode_book(atp=799.125).atp == 79912
    assert decode_book(atp=799.1351).atp == 79914


def test_missing_levels_are_absent() -> None:
    depth = decode_book(bids=[{"price": 800, "volume": 5, "ord": 1}], ask=[])
    assert depth.bids == (Level(80000, 5, 1), ABSENT, ABSENT, ABSENT, ABSENT)
    assert depth.asks == (ABSENT,) * 5


def test_a_book_filled_with_zeros_is_absent_levels_and_still_data() -> None:
    zeros = [{"price": 0, "volume": 0, "ord": 0}] * 5
    depth = decode_book(bids=zeros, ask=zeros, ltp=0, totalbuyqty=0, totalsellqty=0)
    assert depth.bids == depth.asks == (ABSENT,) * 5
    assert depth.ltp == 0


def test_a_one_sided_book_keeps_its_side() -> None:
    depth = decode_book(ask=None)
    assert depth.bids[0].price is not None
    assert depth.asks == (ABSENT,) * 5


def test_a_quantity_without_a_price_is_kept() -> None:
    assert decode_book(bids=[{"price": 0, "volume": 500, "ord": 2}]).bids[0] == Level(0, 500, 2)


def test_asks_is_not_ask() -> None:
    plain = book()
    plain["asks"] = plain.pop("ask")
    assert reason(json.dumps({"s": "ok", "d": {SYMBOL: plain}}).encode()) == "the book has no 'ask'"


def test_more_than_five_levels_are_two_books_run_together() -> None:
    assert "at most 5 levels" in reason(answer(SYMBOL, bids=book()["bids"] * 2))


def test_of_several_symbols_only_the_one_asked_for_is_read() -> None:
    body = json.dumps({"s": "ok", "d": {"NSE:INFY-EQ": book(ltp=1500.5), SYMBOL: book(ltp=800.5)}}).encode()
    depth = decode(body)
    assert isinstance(depth, Depth)
    assert depth.ltp == 80050


def test_another_symbols_answer_is_no_data() -> None:
    assert SYMBOL in reason(answer("NSE:INFY-EQ"))


def test_optional_values_may_be_missing_or_odd() -> None:
    depth = decode_book(oi="", o=None, v="many", upper_ckt=[], atp={})
    assert (depth.oi, depth.open, depth.volume, depth.upper_ckt, depth.atp) == (None,) * 5


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, b'{"s":"error","code":-16,"message":"Could not authenticate"}', "token_refused"),
        (401, b'{"s":"error","code":-15,"message":"Please provide a valid token"}', "token_refused"),
        (429, b"<html>slow down</html>", "rate_limited"),
        (200, b'{"s":"error","code":-429,"message":"request limit reached"}', "rate_limited"),
        (503, b"", "server_error"),
        (404, b"not here", "bad_response"),
        (200, b"", "bad_response"),
        (200, b"\xff\xfe\x00garbage", "bad_response"),
        (200, b'{"s":"ok"', "bad_response"),
        (200, b'{"s":"ok","d":[]}', "bad_response"),
        (200, b"[" * 100_000, "bad_response"),
        (200, b'{"s":"ok","d":{"NSE:SBIN-EQ":{}}}', "bad_response"),
        (200, b'{"s":"ok","code":[],"d":{}}', "bad_response"),
        (200, b'{"s":"ok","code":{},"message":{},"d":null}', "bad_response"),
        (200, b'{"s":"ok","d":{"NSE:SBIN-EQ":{"ltp":NaN}}}', "bad_response"),
    ],
)
def test_what_is_no_data_has_the_cause_of_its_gap(status: int, body: bytes, cause: str) -> None:
    bad = decode(body, status)
    assert isinstance(bad, Outage)
    assert bad.cause == cause
