"""An index, and the future that follows it."""

import pytest

INDEX, FUTURE, BANK = "NSE:NIFTY50-INDEX", "NSE:NIFTY26DECFUT", "NSE:NIFTYBANK-INDEX"
EXPIRES = 1_798_538_400


def last_price(server, symbol):
    return server.sdk().depth({"symbol": symbol, "ohlcv_flag": 1})["d"][symbol]["ltp"]


@pytest.mark.parametrize("ago_days", [0, 10, 40])
def test_a_future_is_its_index_and_the_carry_until_it_expires(server, ago_days):
    server.clock.move(EXPIRES - 86_400 * ago_days - server.clock.wall_ns() / 1e9)
    for _ in range(12):
        basis = last_price(server, FUTURE) / last_price(server, INDEX) - 1
        assert basis == pytest.approx(0.055 * ago_days / 365, abs=0.0015)
        server.clock.move(3611)


def test_the_indices_stand_where_indices_stand(server):
    assert 15_000 < last_price(server, INDEX) < 45_000
    assert 1.5 < last_price(server, BANK) / last_price(server, INDEX) < 3.5


def test_an_index_has_no_volume_in_any_answer(server):
    now = server.clock.wall_ns() // 10**9
    for resolution, back in (("5", 7200), ("1D", 5 * 86_400), ("5S", 120)):
        asked = {
            "symbol": INDEX, "resolution": resolution, "date_format": "0", "cont_flag": "1", "oi_flag": "1",
            "range_from": str(now - back), "range_to": str(now),
        }  # fmt: skip
        candles = server.sdk().history(asked)["candles"]
        assert candles and all(candle[5:] == [0, 0] for candle in candles)
    value = server.sdk().quotes({"symbols": f"{INDEX},{BANK}"})["d"]
    assert [row["v"]["volume"] for row in value] == [0, 0]


def test_a_stock_future_follows_its_stock(start, tmp_path):
    future = (
        "101126122960001,SBIN 29 Dec 26 FUT,13,750,0.05,,0915-1540|1815-1915:,2026-11-27,1798538400,"
        "NSE:SBIN26DECFUT,10,11,60001,SBIN,3045,-1.0,XX,10100000003045,None,1,0.0\n"
    )
    stock = (
        "10100000003045,STATE BANK OF INDIA,0,1,0.05,INE062A01020,0915-1530|1815-1915:,2026-11-20,,NSE:SBIN-EQ,10,10,"
        "3045,SBIN,3045,-1.0,XX,10100000003045,None,1,0\n"
    )
    path = tmp_path / "both.csv"
    path.write_text(future + stock)
    server = start(symbols_file=path)
    server.clock.move(EXPIRES - 86_400 * 20 - server.clock.wall_ns() / 1e9)
    ratio = last_price(server, "NSE:SBIN26DECFUT") / last_price(server, "NSE:SBIN-EQ")
    assert ratio == pytest.approx(1 + 0.055 * 20 / 365, abs=0.003)
