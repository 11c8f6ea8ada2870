"""The unmodified SDK's REST calls, with only documented arguments."""

import csv
import json
from decimal import Decimal
from itertools import pairwise

import pytest

DEPTH_TYPES = {
    "totalbuyqty": int, "totalsellqty": int, "ask": list, "bids": list, "o": float, "h": float, "l": float, "c": float,
    "chp": float, "tick_Size": float, "ch": float, "ltq": int, "ltt": int, "ltp": float, "v": int, "atp": float,
    "lower_ckt": float, "upper_ckt": float, "expiry": str, "oi": float, "oiflag": bool, "pdoi": int, "oipercent": float,
}  # fmt: skip
FIVE = ("NSE:HDFCBANK-EQ", "NSE:RELIANCE-EQ", "NSE:ADANIENT-EQ", "NSE:INFY-EQ", "NSE:SBIN-EQ")


def fits(value, kind):
    """A number documented as float comes without a decimal point when it is whole."""
    return type(value) in ((int, float) if kind is float else (kind,))


def test_profile_is_that_of_the_account(server):
    answer = server.sdk().get_profile()
    assert answer["s"] == "ok" and answer["code"] == 200
    assert answer["data"]["fy_id"] == server.app.user


@pytest.mark.parametrize("symbol", [*FIVE, "NSE:M&M-EQ", "NSE:NIFTY26DECFUT", "NSE:NIFTY50-INDEX"])
def test_depth_has_exactly_the_documented_keys_and_types(server, symbol):
    answer = server.sdk().depth({"symbol": symbol, "ohlcv_flag": 1})
    assert answer["s"] == "ok" and answer["message"] == "" and list(answer["d"]) == [symbol]
    row = answer["d"][symbol]
    assert list(row) == list(DEPTH_TYPES)
    assert not [key for key, kind in DEPTH_TYPES.items() if not fits(row[key], kind)]
    for side in ("bids", "ask"):
        assert len(row[side]) == 5
        for level in row[side]:
            assert list(level) == ["price", "volume", "ord"]
            assert fits(level["price"], float) and type(level["volume"]) is int and type(level["ord"]) is int


def test_whole_rupees_come_without_a_decimal_point_and_others_with_at_most_two(server):
    texts = set()
    with server.client() as client:
        for _ in range(40):
            server.clock.move(7)
            body = json.loads(server.depth(client).content, parse_float=str, parse_int=str)
            row = body["d"]["NSE:SBIN-EQ"]
            texts |= {level["price"] for side in ("bids", "ask") for level in row[side]} | {row["ltp"], row["c"]}
    assert all(not text.endswith(".0") and len(text.partition(".")[2]) <= 2 for text in texts)
    assert any("." not in text for text in texts) and any("." in text for text in texts)


def test_change_and_its_percentage_recompute(server):
    row = server.sdk().depth({"symbol": "NSE:INFY-EQ", "ohlcv_flag": 1})["d"]["NSE:INFY-EQ"]
    change = Decimal(str(row["ltp"])) - Decimal(str(row["c"]))
    assert Decimal(str(row["ch"])) == change
    assert row["chp"] == pytest.approx(float(100 * change / Decimal(str(row["c"]))), abs=0.006)


def test_an_index_has_a_price_and_no_book(server):
    row = server.sdk().depth({"symbol": "NSE:NIFTY50-INDEX", "ohlcv_flag": 1})["d"]["NSE:NIFTY50-INDEX"]
    assert row["ltp"] > 0 and row["v"] == 0 and {level["price"] for level in row["bids"] + row["ask"]} == {0}


def test_a_future_has_expiry_open_interest_and_whole_lots(server):
    row = server.sdk().depth({"symbol": "NSE:NIFTY26DECFUT", "ohlcv_flag": 1})["d"]["NSE:NIFTY26DECFUT"]
    assert row["expiry"].isdigit() and row["oiflag"] is True and row["pdoi"] > 0
    assert all(level["volume"] % 65 == 0 for level in row["bids"] + row["ask"]) and row["v"] % 65 == 0


@pytest.mark.parametrize("symbol", ["NSE:NOPE-EQ", "", "nse:sbin-eq", "NSE:SBIN-EQ,NSE:INFY-EQ", "NSE:SBIN-EQ "])
def test_depth_of_an_unknown_symbol_is_error_minus_300(server, symbol):
    answer = server.sdk().depth({"symbol": symbol, "ohlcv_flag": 1})
    assert answer["s"] == "error" and answer["code"] == -300


def test_quotes_answers_each_symbol_and_marks_the_wrong_one(server):
    answer = server.sdk().quotes({"symbols": "NSE:SBIN-EQ,NSE:NOPE-EQ,NSE:M&M-EQ"})
    assert answer["s"] == "ok" and [row["n"] for row in answer["d"]] == ["NSE:SBIN-EQ", "NSE:NOPE-EQ", "NSE:M&M-EQ"]
    assert [row["s"] for row in answer["d"]] == ["ok", "error", "ok"]
    values = answer["d"][0]["v"]
    assert values["spread"] == pytest.approx(values["ask"] - values["bid"], abs=0.001)
    assert isinstance(values["tt"], str) and values["fyToken"] == "10100000003045" and "cmd" not in values


def test_quotes_takes_fifty_symbols_and_refuses_one_more(server):
    sdk = server.sdk()
    assert len(sdk.quotes({"symbols": ",".join(["NSE:SBIN-EQ"] * 50)})["d"]) == 50
    assert sdk.quotes({"symbols": ",".join(["NSE:SBIN-EQ"] * 51)})["s"] == "error"


def test_quotes_v2_takes_a_list(server):
    answer = server.sdk().quotes_v2({"symbols": list(FIVE)})
    assert [row["n"] for row in answer["d"]] == list(FIVE)


def test_market_status_is_open_while_the_market_never_closes(server):
    rows = server.sdk().market_status()["marketStatus"]
    assert {(row["exchange"], row["segment"], row["status"]) for row in rows} == {(10, 10, "OPEN"), (10, 11, "OPEN")}


def test_history_gives_candles_of_the_asked_resolution(server):
    asked = {
        "symbol": "NSE:SBIN-EQ", "resolution": "5", "date_format": "0", "cont_flag": "1",
        "range_from": str(server.clock.wall_ns() // 10**9 - 7200), "range_to": str(server.clock.wall_ns() // 10**9),
    }  # fmt: skip
    candles = server.sdk().history(asked)["candles"]
    assert 23 <= len(candles) <= 25
    times = [candle[0] for candle in candles]
    assert all(b - a == 300 for a, b in pairwise(times)) and times[0] % 300 == 0
    assert all(low <= min(o, c) <= max(o, c) <= high and volume > 0 for _, o, high, low, c, volume in candles)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": "7"},
        {"resolution": None},
        {"date_format": "2"},
        {"range_from": "yesterday"},
        {"range_from": "2026-11-21"},
        {"range_from": "2026-01-01"},
    ],
)
def test_history_refuses_what_the_documents_do_not_allow(server, change):
    asked = {
        "symbol": "NSE:SBIN-EQ", "resolution": "1", "date_format": "1", "range_from": "2026-11-19",
        "range_to": "2026-11-20", "cont_flag": "1",
    } | change  # fmt: skip
    answer = server.sdk().history(asked)
    assert answer["s"] == "error" and answer["code"] == -50


def test_the_symbol_master_reads_like_the_brokers(server):
    with server.client() as client:
        text = client.get("https://public.fyers.in/sym_details/NSE_CM.csv").text
        futures = client.get("https://public.fyers.in/sym_details/NSE_FO_sym_master.json").json()
        index = client.get("https://public.fyers.in/sym_details/index_hsm_mapping.json").json()
        assert client.get("https://public.fyers.in/sym_details/XX_YY.csv").status_code == 404
    rows = list(csv.reader(text.splitlines()))
    assert {len(row) for row in rows} == {21} and set(FIVE) <= {row[9] for row in rows}
    assert next(row for row in rows if row[9] == "NSE:SBIN-EQ")[4] == "0.05"
    assert set(futures) == {"NSE:NIFTY26DECFUT"} and futures["NSE:NIFTY26DECFUT"]["minLotSize"] == 65
    assert index["NSE:NIFTY50-INDEX"] == "Nifty 50"


def test_paths_belong_to_their_host(server):
    with server.client() as client:
        for url in ("https://public.fyers.in/data/depth", "https://api-t1.fyers.in/sym_details/NSE_CM.csv"):
            assert client.get(url, headers=server.headers()).status_code == 404
        assert client.get("https://api-t1.fyers.in/data/nothing", headers=server.headers()).status_code == 404
