"""What an answer of /data/history is: candles in exact integers, rejected ones by their flaw, or an outage."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.brokers.fyers.history import (
    ANSWER_LIMIT,
    Candle,
    History,
    Rejected,
    history_query,
    judge_history,
    read_history,
)
from harvester.ledger.outage import Outage

BEGIN = 1_759_895_100
GOOD = [BEGIN, 1384.8, 1386.9, 1378.8, 1382.4, 255869]


def read(*rows: Any) -> History:
    found = read_history(200, json.dumps({"s": "ok", "candles": rows}).encode())
    assert isinstance(found, History), found
    return found


def flaw(**changed: Any) -> str | None:
    row = dict(zip(Candle._fields, GOOD, strict=True)) | changed
    found = read([*row.values()])
    assert len(found.candles) + len(found.rejected) == 1
    return found.rejected[0].flaw if found.rejected else None


def test_a_candle_is_exact_integers() -> None:
    assert read(GOOD) == History((Candle(BEGIN, 138480, 138690, 137880, 138240, 255869),), ())


def test_open_interest_may_follow_and_is_left_in_the_raw_answer() -> None:
    assert read([*GOOD, 7]).candles == read(GOOD).candles


@given(st.lists(st.integers(1, 10**12), min_size=4, max_size=4), st.sampled_from(["{}.{:02}", "{}.{:02}00000001"]))
@examples(50)
def test_no_price_loses_a_paisa(paise: list[int], form: str) -> None:
    low, high = min(paise), max(paise)
    values = [paise[0], high, low, paise[3]]
    prices = ",".join(form.format(*divmod(value, 100)) for value in values)
    found = read_history(200, f'{{"s":"ok","candles":[[{BEGIN},{prices},5]]}}'.encode())
    assert found == History((Candle(BEGIN, *values, 5),), ())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"open": 0}, "price_zero"),
        ({"close": 0.0}, "price_zero"),
        ({"high": 1378.75}, "high_below_low"),
        ({"volume": -1}, "negative_volume"),
        ({"volume": -1.5}, "negative_volume"),
        ({"volume": 0}, None),
        ({"volume": 1.5}, "unreadable"),
        ({"volume": None}, "unreadable"),
        ({"open": None}, "unreadable"),
        ({"open": -3}, "unreadable"),
        ({"open": 1384.805}, "unreadable"),
        ({"open": "1384.8"}, "unreadable"),
        ({"open": True}, "unreadable"),
        ({"begin_s": -1}, "unreadable"),
        ({"begin_s": "2025-10-08"}, "unreadable"),
        ({"begin_s": 10**15}, "unreadable"),
    ],
)
def test_a_bad_candle_is_rejected_by_its_flaw_and_takes_no_other_with_it(
    changed: dict[str, Any], expected: str | None
) -> None:
    assert flaw(**changed) == expected


@pytest.mark.parametrize("row", [None, {}, [], GOOD[:5], [*GOOD, 1, 2], "x"])
def test_what_is_no_candle_is_rejected_and_the_others_stay(row: Any) -> None:
    assert read(row, GOOD) == History(read(GOOD).candles, (Rejected(None, "unreadable"),))


@pytest.mark.parametrize("rows", ["[]", "null"])
def test_no_data_is_an_answer(rows: str) -> None:
    assert read_history(200, f'{{"s":"no_data","candles":{rows}}}'.encode()) == History((), ())


@pytest.mark.parametrize(
    ("status", "answer", "cause"),
    [
        (400, {"s": "error", "code": -300, "message": "Invalid symbol"}, "not_listed"),
        (400, {"s": "error", "code": -50, "message": "Invalid input"}, "bad_response"),
        (401, {"s": "error", "code": -16, "message": "token"}, "token_refused"),
        (403, {"s": "error", "code": -99, "message": "no permission"}, "refused"),
        (429, {"s": "error", "code": -429, "message": "request limit reached"}, "rate_limited"),
        (200, {"s": "error", "code": 429, "message": "request limit reached"}, "rate_limited"),
        (503, {}, "server_error"),
        (200, {"s": "error", "message": "what?"}, "bad_response"),
        (200, {"s": "ok"}, "bad_response"),
        (200, {"s": "no_data", "candles": [GOOD]}, "bad_response"),
        (200, [GOOD], "bad_response"),
    ],
)
def test_what_is_no_data_has_the_cause_of_the_brokers_own_code(status: int, answer: Any, cause: str) -> None:
    found = judge_history(status, json.dumps(answer).encode())
    assert found and found.cause == cause


def test_a_body_beyond_the_limit_is_not_parsed() -> None:
    body = json.dumps({"s": "ok", "candles": [], "x": "y" * ANSWER_LIMIT}).encode()
    assert isinstance(read_history(200, body), Outage)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
    lambda value: json.dumps({"s": "ok", "candles": value}).encode()
))  # fmt: skip
@examples(50)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    read_history(200, body)


def test_a_request_names_whole_days() -> None:
    from datetime import date

    assert history_query("NSE:SBIN-EQ", "5", date(2026, 11, 20), date(2026, 11, 20)) == {
        "symbol": "NSE:SBIN-EQ", "resolution": "5", "date_format": "1", "range_from": "2026-11-20",
        "range_to": "2026-11-20", "cont_flag": "1",
    }  # fmt: skip


def test_paise_of_a_decimal_are_those_of_the_text() -> None:
    assert read([BEGIN, 0.29, 0.29, 0.29, 0.29, 1]).candles[0].open == int(Decimal("0.29") * 100)
