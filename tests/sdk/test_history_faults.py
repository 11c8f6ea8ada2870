"""The bad days of /data/history, as the unmodified SDK and our own reader see them."""

import json
from datetime import datetime

import pytest
from tests.sdk.test_faults import arm

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local, zone
from harvester.brokers.fyers.history import History, history_query, read_history

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
URL = "https://api-t1.fyers.in/data/history"
FIVE = 300


@pytest.fixture
def noon(server):
    """The exchange, whose clock is at 12:02:30 IST of a trading day."""
    moment = datetime(2026, 11, 20, 12, 2, 30, tzinfo=zone())
    server.clock.move(moment.timestamp() - server.clock.wall_ns() / NS_PER_SECOND)
    return server


def query(server, symbol=SBIN):
    today = to_local(server.clock.wall_ns()).date()
    return history_query(symbol, "5", today, today)


def bars(answer):
    return {row[0]: row[1:] for row in answer["candles"]}


def test_our_reader_finds_what_the_sdk_finds_to_the_paisa(noon):
    with noon.client() as client:
        body = client.get(URL, params=query(noon), headers=noon.headers()).content
    ours, theirs = read_history(200, body), noon.sdk().history(query(noon))
    assert isinstance(ours, History) and not ours.rejected and theirs["s"] == "ok"
    told = bars(theirs)
    last = max(told)
    assert [each.begin_s for each in ours.candles] == [*told]
    for each in ours.candles:
        if each.begin_s != last:  # it is being formed, and the two were asked one after the other
            assert [*each[1:]] == [*(round(price * 100) for price in told[each.begin_s][:4]), told[each.begin_s][4]]


def test_no_candles_is_an_answer_without_data(noon):
    arm(noon, {"action": "no_candles", "symbol": SBIN, "count": 1})
    sdk = noon.sdk()
    assert sdk.depth({"symbol": SBIN, "ohlcv_flag": 1})["s"] == "ok"
    told = sdk.history(query(noon))
    assert told == {"s": "no_data", "candles": []}
    assert read_history(200, json.dumps(told).encode()) == History((), ())
    assert sdk.history(query(noon))["s"] == "ok"


def test_one_symbol_fails_and_the_others_have_candles(noon):
    arm(noon, {"action": "error", "symbol": SBIN, "path": "*/history", "status": 400, "code": -300, "message": "no"})
    sdk = noon.sdk()
    assert sdk.history(query(noon))["code"] == -300 and sdk.history(query(noon, INFY))["s"] == "ok"


def test_the_bar_that_is_being_formed_is_partial_and_grows(noon):
    sdk = noon.sdk()
    before = bars(sdk.history(query(noon)))
    noon.clock.move(100)
    after = bars(sdk.history(query(noon)))
    last = max(before)
    assert last == max(after) and after[last][4] > before[last][4]
    assert all(after[begin] == values for begin, values in before.items() if begin != last)


def test_a_bar_that_has_ended_is_revised_when_the_broker_catches_up(noon):
    noon.clock.move(160)  # 12:05:10
    arm(noon, {"action": "candle_lag", "delay_seconds": 40, "count": 1})
    sdk = noon.sdk()
    before, after = bars(sdk.history(query(noon))), bars(sdk.history(query(noon)))
    begin = int(datetime(2026, 11, 20, 12, 0, tzinfo=zone()).timestamp())
    assert max(before) == begin and max(after) == begin + FIVE
    assert after[begin][4] > before[begin][4]


@pytest.mark.parametrize(("resolution", "minutes"), [("1", 1), ("5", 5)])
def test_a_correction_changes_the_bar_that_had_ended_last_of_each_width(noon, resolution, minutes):
    sdk, asked = noon.sdk(), query(noon) | {"resolution": resolution}
    before = bars(sdk.history(asked))
    arm(noon, {"action": "revise", "symbol": SBIN})
    after, daily = bars(sdk.history(asked)), sdk.history(asked | {"resolution": "D"})
    ended = max(before) - 60 * minutes
    changed = [begin for begin in before if begin != max(before) and before[begin] != after[begin]]
    assert changed == [ended]
    assert after[ended][4] == 2 * before[ended][4] and after[ended][3] != before[ended][3]
    assert daily["s"] == "ok" and daily["candles"], "days are not revised"


def test_a_rate_limit_has_the_brokers_code(noon):
    arm(noon, {"action": "rate_limit", "path": "*/history", "retry_after_seconds": 3})
    told = noon.sdk().history(query(noon))
    found = read_history(429, json.dumps(told).encode())
    assert told["code"] == -429 and found.cause == "rate_limited"
