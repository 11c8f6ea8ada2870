"""Symbols are looked up in the broker's symbol masters: offline in files, online in its own, whichever lists them."""

import asyncio
import gzip
import json
import ssl
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from tests.recorder.broker import FakeBroker
from tests.recorder.fakes import make_config
from tests.recorder.masters import NSE_CM, NSE_FO, TODAY, download, lines, row

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from harvester.base.validation import validate
from harvester.brokers.fyers import master_download
from harvester.brokers.fyers.master_download import resolve_rules
from harvester.brokers.fyers.masters import KeptMasters, MasterFile
from harvester.brokers.fyers.symbols import Listing, read_row
from harvester.cli import run
from harvester.config.rules import IndexList, Resolved, SymbolRule


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


def test_a_row_of_the_master_has_each_of_its_columns() -> None:
    line = row("NSE:NIFTY26DEC25000CE", fy_token="101126122960001", expiry="1798539000", root="NIFTY", kind="14",
               strike="25000.0", option="CE", underlying="101000000026000")  # fmt: skip
    assert read_row(line) == Listing(
        "NSE:NIFTY26DEC25000CE", "101126122960001", "A COMPANY LIMITED", "14", 1, Decimal("0.05"), "INE062A01020",
        "0915-1530|1815-1915:", 1_798_539_000 * NS_PER_SECOND, "NIFTY", Decimal("25000.0"), "CE", "101000000026000",
    )  # fmt: skip
    assert [read_row(line + "," * more) is not None for more in (0, 9, 10)] == [True, True, False]
    assert read_row(line.rpartition(",")[0]) is None


def test_a_master_that_is_cut_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "NSE_CM.csv.gz"
    path.write_bytes(gzip.compress(NSE_CM.encode() * 50)[:-20])

    with pytest.raises(OSError, match=f"^{path}: the file is damaged .C"):
        list(MasterFile(TODAY, path).rows())
    assert MasterFile(TODAY, path).size() == 0


FEW = IndexList(
    index="NIFTY FEW",
    date=date(2026, 11, 20),
    source="s",
    members={"INE062A01020": "SBIN-EQ", "INE999A01015": "GONE-EQ"},
)
NIFTY = {"expiry": "1798539000", "root": "NIFTY", "underlying": "101000000026000", "isin": ""}
CHAIN = lines(
    *(
        row(f"NSE:NIFTY26DEC{strike}CE", fy_token=f"101126122{strike}1", kind="14", strike=strike, option="CE", **NIFTY)
        for strike in ("24900", "25000", "25100")
    )
)
CLOSES = {"A": ("101000000026000", 25_049.95), "B": ("2", 0), "C": ("3", None), "D": ("4", "9"), "E": ("5", -1)}
PRICES = json.dumps({name: {"fyToken": token, "previousClose": close} for name, (token, close) in CLOSES.items()})


def resolve(
    certificate: tuple[Path, Path], kept: KeptMasters, rules: list[dict[str, str]], *services: dict[str, str]
) -> list[Resolved | HarvesterError]:
    """What rules stand for, or why not, by a broker that has these files alone, at one time after the other."""
    found: list[Resolved | HarvesterError] = []

    async def play() -> None:
        broker = FakeBroker(certificate)

        async def serve(request: web.Request) -> web.Response:
            name = request.path.rpartition("/")[2]
            served = services[len(found)]
            return web.Response(text=served[name]) if name in served else web.Response(status=404)

        broker.extra_routes["/sym_details/{name}"] = serve
        known = [validate(SymbolRule, rule) for rule in rules]
        async with broker:
            for _ in services:
                try:
                    resolved, remarks = await resolve_rules(known, [FEW], broker.url, kept, midnight_ns(TODAY))
                except HarvesterError as error:
                    found.append(error)
                else:
                    assert remarks == []
                    found.append(resolved)

    asyncio.run(play())
    return found


def test_rules_are_resolved_by_masters_last_closes_and_of_an_index_by_its_list(
    trusted: tuple[Path, Path], kept: KeptMasters
) -> None:
    served = {"NSE_CM.csv": NSE_CM, "NSE_FO.csv": NSE_FO + CHAIN, "NSE_CM_sym_master.json": PRICES}
    rules = [{"underlying": "NIFTY"}, {"index": "NIFTY FEW"}, {"underlying": "NIFTY", "strikes": "atm +- 0"}]

    [resolved] = resolve(trusted, kept, rules, served)

    assert isinstance(resolved, Resolved) and resolved.day == "2026-11-24"
    future, index, option = resolved.rules
    assert (future["symbols"], option["symbols"]) == (["NSE:NIFTY26DECFUT"], ["NSE:NIFTY26DEC25000CE"])
    assert [each["rule"]["underlying"] for each in (future, option)] == ["NIFTY", "NIFTY"] and "date" not in future
    assert (index["symbols"], index["date"], list(index["absent"])) == (
        ["NSE:SBIN-EQ"], "2026-11-20", ["NSE:GONE-EQ"]
    )  # fmt: skip


def test_the_masters_are_fetched_by_the_certificates_of_the_host_and_no_bundle_of_a_library(
    trusted: tuple[Path, Path], kept: KeptMasters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE counts for httpx's own bundle, too: without it the two differ, as they do on a host."""
    monkeypatch.delenv("SSL_CERT_FILE")
    host = ssl.create_default_context(cafile=str(trusted[0]))
    monkeypatch.setattr(master_download, "ssl", SimpleNamespace(create_default_context=lambda: host))
    files = {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO}

    assert [*download(trusted, kept, ["NSE:SBIN-EQ"], files).listings] == ["NSE:SBIN-EQ"]
    [resolved] = resolve(trusted, kept, [{"index": "NIFTY FEW"}], {f"{name}.csv": files[name] for name in files})
    assert isinstance(resolved, Resolved), resolved


def test_rules_wait_where_a_file_that_they_need_is_not_there_or_another_one(
    trusted: tuple[Path, Path], kept: KeptMasters
) -> None:
    masters = {"NSE_CM.csv": NSE_CM, "NSE_FO.csv": CHAIN}
    odd = [masters | {"NSE_CM_sym_master.json": text} for text in ("", "[]", '{"A": 7}', '{"A": {}}')]

    said = resolve(
        trusted, kept, [{"underlying": "NIFTY", "strikes": "atm +- 0"}], {"NSE_CM.csv": NSE_CM}, masters, *odd
    )

    absent = ": the symbol master could not be downloaded (not found)."
    assert [str(each).rpartition("/")[2] for each in said] == [
        f"NSE_FO.csv{absent}",
        f"NSE_CM_sym_master.json{absent}",
        *["NSE_CM_sym_master.json: not the broker's symbol master in JSON. It is tried again later."] * 4,
    ]


@pytest.mark.parametrize("text", ['{"NSE:NIFTY50-INDEX": "Nifty 50", "NSE:X-INDEX": 7}', "[]"])
def test_an_index_has_its_name_on_the_socket_by_the_brokers_own_list(
    trusted: tuple[Path, Path], kept: KeptMasters, text: str
) -> None:
    name = "NSE:NIFTY50-INDEX"
    files = {"NSE_CM": NSE_CM + lines(row(name, fy_token="101000000026000", kind="10")), "index_hsm_mapping.json": text}
    if "{" in text:
        assert download(trusted, kept, [name], files).index_names == {name: "Nifty 50"}
        return
    with pytest.raises(HarvesterError, match=r"^index_hsm_mapping\.json: not a list of index names\. Try again later"):
        download(trusted, kept, [name], files)
