"""Tickers as real masters have them are accepted; a contract whose price the lake cannot hold is refused at once."""

import csv
import gzip
from pathlib import Path

import pytest
from tests.recorder.fakes import make_config, make_settings

from harvester.base.validation import Refused, validate
from harvester.config.settings import Settings
from runbook.aws.questions import check_symbols


@pytest.mark.parametrize(
    "ticker",
    [
        "NSE:BAJAJ-AUTO26DECFUT",
        "NSE:M&M-EQ",
        "NSE:ARE&M-EQ",
        "NSE:3MINDIA-EQ",
        "NSE:NIFTY100 EQL WGT-INDEX",
        "NSE:NIFTY2632423050PE",
        "BSE:SBIN-A",
        "MCX:GOLD26DECFUT",
    ],
)
def test_a_ticker_is_accepted_with_every_character_that_masters_have(tmp_path: Path, ticker: str) -> None:
    assert make_settings(tmp_path, symbols=[ticker]).symbols == (ticker,)
    check_symbols(ticker, {})


def test_every_ticker_of_the_real_master_is_accepted(tmp_path: Path, recorded_data: Path) -> None:
    path = recorded_data / "fyers_symbol_master" / "NSE_CM_20250515.csv.gz"
    if not path.exists():
        pytest.skip("no symbol master beside this checkout")
    with gzip.open(path, "rt") as file:
        tickers = [row[9] for row in csv.reader(file)]

    hsm = {"symbols": tickers, "index_symbols": []}
    settings = make_settings(tmp_path, feeds=["fyers-hsm"], hsm=hsm)
    assert settings.hsm.symbols == tuple(tickers)


@pytest.mark.parametrize(
    "ticker", ["NSE: SBIN-EQ", "NSE:SBIN-EQ ", "NSE:A  X-INDEX", "NSE:SBIN EQ", "NSE:sbin-eq", "NSE:../X", "SBIN"]
)
def test_what_is_no_ticker_is_refused(tmp_path: Path, ticker: str) -> None:
    with pytest.raises(Refused):
        make_settings(tmp_path, symbols=[ticker])


@pytest.mark.parametrize("key", ["symbols", "hsm"])
@pytest.mark.parametrize("ticker", ["NSE:USDINR26DECFUT", "NSE:EURINR26DEC95CE", "BSE:JPYINR26DECFUT"])
def test_a_currency_contract_is_refused_in_a_sentence(tmp_path: Path, ticker: str, key: str) -> None:
    config = make_config(tmp_path, feeds=["fyers-rest", "fyers-hsm"])
    config |= {"symbols": [ticker]} if key == "symbols" else {"hsm": {"symbols": [ticker]}}

    with pytest.raises(Refused, match=f"{ticker}: .*finer than a paisa.* The calendar has hours"):
        validate(Settings, config)
