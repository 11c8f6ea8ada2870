"""What of Schwab's answers is a candle, and what a refusal means."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.base.market import entered
from harvester.brokers.bars import Candle, History, Rejected
from harvester.brokers.schwab.answers import judge_preference
from harvester.brokers.schwab.history import history_query, judge_history, read_history
from harvester.ledger.outage import Outage

BEGIN_MS = 1_796_049_000_000


def row(**changes: Any) -> dict[str, Any]:
    values = {"open": 600.005, "high": 600.5, "low": 599.99, "close": 600.0, "volume": 12, "datetime": BEGIN_MS}
    return values | changes


def read(*rows: Any) -> History | Outage:
    return read_history(200, json.dumps({"symbol": "QQQ", "empty": not rows, "candles": rows}).encode())


def test_prices_are_exact_to_a_ten_thousandth_of_a_dollar() -> None:
    assert read(row()) == History((Candle(BEGIN_MS // 1000, 6_000_050, 6_005_000, 5_999_900, 6_000_000, 12),), ())


def test_a_float_of_the_wire_that_misses_by_its_last_digit_is_what_was_meant() -> None:
    [candle] = read(row(close=599.9950000000001)).candles  # type: ignore[union-attr]
    assert candle.close == 5_999_950


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"close": 600.00004}, "unreadable"), ({"close": None}, "unreadable"), ({"close": -1}, "unreadable"),
        ({"close": "600"}, "unreadable"), ({"volume": None}, "unreadable"), ({"volume": 1.5}, "unreadable"),
        ({"volume": -1}, "negative_volume"), ({"low": 0}, "price_zero"), ({"high": 599}, "high_below_low"),
    ],
)  # fmt: skip
def test_what_is_no_bar_is_rejected_with_its_flaw_and_the_others_stay(changes: dict[str, Any], flaw: str) -> None:
    found = read(row(**changes), row(datetime=BEGIN_MS + 60_000))

    assert isinstance(found, History) and found.rejected == (Rejected(BEGIN_MS // 1000, flaw),)  # type: ignore[arg-type]
    assert [each.begin_s for each in found.candles] == [BEGIN_MS // 1000 + 60]


@pytest.mark.parametrize("begin", [None, "x", BEGIN_MS + 1, -60_000, 2**63 * 1000])
def test_a_candle_without_a_whole_second_is_of_no_bar(begin: Any) -> None:
    assert read(row(datetime=begin)) == History((), (Rejected(None, "unreadable"),))


def test_an_empty_answer_is_data_and_one_without_candles_is_none() -> None:
    assert read() == History((), ())
    for body in (b"", b"[]", b"{}", b'{"candles": 1}', b"<html>", b"\xff" * 9):
        found = read_history(200, body)
        assert isinstance(found, Outage) and found.cause == "bad_response", body


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, "token_refused"), (403, "refused"), (429, "rate_limited"), (400, "bad_response"), (404, "bad_response"),
        (500, "server_error"), (503, "server_error"), (302, "bad_response"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_brokers_words_and_its_cause(status: int, cause: str) -> None:
    body = json.dumps({"errors": [{"id": "1", "status": str(status), "title": "No", "detail": "because\n"}]}).encode()

    assert judge_history(status, body) == Outage(cause, f"HTTP {status}: because")  # type: ignore[arg-type]
    assert judge_preference(status, body) == judge_history(status, body)
    assert "no message" in str(judge_history(status, b"<html>"))


def test_the_token_is_proven_by_preferences_alone() -> None:
    assert judge_preference(200, b'{"streamerInfo": [], "accounts": []}') is None
    assert judge_preference(200, b"{}") is not None


@given(st.binary(max_size=200), st.integers(0, 999))
def test_no_bytes_raise(body: bytes, status: int) -> None:
    read_history(status, body)
    judge_preference(status, body)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 11, 1), 25), (date(2026, 11, 2), 24), (date(2026, 3, 8), 23)])
def test_a_request_is_of_the_market_day_by_new_yorks_clock(day: date, hours: int) -> None:
    with entered("us"):
        query = history_query("BRK/B", 1, day)

    assert int(query["endDate"]) + 1 - int(query["startDate"]) == hours * 3_600_000
    assert (query["symbol"], query["frequency"], query["needExtendedHoursData"]) == ("BRK/B", "1", "false")
