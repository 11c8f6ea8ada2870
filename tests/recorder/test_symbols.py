"""Symbols are looked up in the broker's symbol masters: offline in files, online in its own, whichever lists them."""

import json
from pathlib import Path

import pytest
from tests.recorder.fakes import make_config
from tests.recorder.masters import NSE_CM, NSE_FO, TODAY, download, row

from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.masters import KeptMasters, MasterFile
from harvester.brokers.fyers.symbols import read_row
from harvester.cli import run


@pytest.fixture
def kept(tmp_path: Path) -> KeptMasters:
    return KeptMasters(tmp_path / "masters")


def test_a_future_with_a_dash_is_found_in_the_derivatives_master(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    symbols = ["NSE:BAJAJ-AUTO26DECFUT", "NSE:M&M-EQ", "NSE:NIFTY26DECFUT"]

    found = download(trusted, kept, symbols, {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO})

    assert {symbol: listing.segment for symbol, listing in found.listings.items()} == {
        "NSE:BAJAJ-AUTO26DECFUT": "nse_fo",
        "NSE:M&M-EQ": "nse_cm",
        "NSE:NIFTY26DECFUT": "nse_fo",
    }
    assert (found.lost, found.remarks) == ({}, [])


def test_no_more_masters_are_asked_for_than_it_takes(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    download(trusted, kept, ["NSE:SBIN-EQ"], {"NSE_CM": NSE_CM, "NSE_FO": "<html>"})

    assert kept.of("NSE_FO") == []


def test_a_symbol_of_no_master_is_named_and_nothing_that_looks_like_it(
    trusted: tuple[Path, Path], kept: KeptMasters
) -> None:
    found = download(trusted, kept, ["NSE:SBIN-EQ", "NSE:SBI-EQ"], {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO})

    assert list(found.listings) == ["NSE:SBIN-EQ"]
    assert found.lost["NSE:SBI-EQ"].successor is None
    assert "SBIN" not in found.lost["NSE:SBI-EQ"].sentence
    assert "no successor is known" in found.lost["NSE:SBI-EQ"].sentence.lower()


def test_a_tick_finer_than_a_paisa_is_refused(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    fine = row("NSE:NEWPAIR26DECFUT", fy_token="101226122960099", tick="0.0025") + "\n"

    found = download(trusted, kept, ["NSE:NEWPAIR26DECFUT"], {"NSE_CM": NSE_CM, "NSE_CD": fine})

    assert found.listings == {}
    assert "finer than a paisa" in found.lost["NSE:NEWPAIR26DECFUT"].sentence


@pytest.mark.parametrize("files", [{}, {"NSE_CM": "<html>\n"}, {"NSE_CM": ""}, {"NSE_CM": "a,b,c\n"}])
def test_trouble_with_the_download_is_explained(
    trusted: tuple[Path, Path], kept: KeptMasters, files: dict[str, str]
) -> None:
    with pytest.raises(HarvesterError, match="symbol master"):
        download(trusted, kept, ["NSE:SBIN-EQ"], files)


def test_the_real_master_is_read_whole(recorded_data: Path) -> None:
    path = recorded_data / "fyers_symbol_master" / "NSE_CM_20250515.csv.gz"
    if not path.exists():
        pytest.skip("no symbol master beside this checkout")
    malformed: list[int] = []

    rows = {listing.ticker: listing for listing in MasterFile(TODAY, path).rows(malformed)}

    assert (len(rows), malformed) == (8052, [])
    assert rows["NSE:TATAMOTORS-EQ"].isin == "INE155A01022"
    assert {listing.segment for listing in rows.values()} == {"nse_cm"}


def test_a_quoted_comma_is_no_column() -> None:
    listing = read_row(row("NSE:X-EQ", name='"BANK, OF INDIA"'))

    assert listing and (listing.ticker, listing.name) == ("NSE:X-EQ", "BANK, OF INDIA")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config(tmp_path, symbols=["NSE:SBIN-EQ", "NSE:BAJAJ-AUTO26DECFUT"])))
    return path


def test_config_check_takes_a_master_of_each_segment(tmp_path: Path, config: Path) -> None:
    cash, derivatives = tmp_path / "NSE_CM.csv", tmp_path / "NSE_FO.csv"
    cash.write_text(NSE_CM)
    derivatives.write_text(NSE_FO)

    assert run(["config", "check", str(config), "--master", str(cash)]) == 2
    assert run(["config", "check", str(config), "--master", str(cash), "--master", str(derivatives)]) == 0


@pytest.mark.parametrize("content", [None, "<html>\n", "a,b,c\n"])
def test_another_kind_of_file_is_refused(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "NSE_CM.csv"
    if content:
        path.write_text(content)

    assert run(["config", "check", str(config), "--master", str(path)]) == 2
    assert "symbol master" in capsys.readouterr().err
