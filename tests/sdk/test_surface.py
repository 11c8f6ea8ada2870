"""The rest of the documented calls: an account that has never traded, orders refused, the option chain."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

INDEX, STOCK = "NSE:NIFTY50-INDEX", "NSE:SBIN-EQ"
BOOKS = {
    "funds": "fund_limit", "holdings": "holdings", "positions": "netPositions", "orderbook": "orderBook",
    "gtt_orderbook": "orderBook", "tradebook": "tradeBook", "get_alert": "data",
}  # fmt: skip
REPORTS = ("orderhistory", "tradehistory", "charges_history", "realised_profit_history", "tax_pnl_history",
           "ledger_history")  # fmt: skip
ORDER = {
    "symbol": STOCK, "qty": 1, "type": 2, "side": 1, "productType": "CNC", "limitPrice": 0, "stopPrice": 0,
    "validity": "DAY", "disclosedQty": 0, "offlineOrder": False,
}  # fmt: skip
ORDER_CALLS = (
    "place_order", "modify_order", "cancel_order", "place_basket_orders", "modify_basket_orders",
    "cancel_basket_orders", "place_multileg_order", "place_gtt_order", "modify_gtt_order", "cancel_gtt_order",
    "exit_positions", "convert_position", "attach_position_legs", "create_alert", "update_alert", "delete_alert",
    "toggle_alert", "create_smart_order_step", "create_smart_order_limit", "create_smart_order_trail",
    "create_smart_order_sip", "modify_smart_order", "cancel_smart_order", "pause_smart_order", "resume_smart_order",
    "create_smartexit_trigger", "update_smartexit_trigger", "activate_deactivate_smartexit_trigger",
)  # fmt: skip


@pytest.mark.parametrize("call", BOOKS)
def test_books_of_an_account_that_has_never_traded(server, call):
    answer = getattr(server.sdk(), call)()
    assert (answer["s"], answer["code"], answer["message"]) == ("ok", 200, "")
    rows = answer[BOOKS[call]]
    if call == "funds":
        assert [row["id"] for row in rows] == list(range(1, 11)) and rows[-1]["title"] == "Available Balance"
        assert {row[key] for row in rows for key in ("equityAmount", "commodityAmount")} == {0}
    else:
        assert rows == []
    if call in ("holdings", "positions"):
        assert answer["overall"]["count_total"] == 0 and set(answer["overall"].values()) == {0}


@pytest.mark.parametrize("call", REPORTS)
def test_reports_are_empty(server, call):
    answer = getattr(server.sdk(), call)({"from_date": "2026-11-01", "to_date": "2026-11-20"})
    assert answer["s"] == "ok" and answer["data"] == []


@pytest.mark.parametrize("call", ORDER_CALLS)
def test_an_app_with_data_permission_cannot_trade(server, call):
    answer = getattr(server.sdk(), call)(ORDER)
    assert answer["s"] == "error" and answer["code"] == -373 and "permission" in answer["message"]


def test_an_order_without_a_good_token_is_refused_as_such(server):
    assert server.sdk("nonsense").place_order(ORDER)["code"] == -15
    assert server.sdk("nonsense").funds()["code"] == -15


def chain(server, **asked):
    return server.sdk().optionchain({"symbol": INDEX, "strikecount": 3, "timestamp": ""} | asked)


@pytest.mark.parametrize("symbol", [INDEX, "NSE:NIFTYBANK-INDEX", STOCK])
def test_an_option_chain_is_whole_and_plausible(server, symbol):
    answer = chain(server, symbol=symbol, greeks="1")
    assert answer["s"] == "ok" and answer["code"] == 200
    data = answer["data"]
    head, *rows = data["optionsChain"]
    assert head["symbol"] == symbol and head["strike_price"] == -1 and head["option_type"] == ""
    assert 1 <= head["fp"] / head["ltp"] < 1.02
    strikes = sorted({row["strike_price"] for row in rows})
    assert len(rows) == 14 and len(strikes) == 7 and abs(strikes[3] - head["ltp"]) <= strikes[1] - strikes[0]
    for kind, order in (("CE", 1), ("PE", -1)):
        found = {row["strike_price"]: row for row in rows if row["option_type"] == kind}
        prices = [found[strike]["ltp"] for strike in strikes][::order]
        assert prices == sorted(prices, reverse=True) and prices[-1] > 0
        for strike, row in found.items():
            intrinsic = max(0.0, order * (head["ltp"] - strike))
            assert row["ltp"] >= intrinsic * 0.995 - 1 and row["bid"] <= row["ltp"] <= row["ask"]
            assert row["oi"] - row["prev_oi"] == row["oich"] and row["oi"] >= 0 and row["volume"] >= 0
            assert 0 <= order * row["greeks"]["delta"] <= 1 and row["greeks"]["theta"] <= 0
            assert 4 < row["greeks"]["iv"] < 120
            assert row["symbol"].endswith(f"{strike:g}{kind}") and row["fyToken"].startswith("1011")
    assert data["callOi"] > 0 and data["putOi"] > 0 and 5 < data["indiavixData"]["ltp"] < 60


def test_expiries_are_in_order_and_each_can_be_asked_for(server):
    listed = chain(server)["data"]["expiryData"]
    times = [int(row["expiry"]) for row in listed]
    now = server.clock.wall_ns() / 1e9
    assert times == sorted(set(times)) and times[0] > now and {row["expiry_flag"] for row in listed} == {"W", "M"}
    seen = set()
    for row in listed:
        assert datetime.fromtimestamp(int(row["expiry"]), UTC).strftime("%d-%m-%Y %H:%M") == f"{row['date']} 10:00"
        names = {each["symbol"] for each in chain(server, timestamp=row["expiry"])["data"]["optionsChain"]} - {INDEX}
        assert names and not names & seen
        seen |= names
    assert "greeks" not in chain(server)["data"]["optionsChain"][1]


@pytest.mark.parametrize(
    ("asked", "code"),
    [({"symbol": "NSE:NOPE-EQ"}, -300), ({"symbol": "NSE:NIFTY26DECFUT"}, -300), ({"strikecount": 51}, -50),
     ({"strikecount": "many"}, -50), ({"timestamp": "1"}, -50), ({"strikecount": 0}, -50)],
)  # fmt: skip
def test_an_option_chain_that_is_not_there_is_refused(server, asked, code):
    answer = chain(server, **asked)
    assert answer["s"] == "error" and answer["code"] == code


LISTENER = """
import json, os, sys
from fyers_apiv3.FyersWebsocket import order_ws

def listen(message):
    print(json.dumps(message), flush=True)
    os._exit(0)

def complain(message):
    print(message, flush=True)
    os._exit(1)

socket = order_ws.FyersOrderSocket(
    access_token=sys.argv[1], write_to_file=False, log_path=sys.argv[2], on_general=listen, on_error=complain,
    on_connect=lambda: socket.subscribe("OnOrders,OnTrades,OnPositions,OnGeneral"), reconnect=False,
)
socket.connect()
socket.keep_running()
"""


@pytest.mark.parametrize("good", [True, False])
def test_the_order_socket_lets_the_sdk_in_with_a_good_token(server, tmp_path, good):
    token = f"{server.app.app_id}:{server.token() if good else 'nonsense'}"
    listener = [sys.executable, "-W", "ignore", "-c", LISTENER, token, str(tmp_path)]
    found = subprocess.run(listener, capture_output=True, text=True, timeout=30)
    if good:
        assert json.loads(found.stdout) == {"code": 1605, "message": "Successfully subscribed", "s": "ok"}
    else:
        assert found.returncode == 1 and "401" in found.stdout


def test_what_is_absent_says_not_found_and_raises_nothing(server):
    sdk = server.sdk()
    for answer in (sdk.screeners_config(), sdk.futures_chain({"symbol": INDEX}), sdk.expiry_dates({"symbol": INDEX})):
        assert answer["s"] == "error" and answer["code"] == 404
