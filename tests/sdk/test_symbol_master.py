"""Real symbol masters load whole, and prices finer than a paisa are served as fine as they are."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.market.instruments import load_instruments
from harvester.base.errors import ConfigError

CURRENCY = (
    "1012261228{number},USDINR 28 Dec 26 FUT,16,1,0.0025,,0900-1700:,2026-11-27,1798434000,NSE:USDINR26DECFUT,10,12,"
    "{number},USDINR,1,-1.0,XX,10120000001,None,0,0.0\n"
)
SPACES = (
    "101000000026099,NIFTY MID LIQ 15,10,0,0.05,,0915-1530|1815-1915:,2026-11-20,,NSE:NIFTY MID LIQ 15-INDEX,10,10,"
    "26099,NIFTY MID LIQ 15,26099,-1.0,XX,101000000026099,None,0,0\n"
)


def tickers(path: Path) -> list[str]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [row[9] for row in csv.reader(io.StringIO(text)) if row]


@pytest.mark.parametrize("name", ["NSE_CM_20250515.csv.gz", "NSE_CM_20250515_five.csv"])
def test_a_recorded_master_loads_whole(recorded_data: Path, name: str) -> None:
    path = recorded_data / "fyers_symbol_master" / name
    assert list(load_instruments(path)) == tickers(path)


@pytest.mark.parametrize("name", ["NSE_CM_rows.csv", "NSE_FO_rows.csv"])
def test_rows_of_todays_masters_load_whole(cases: Path, name: str) -> None:
    assert list(load_instruments(cases / name)) == tickers(cases / name)


@pytest.fixture
def master(tmp_path: Path) -> Path:
    path = tmp_path / "NSE_CD.csv"
    path.write_text(CURRENCY.format(number=4567) + SPACES)
    return path


def test_a_ticker_with_spaces_is_served_by_every_call(start, master) -> None:
    sdk, ticker = start(symbols_file=master).sdk(), "NSE:NIFTY MID LIQ 15-INDEX"
    assert sdk.depth({"symbol": ticker, "ohlcv_flag": 1})["d"][ticker]["ltp"] > 0
    assert sdk.quotes({"symbols": ticker})["d"][0]["v"]["lp"] > 0


def test_prices_of_a_currency_lie_on_its_tick(start, master) -> None:
    server, ticker = start(symbols_file=master), "NSE:USDINR26DECFUT"
    row = server.sdk().depth({"symbol": ticker, "ohlcv_flag": 1})["d"][ticker]
    prices = [row[key] for key in ("ltp", "o", "h", "l", "c")] + [level["price"] for level in row["bids"] + row["ask"]]
    assert row["tick_Size"] == 0.0025
    assert all((price / 0.0025) == pytest.approx(round(price / 0.0025), abs=1e-6) for price in prices)
    assert any(round(price, 2) != price for price in prices) and 50 < row["ltp"] < 130
    assert row["lower_ckt"] < row["ltp"] < row["upper_ckt"]
    now = server.clock.wall_ns() // 10**9
    asked = {
        "symbol": ticker, "resolution": "5", "date_format": "0", "cont_flag": "1",
        "range_from": str(now - 3600), "range_to": str(now),
    }  # fmt: skip
    candles = server.sdk().history(asked)["candles"]
    assert candles and all(abs(candle[4] / row["ltp"] - 1) < 0.1 for candle in candles)
    with server.client() as client:
        details = client.get("https://public.fyers.in/sym_details/NSE_CD_sym_master.json").json()[ticker]
    assert details["tickSize"] == 0.0025 and 50 < details["previousClose"] < 130


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", ",more\n"), id="a column more"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param(lambda text: text.replace(",0.05,", ",0,"), id="no tick"),
        pytest.param(lambda text: text.replace(",0.05,", ",,"), id="an empty tick"),
    ],
)
def test_a_master_of_another_make_loads_whole(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = tmp_path / "NSE_CM.csv"
    path.write_text(change(SPACES), encoding="utf-8", newline="")

    [(ticker, found)] = load_instruments(path).items()

    assert (ticker, found.token, found.tick) == ("NSE:NIFTY MID LIQ 15-INDEX", "101000000026099", 5)


def test_a_byte_of_another_encoding_costs_no_row_and_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "NSE_CM.csv.gz"
    path.write_bytes(gzip.compress(SPACES.replace("MID LIQ 15,10", "MID LIQ \xe9,10").encode("latin-1")))
    assert list(load_instruments(path)) == ["NSE:NIFTY MID LIQ 15-INDEX"]

    path.write_bytes(path.read_bytes()[:30] + b"\xff" * 30)
    with pytest.raises(ConfigError, match="the symbol master cannot be read"):
        load_instruments(path)


def test_a_tick_that_no_exchange_has_is_refused_by_line(tmp_path) -> None:
    path = tmp_path / "NSE_CD.csv"
    path.write_text(SPACES + CURRENCY.format(number=4567).replace("0.0025", "0.00003"))
    with pytest.raises(ConfigError, match=r"line 2: .*tick size '0.00003'"):
        load_instruments(path)
