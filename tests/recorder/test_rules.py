"""Symbols as rules: the nearest contracts, strikes around the money, stocks that have derivatives."""

import json
import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from tests.recorder.fakes import make_config
from tests.recorder.masters import NSE_CM, NSE_FO, row, share

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.brokers.fyers.resolution import concerns, explain_absent, resolve_rule
from harvester.brokers.fyers.symbols import Listing, read_rows
from harvester.calendar import TradingCalendar
from harvester.config import rules
from harvester.config.file import load_settings
from harvester.config.rules import USUAL_MEMBERS, IndexList, SymbolRule, find_outdated
from harvester.lake.close import expect_day

NIFTY = "101000000026000"
NOW = 1_795_000_000 * NS_PER_SECOND
EXPIRIES = {"26DEC": 1_798_539_000, "27JAN": 1_800_958_200, "27FEB": 1_803_377_400, "26NOV": 1_790_000_000}


def contracts() -> list[str]:
    rows = []
    for number, (name, expiry) in enumerate(EXPIRIES.items()):
        more = {"isin": "", "expiry": str(expiry), "root": "NIFTY", "underlying": NIFTY}
        rows.append(row(f"NSE:NIFTY{name}FUT", fy_token=f"1011{number:06}70000", kind="11", **more))
        for strike in range(24_000, 26_050, 50):
            for option in ("CE", "PE"):
                token = f"1011{number:06}{strike}{'12'[option == 'PE']}"
                options = {"kind": "14", "strike": f"{strike}.0", "option": option}
                rows.append(row(f"NSE:NIFTY{name}{strike}{option}", fy_token=token, **more, **options))
    return rows


ROWS: list[Listing] = list(read_rows([*NSE_CM.splitlines(), *NSE_FO.splitlines(), *contracts()], []))


def resolve(price: str = "25049.35", **rule: Any) -> list[str]:
    return resolve_rule(validate(SymbolRule, rule), ROWS, {NIFTY: Decimal(price)}, NOW)


def test_the_nearest_futures_are_those_that_have_not_expired() -> None:
    names = [f"NSE:NIFTY{name}FUT" for name in ("26DEC", "27JAN")]

    found = resolve(underlying="NIFTY", expiry="nearest 2")

    assert found == names


def test_contracts_come_by_expiry_then_by_strike_however_they_are_spelt() -> None:
    rule = {"underlying": "NIFTY", "expiry": "nearest 2", "strikes": "atm +- 1"}
    found = resolve("25050", **rule)

    strikes = [f"{strike}{option}" for strike in (25_000, 25_050, 25_100) for option in ("CE", "PE")]
    assert found == [f"NSE:NIFTY{name}{strike}" for name in ("26DEC", "27JAN") for strike in strikes]
    more = {"kind": "14", "strike": "900.0", "option": "CE", "root": "X", "underlying": NIFTY, "isin": ""}
    rows = [row("NSE:X900CE", expiry="1798539000", **more), row("NSE:X1000CE", expiry="1798539000", **more)]
    rows[1] = rows[1].replace(",900.0,", ",1000.0,")
    listed = list(read_rows(rows[::-1], []))
    chosen = validate(SymbolRule, {"underlying": "X", "strikes": "atm +- 9"})
    assert resolve_rule(chosen, listed, {NIFTY: Decimal(1)}, NOW) == ["NSE:X900CE", "NSE:X1000CE"]


@pytest.mark.parametrize(
    ("tick", "is_too_fine"),
    [("0.05", False), ("0.01", False), ("1", False), ("0.0025", True), ("0.015", True), ("", False)],
)
def test_a_tick_is_too_fine_when_it_is_no_whole_number_of_paise(tick: str, is_too_fine: bool) -> None:
    (listing,) = read_rows([row("NSE:SBIN-EQ", tick=tick)], [])

    assert listing.is_too_fine == is_too_fine


@pytest.mark.parametrize(
    ("today", "has_expired"), [(date(2026, 12, 28), False), (date(2026, 12, 29), False), (date(2026, 12, 30), True)]
)
def test_a_contract_has_expired_on_the_day_after_its_last(today: date, has_expired: bool) -> None:
    (listing,) = read_rows([row("NSE:NIFTY26DECFUT", expiry="1798539000")], [])

    assert listing.has_expired(today) == has_expired


@pytest.mark.parametrize(
    ("price", "at"), [("25049.35", 25_050), ("25024.99", 25_000), ("99999", 26_000), ("1", 24_000)]
)
def test_strikes_lie_around_the_money_on_both_sides_and_within_the_listed_ones(price: str, at: int) -> None:
    found = resolve(price, underlying="NIFTY", expiry="nearest 1", strikes="atm +- 2")

    strikes = [strike for strike in range(at - 100, at + 150, 50) if 24_000 <= strike <= 26_000]
    assert found == [f"NSE:NIFTY26DEC{strike}{option}" for strike in strikes for option in ("CE", "PE")]


def test_two_expiries_of_ten_strikes_on_either_side() -> None:
    assert len(resolve(underlying="NIFTY", expiry="nearest 2", strikes="atm +- 10")) == 2 * 2 * 21


def test_stocks_with_derivatives_are_the_shares_that_futures_are_on() -> None:
    assert resolve(stocks="with derivatives") == ["NSE:BAJAJ-AUTO-EQ"]


def test_a_rule_that_nothing_meets_is_named() -> None:
    with pytest.raises(ConfigError, match="nothing is listed for the rule underlying: NIFTI, expiry: nearest 1"):
        resolve(underlying="NIFTI")


def test_without_a_price_there_is_no_money_to_be_at() -> None:
    with pytest.raises(ConfigError, match="last price of NIFTY"):
        resolve_rule(validate(SymbolRule, {"underlying": "NIFTY", "strikes": "atm +- 1"}), ROWS, {}, NOW)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"underlying": "NIFTY", "stocks": "with derivatives"},
        {"underlying": "NIFTY", "expiry": "next"},
        {"underlying": "NIFTY", "strikes": "10"},
        {"stocks": "with derivatives", "strikes": "atm +- 1"},
        {"index": "nifty 50"},
        {"index": "NIFTY 50", "stocks": "with derivatives"},
        {"index": "NIFTY 50", "strikes": "atm +- 1"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        validate(SymbolRule, rule)


MEMBERS = {"INE062A01020": "SBIN-EQ", "INE009A01021": "INFY-EQ", "INE999A01015": "GONE-EQ", "INE111A01017": "SPLIT-EQ"}
LIST = validate(
    IndexList, {"index": "NIFTY FEW", "date": "2026-11-20", "source": "https://a.b/c.csv", "members": MEMBERS}
)
SHARES = list(
    read_rows(
        [
            share("SBI", 3045, "INE062A01020"),
            share("INFY", 1595, "INE009A01021", "BE"),
            share("INFY", 1594, "INE009A01021"),
            share("SPLIT", 1700, "INE111A01025"),
            share("OTHER", 1800, "INE222A01018"),
        ],
        [],
    )
)


def test_members_of_an_index_are_found_by_isin_whatever_they_are_called_now() -> None:
    rule = validate(SymbolRule, {"index": "NIFTY FEW"})
    rows = [row for row in SHARES if concerns(rule, LIST, row)]

    assert resolve_rule(rule, rows, {}, NOW, LIST) == ["NSE:INFY-EQ", "NSE:SBI-EQ"]
    absent = explain_absent(rows, LIST)
    assert list(absent) == ["NSE:GONE-EQ", "NSE:SPLIT-EQ"], "a name alone finds nobody"
    assert "no share with its ISIN INE999A01015. ./inv index-update 'NIFTY FEW'" in absent["NSE:GONE-EQ"]
    assert "it has NSE:SPLIT-EQ with another, INE111A01025" in absent["NSE:SPLIT-EQ"]


def test_a_rule_of_an_index_without_a_list_is_refused_before_a_host_has_it(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"index": "NIFTY 50"})

    with pytest.raises(ConfigError, match=r"no list of the members of NIFTY 50 in index_lists\. \./inv index-update"):
        load_settings(path).refuse_unlisted()
    settings = load_settings(write_config(tmp_path, {"index": "NIFTY FEW"}, index_lists=[to_builtins(LIST)]))
    settings.refuse_unlisted()
    assert settings.index_lists == (LIST,)


CONTRACTS = {"underlying": "NIFTY", "expiry": "nearest 2"}


def write_config(tmp_path: Path, *symbols: object, **changes: Any) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config(tmp_path, symbols=list(symbols), data_dir=str(tmp_path), **changes)))
    return path


def keep_resolved(tmp_path: Path, *symbols: str, day: str = "2026-11-24") -> None:
    folder = tmp_path / "masters" / day
    folder.mkdir(parents=True, exist_ok=True)
    content = {"day": day, "rules": [{"rule": CONTRACTS, "symbols": symbols}]}
    (folder / "symbols.json").write_text(json.dumps(content))


def test_rules_stand_among_tickers_and_are_replaced_by_what_was_resolved(tmp_path: Path) -> None:
    path = write_config(tmp_path, "NSE:SBIN-EQ", CONTRACTS)
    assert load_settings(path).symbols == ("NSE:SBIN-EQ",)

    keep_resolved(tmp_path, "NSE:NIFTY26DECFUT", "NSE:SBIN-EQ")

    assert load_settings(path).symbols == ("NSE:SBIN-EQ", "NSE:NIFTY26DECFUT")
    assert [rule.expiries for rule in load_settings(path).rules] == [2]


def test_what_was_resolved_by_a_clock_that_was_ahead_counts_no_more_once_it_is_right(tmp_path: Path) -> None:
    """Otherwise the host records other contracts until that day comes, and starts anew each time it looks."""
    path = write_config(tmp_path, "NSE:SBIN-EQ", CONTRACTS)
    found = []
    for day, month in (("2026-11-23", "NOV"), ("2026-12-30", "JAN"), ("2026-11-24", "DEC"), ("2026-11-24", "FEB")):
        symbols = [f"NSE:NIFTY26{month}FUT"]
        rules.keep_resolved(tmp_path / "masters", rules.Resolved(day, [{"rule": CONTRACTS, "symbols": symbols}]))
        found.append(load_settings(path).symbols[1:] == tuple(symbols))

    assert found == [True] * 4
    kept = {each: rules.kept_symbols(tmp_path / "masters", f"2026-{each}") for each in ("11-23", "11-24", "12-30")}
    assert kept == {
        "11-23": ["NSE:NIFTY26NOVFUT"],
        "11-24": ["NSE:NIFTY26FEBFUT"],
        "12-30": ["NSE:NIFTY26FEBFUT"],
    }
    [aside] = (tmp_path / "masters").glob("*/symbols-ahead.json")
    assert "NSE:NIFTY26JANFUT" in aside.read_text("utf-8")


def test_rules_alone_are_enough_and_nothing_at_all_is_not(tmp_path: Path) -> None:
    assert load_settings(write_config(tmp_path, CONTRACTS)).symbols == ()
    with pytest.raises(ConfigError, match="a ticker or a rule"):
        load_settings(write_config(tmp_path))


def test_more_than_the_limits_allow_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_config(tmp_path, CONTRACTS)
    keep_resolved(tmp_path, *(f"NSE:S{number}-EQ" for number in range(100)))

    with pytest.raises(ConfigError, match=r"what the rules stand for is refused: .*100 symbols"):
        load_settings(path)


@pytest.mark.parametrize(
    ("index", "most"),
    [("NIFTY FEW", 4), ("NIFTY MIDCAP 150", 150), ("NIFTY50 BANK", USUAL_MEMBERS), ("NIFTY PHARMA", USUAL_MEMBERS)],
)
def test_an_index_has_the_members_of_its_list_else_the_number_in_its_name_else_the_usual(index: str, most: int) -> None:
    assert SymbolRule(index=index).at_most([LIST]) == most


def test_the_newest_file_that_is_kept_is_passed_over_when_it_goes_as_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up of symbols, another process, puts aside what was resolved by a clock that was ahead."""
    masters = tmp_path / "masters"
    assert rules.newest_kept(masters) is None
    for day in ("2026-11-23", "2026-11-24", "2026-12-30"):
        keep_resolved(tmp_path, "NSE:NIFTY26DECFUT", day=day)
    listed = [masters / day / "symbols.json" for day in ("2026-12-30", "2026-11-24", "2026-11-23")]
    os.utime(listed[1], ns=(7, 8 * NS_PER_SECOND))
    assert rules.newest_kept(masters) == (listed[0], listed[0].stat().st_mtime_ns)

    monkeypatch.setattr(rules, "_kept", lambda _: listed)  # it was listed, and goes before it is looked at
    listed[0].unlink()

    assert rules.newest_kept(masters) == (listed[1], 8 * NS_PER_SECOND)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"day": 1, "rules": 7}', '{"day": "d", "rules": [7]}'])
def test_a_damaged_resolution_counts_as_none(tmp_path: Path, content: str) -> None:
    path = write_config(tmp_path, "NSE:SBIN-EQ", CONTRACTS)
    keep_resolved(tmp_path)
    (tmp_path / "masters" / "2026-11-24" / "symbols.json").write_text(content)

    assert load_settings(path).symbols == ("NSE:SBIN-EQ",)


def test_the_close_expects_what_the_rules_stood_for_on_its_day(tmp_path: Path) -> None:
    keep_resolved(tmp_path, "NSE:NIFTY26NOVFUT", day="2026-11-23")
    keep_resolved(tmp_path, "NSE:NIFTY26DECFUT", day="2026-11-24")
    settings = load_settings(write_config(tmp_path, "NSE:SBIN-EQ", CONTRACTS))
    calendar = TradingCalendar.load()

    expected = {day: expect_day(settings, calendar, date(2026, 11, day)).symbols for day in (20, 23, 24, 25)}

    december = ("NSE:SBIN-EQ", "NSE:NIFTY26DECFUT")
    assert expected == {20: ("NSE:SBIN-EQ",), 23: ("NSE:SBIN-EQ", "NSE:NIFTY26NOVFUT"), 24: december, 25: december}


@pytest.mark.parametrize("month", range(1, 13))
def test_a_list_is_outdated_from_the_review_after_it_on_in_each_month_of_a_year(month: int) -> None:
    """NSE's reviews count from April and October: in the first months of a year the last one is of the year before."""
    review = date(2026, 4, 1) if 4 <= month < 10 else date(2026 if month >= 10 else 2025, 10, 1)
    member = {"INE062A01020": "SBIN-EQ"}
    lists = [
        IndexList(index=name, date=day, source="s", members=member)
        for name, day in {"A": review - timedelta(days=1), "B": review, "C": date(2020, 1, 1)}.items()
    ]
    rules = [SymbolRule(index=name) for name in "AB"]
    for today in (date(2026, month, 1), date(2026, month, 28)):
        assert find_outdated(rules, lists, today) == [lists[0]], "of C there is no rule"
        assert find_outdated([], lists, today) == []
