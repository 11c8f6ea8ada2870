"""The symbol master: a ticker that is not in it is named, with the ones that look like it."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from tests.recorder.broker import FakeBroker
from tests.recorder.fakes import make_config

from harvester.base.errors import ConfigError, HarvesterError
from harvester.brokers.fyers.symbols import check_symbols, download_symbols, find_unknown, master_file, read_tokens
from harvester.cli import run


def row(ticker: str, description: str = "STATE BANK OF INDIA") -> str:
    cells = ["10100000003045", description, "0", "1", "0.05", "INE062A01020", "0915-1530|1815-1915:", "2026-08-04", ""]
    return ",".join(
        [*cells, ticker, "10", "10", "3045", "SBIN", "3045", "-1.0", "XX", "10100000003045", "None", "1", "0"]
    )


MASTER = "\n".join(row(f"NSE:{name}-EQ") for name in ("SBIN", "INFY", "TMPV", "ETERNAL", "M&M")) + "\n"


@pytest.fixture
def master(tmp_path: Path) -> Path:
    path = tmp_path / "NSE_CM.csv"
    path.write_text(MASTER)
    return path


def test_known_symbols_pass(master: Path) -> None:
    check_symbols(["NSE:SBIN-EQ", "NSE:M&M-EQ"], master)


def test_an_unknown_symbol_is_named_with_near_matches(master: Path) -> None:
    with pytest.raises(ConfigError, match=r"NSE:SBI-EQ is not in the broker's symbol master; near: NSE:SBIN-EQ"):
        check_symbols(["NSE:INFY-EQ", "NSE:SBI-EQ"], master)


def test_a_quoted_comma_is_no_column(master: Path) -> None:
    assert [ticker for ticker, _ in read_tokens([row("NSE:X-EQ", '"BANK, OF INDIA"')], "test")] == ["NSE:X-EQ"]


@pytest.mark.parametrize("content", ["<html>\n", "a,b,c\n", row("NSE:SBIN-EQ") + ",extra\n"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "NSE_CM.csv"
    path.write_text(content)

    with pytest.raises(HarvesterError, match="not the broker's symbol master"):
        check_symbols(["NSE:SBIN-EQ"], path)


def test_a_missing_master_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_symbols(["NSE:SBIN-EQ"], tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("NSE:SBIN-EQ", "NSE_CM.csv"),
        ("NSE:NIFTY50-INDEX", "NSE_CM.csv"),
        ("NSE:NIFTY26NOVFUT", "NSE_FO.csv"),
        ("BSE:SBIN-A", "BSE_CM.csv"),
        ("MCX:GOLD26DECFUT", "MCX_COM.csv"),
    ],
)
def test_each_symbol_is_looked_up_in_its_own_master(symbol: str, file: str) -> None:
    assert master_file(symbol) == file


def test_the_real_master_lists_the_five_stocks(recorded_data: Path) -> None:
    path = recorded_data / "fyers_symbol_master" / "NSE_CM_20250515_five.csv"
    if not path.exists():
        pytest.skip("no symbol master beside this checkout")
    tickers = [ticker for ticker, _ in read_tokens(path.open(encoding="utf-8"), str(path))]

    five = [f"NSE:{name}-EQ" for name in ("HDFCBANK", "RELIANCE", "ADANIENT", "INFY", "SBIN")]
    assert find_unknown(five, tickers) == {}


def download(certificate: tuple[Path, Path], content: str, status: int = 200) -> dict[str, list[str]]:
    async def play() -> dict[str, list[str]]:
        app_broker = FakeBroker(certificate)

        async def serve(_: web.Request) -> web.Response:
            return web.Response(text=content, status=status)

        app_broker.extra_routes["/sym_details/NSE_CM.csv"] = serve
        async with app_broker as broker:
            return (await download_symbols(["NSE:SBIN-EQ", "NSE:TATAMOTORS-EQ"], broker.url)).unknown

    return asyncio.run(play())


def test_the_brokers_own_master_is_asked(trusted: tuple[Path, Path]) -> None:
    assert list(download(trusted, MASTER)) == ["NSE:TATAMOTORS-EQ"]


@pytest.mark.parametrize(("content", "status"), [("oops", 500), ("<html>", 200)])
def test_trouble_with_the_download_is_explained(trusted: tuple[Path, Path], content: str, status: int) -> None:
    with pytest.raises(HarvesterError, match="symbol master"):
        download(trusted, content, status)


def test_config_check_uses_a_master_when_given(
    tmp_path: Path, master: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path, symbols=["NSE:SBI-EQ"])))

    assert run(["config", "check", str(config)]) == 0
    assert run(["config", "check", str(config), "--master", str(master)]) == 2
    assert "near: NSE:SBIN-EQ" in capsys.readouterr().err
