"""Companies are renamed, move to another series, are delisted; masters come with a broken row, cut or empty."""

import itertools
import shutil
from datetime import date
from pathlib import Path

import pytest
from tests.recorder.masters import NSE_CM, NSE_FO, SHARES, TODAY, download, lines, row, share

from harvester.brokers.fyers.found import FoundSymbols
from harvester.brokers.fyers.masters import DAYS, KeptMasters
from harvester.brokers.fyers.successors import find_successor
from harvester.brokers.fyers.symbols import read_row

YESTERDAY = date(2026, 11, 23)
OLD = "NSE:TATAMOTORS-EQ"


def without(name: str, *added: str) -> str:
    """Today's cash master: the company has gone, and these rows are new."""
    return lines(*(share(each, *what) for each, what in SHARES.items() if each != name), *added)


@pytest.fixture(scope="module")
def of_yesterday(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Path:
    """The masters that a look-up of yesterday kept. Not to be changed."""
    kept = KeptMasters(tmp_path_factory.mktemp("yesterday") / "masters")
    symbols = [OLD, "NSE:BAJAJ-AUTO26DECFUT"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate[0]))
        found = download(certificate, kept, symbols, {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO}, YESTERDAY)
    assert found.lost == {}
    return kept.directory


@pytest.fixture
def kept(tmp_path: Path, of_yesterday: Path) -> KeptMasters:
    """A copy of them."""
    return KeptMasters(Path(shutil.copytree(of_yesterday, tmp_path / "masters")))


def look(trusted: tuple[Path, Path], kept: KeptMasters, symbol: str, cash: str, futures: str = NSE_FO) -> FoundSymbols:
    return download(trusted, kept, [symbol], {"NSE_CM": cash, "NSE_FO": futures})


@pytest.mark.parametrize(
    ("successor", "words"),
    [
        (share("TMPV", 3456, "INE155A01022"), ["renamed", "fyToken 10100000003456", "ISIN INE155A01022"]),
        (share("TMPV", 3456, "INE155A01030"), ["renamed", "fyToken 10100000003456"]),
        (share("TMPV", 9999, "INE155A01022"), ["renamed", "ISIN INE155A01022"]),
        (share("TATAMOTORS", 9999, "INE155A01022", "BE"), ["moved from series EQ to BE", "ISIN INE155A01022"]),
    ],
)
def test_a_symbol_is_followed_by_its_identifiers(
    trusted: tuple[Path, Path], kept: KeptMasters, successor: str, words: list[str]
) -> None:
    lost = look(trusted, kept, OLD, without("TATAMOTORS", successor)).lost[OLD]

    assert lost.successor == successor.split(",")[9]
    assert all(word in lost.sentence for word in [*words, "2026-11-23", "2026-11-24"])


def test_a_company_whose_name_is_alike_is_never_suggested(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    alike = [share(name, 7000 + number, f"INE00{number}Z01010") for number, name in enumerate(("TATAMOTOR", "MOTORS"))]

    lost = look(trusted, kept, OLD, without("TATAMOTORS", *alike)).lost[OLD]

    assert lost.successor is None
    assert "no successor" in lost.sentence
    assert not any(name in lost.sentence for name in ("TVSMOTOR", "NSE:TATAMOTOR-EQ", "NSE:MOTORS-EQ"))


def test_a_number_that_another_company_got_is_no_successor(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    other = share("OTHER", 3456, "INE999X01010")

    assert look(trusted, kept, OLD, without("TATAMOTORS", other)).lost[OLD].successor is None


@pytest.mark.parametrize(
    ("isin", "became"),
    [("INE155A01022", "that one is NSE:TMPV-EQ (TMPV LIMITED) now"), ("INE777X01010", "that one is not listed now")],
)
def test_a_ticker_that_another_company_got_is_told(
    trusted: tuple[Path, Path], kept: KeptMasters, isin: str, became: str
) -> None:
    cash = without("TATAMOTORS", share("TMPV", 3456, isin), share("TATAMOTORS", 8888, "INE999X01010"))

    found = look(trusted, kept, OLD, cash)

    assert list(found.listings) == [OLD]
    [remark] = found.remarks
    assert "is another company's since 2026-11-23: its ISIN is INE999X01010" in remark
    assert became in remark


def test_a_split_changes_the_end_of_an_isin_and_no_company(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    found = look(trusted, kept, OLD, without("TATAMOTORS", share("TATAMOTORS", 3456, "INE155A01030")))

    assert (list(found.listings), found.remarks) == ([OLD], [])


@pytest.mark.parametrize(
    ("isin", "successors"),
    [
        ("INE155A01022", {("3456", "INE155A01022"), ("3456", "INE155A01030"), ("9999", "INE155A01022")}),
        ("", {("3456", "")}),
    ],
)
def test_what_is_a_successor_by_ticker_exchange_number_and_isin(isin: str, successors: set[tuple[str, str]]) -> None:
    """All rows that agree with it in some of these: one of another exchange is none, whatever else agrees."""
    old = read_row(row(OLD, fy_token="10100000003456", isin=isin))
    assert old
    isins = ("INE155A01022", "INE155A01030", "INE999X01010", "")
    found = set()
    for ticker, number, now in itertools.product((OLD, "NSE:TMPV-EQ", "BSE:TMPV-A"), ("3456", "9999"), isins):
        listing = read_row(row(ticker, fy_token=f"1010000000{number}", isin=now))
        assert listing
        if find_successor(old, [listing]) == listing:
            found.add((ticker, number, now))

    assert found == {("NSE:TMPV-EQ", *each) for each in successors}


def test_of_several_series_the_one_that_trades_in_full_is_the_successor(
    trusted: tuple[Path, Path], kept: KeptMasters
) -> None:
    rows = [share("TMPV", 9000 + number, "INE155A01022", series) for number, series in enumerate(("BL", "BE", "EQ"))]

    assert look(trusted, kept, OLD, without("TATAMOTORS", *rows)).lost[OLD].successor == "NSE:TMPV-EQ"


def test_an_expired_contract_says_so(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    symbol = "NSE:BAJAJ-AUTO26DECFUT"
    files = {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO.replace("26DEC", "27JAN")}

    lost = download(trusted, kept, [symbol], files, date(2026, 12, 30)).lost[symbol]

    assert "expired on 2026-12-29" in lost.sentence
    assert lost.successor is None


def test_a_future_of_a_renamed_company_is_followed_by_its_number(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    symbol = "NSE:BAJAJ-AUTO26DECFUT"

    lost = look(trusted, kept, symbol, NSE_CM, NSE_FO.replace("BAJAJ-AUTO26DEC", "BAJAJ26DEC")).lost[symbol]

    assert lost.successor == "NSE:BAJAJ26DECFUT"


def test_the_real_rename(tmp_path: Path, trusted: tuple[Path, Path], recorded_data: Path) -> None:
    old = recorded_data / "fyers_symbol_master" / "NSE_CM_20250515.csv.gz"
    new = recorded_data.parent / "cases" / "NSE_CM_rows.csv"
    if not old.exists() or not new.exists():
        pytest.skip("no symbol master or no cases beside this checkout")
    kept = KeptMasters(tmp_path / "masters")
    kept.keep("NSE_CM", date(2025, 5, 15), old)
    filler = "".join(share(f"X{number}", 100_000 + number, f"INE{number:06}010") + "\n" for number in range(5000))

    found = download(trusted, kept, [OLD], {"NSE_CM": new.read_text().strip() + "\n" + filler}, date(2025, 11, 10))

    assert found.lost[OLD].successor == "NSE:TMPV-EQ"


@pytest.mark.parametrize(
    "changed", [("0.05", "1e30"), ("1798539000", "1e18"), ("1798539000", "-1e11"), ("-1.0", "1e99")]
)
def test_a_number_that_is_none_of_its_kind_stops_no_look_up(
    trusted: tuple[Path, Path], kept: KeptMasters, changed: tuple[str, str]
) -> None:
    symbol = "NSE:BAJAJ-AUTO26DECFUT"
    odd = NSE_FO.replace(*changed)
    assert odd != NSE_FO

    found = download(trusted, kept, [symbol, OLD], {"NSE_CM": NSE_CM, "NSE_FO": odd}, YESTERDAY)
    later = look(
        trusted, kept, symbol, NSE_CM, NSE_FO.replace("BAJAJ-AUTO26DEC", "OTHER26DEC").replace("60001", "60009")
    )

    assert list(found.listings) == [symbol, OLD]
    assert (
        "its fyToken 101126122960001 is not listed now" in later.lost[symbol].sentence
        or "expire" in later.lost[symbol].sentence
    )


@pytest.mark.parametrize(
    "master",
    ["\ufeff" + NSE_CM, NSE_CM.replace("\n", ",new\n"), NSE_CM.replace("\n", "\r\n"), NSE_CM + "\n\n", NSE_CM[:-1]],
    ids=["byte order mark", "a column more", "carriage returns", "empty lines", "no last line end"],
)
def test_a_master_of_another_make_is_whole(trusted: tuple[Path, Path], kept: KeptMasters, master: str) -> None:
    found = download(trusted, kept, [f"NSE:{name}-EQ" for name in SHARES], {"NSE_CM": master})

    assert (len(found.listings), found.lost, found.remarks) == (len(SHARES), {}, [])


@pytest.mark.parametrize(
    "bad", ["1,2,3", "<html>", '"unclosed', "x" * 200_000, "\0\0", "," * 20, NSE_CM[:-1].replace("\n", "")]
)
def test_a_malformed_row_loses_that_row_alone(trusted: tuple[Path, Path], kept: KeptMasters, bad: str) -> None:
    rows = NSE_CM.splitlines()
    cash = lines(*rows[:3], bad, *rows[3:])

    found = download(trusted, kept, [OLD, "NSE:M&M-EQ"], {"NSE_CM": cash})

    assert sorted(found.listings) == ["NSE:M&M-EQ", OLD]
    [remark] = found.remarks
    assert "NSE_CM.csv: 1 of its rows" in remark
    assert "line 4" in remark


@pytest.mark.parametrize("cash", ["", "<html>\n", lines(*NSE_CM.splitlines()[:3])])
def test_an_empty_master_or_half_of_one_leaves_yesterdays_in_use(
    trusted: tuple[Path, Path], kept: KeptMasters, cash: str
) -> None:
    found = download(trusted, kept, list(f"NSE:{name}-EQ" for name in SHARES), {"NSE_CM": cash})

    assert found.lost == {}
    [remark] = found.remarks
    assert "2026-11-23" in remark and "had 6" in remark
    assert [master.day for master in kept.of("NSE_CM")] == [YESTERDAY]


def test_a_master_that_shrinks_a_little_is_taken(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    found = look(trusted, kept, "NSE:SBIN-EQ", lines(*NSE_CM.splitlines()[:4]))

    assert found.remarks == []
    assert [master.day for master in kept.of("NSE_CM")] == [TODAY, YESTERDAY]


def test_the_masters_of_the_last_days_are_kept(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    for number in range(1, 28):
        for month in (8, 9, 10):
            (kept.directory / f"2026-{month:02}-{number:02}").mkdir()

    look(trusted, kept, "NSE:SBIN-EQ", NSE_CM)

    assert len(list(kept.directory.iterdir())) == DAYS
    assert kept.of("NSE_CM")[0].day == TODAY


def test_a_damaged_kept_master_stops_nothing(trusted: tuple[Path, Path], kept: KeptMasters) -> None:
    (kept.directory / "2026-11-23" / "NSE_CM.csv.gz").write_bytes(b"\x1f\x8bdamaged")

    found = look(trusted, kept, OLD, without("TATAMOTORS"))

    assert found.lost[OLD].successor is None
