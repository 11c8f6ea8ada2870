"""A rule among the symbols counts as what it stands for: in shares of a fleet, limits of an account, sizes of disks."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recorder.fakes import make_config
from tests.recorder.masters import NSE_CM, NSE_FO

from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.cli import run as harvester
from harvester.config.file import load_settings
from harvester.config.rules import MOST_STOCKS, IndexList, SymbolRule
from runbook.aws.cost import read_configuration
from runbook.aws.trading_days import calendars_of
from runbook.fleet.account import account_refusal, account_shares
from runbook.fleet.shares import largest_share, share_of, size_of

OPTIONS = {"underlying": "NIFTY", "expiry": "nearest 2", "strikes": "atm +- 10"}
FUTURES = {"underlying": "NIFTY", "expiry": "nearest 2"}
STOCKS = {"stocks": "with derivatives"}
BANK = {"index": "NIFTY BANK"}
MEMBERS = {f"INE{number:03}A01020": f"S{number}-EQ" for number in range(14)}
LISTED = validate(IndexList, {"index": "NIFTY BANK", "date": "2026-11-20", "source": "a file", "members": MEMBERS})
APP = {"app_id": "ABCDE12345-100"}
HOSTS = ["h1", "h2", "h3"]
TICKERS = [f"NSE:S{number}-EQ" for number in range(100)]


@pytest.mark.parametrize(
    ("rule", "most"),
    [
        (FUTURES, 2), (OPTIONS, 84), ({"underlying": "SBIN"}, 1), ({"underlying": "SBIN", "strikes": "atm +- 0"}, 2),
        (STOCKS, MOST_STOCKS), (BANK, 14), ({"index": "NIFTY NEXT 50"}, 50), ({"index": "NIFTY MIDCAP 150"}, 150),
        ({"index": "NIFTY PHARMA"}, 50), ({"underlying": "nifty"}, 1),
    ],
)  # fmt: skip
def test_the_most_that_a_rule_can_stand_for(rule: dict[str, Any], most: int) -> None:
    assert size_of(rule, [LISTED]) == most


def test_a_rule_weighs_as_much_as_what_it_stands_for_in_the_shares_of_a_fleet() -> None:
    entries: list[Any] = [*TICKERS[:80], OPTIONS, FUTURES]

    shares = {host: share_of(entries, host, HOSTS[:2]) for host in HOSTS[:2]}

    assert sorted(sum(map(size_of, share)) for share in shares.values()) == [82, 84], "it was 41 and 125 before"
    assert largest_share(entries, HOSTS[:2], []) == 84
    assert largest_share(entries, HOSTS[:1], []) == largest_share(entries, [], []) == 166
    assert [share_of([OPTIONS, TICKERS[0]], host, HOSTS[:2]) for host in HOSTS[:2]] in (
        [[OPTIONS], TICKERS[:1]], [TICKERS[:1], [OPTIONS]],
    )  # fmt: skip
    assert [each.segment for each in calendars_of(TradingCalendar.load(), [FUTURES])] == ["nse_fo"]


@given(
    st.integers(1, 6),
    st.lists(st.integers(0, 30).map(lambda steps: {**OPTIONS, "strikes": f"atm +- {steps}"}), max_size=5,
             unique_by=lambda rule: rule["strikes"]),
    st.lists(st.sampled_from(TICKERS), unique=True, min_size=6, max_size=40),
)  # fmt: skip
def test_every_host_has_something_and_the_heaviest_has_no_more_than_it_must(
    count: int, rules: list[dict[str, str]], tickers: list[str]
) -> None:
    entries: list[Any] = [*tickers, *rules]
    fleet = [f"h{number}" for number in range(count)]

    shares = [share_of(entries, host, fleet) for host in fleet]

    assert all(shares)
    assert sorted(json.dumps(each) for share in shares for each in share) == sorted(map(json.dumps, entries))
    sizes, weights = list(map(size_of, entries)), [sum(map(size_of, share)) for share in shares]
    assert max(weights) - min(weights) <= max(sizes)


def settings_of(*symbols: Any, interval: float = 5.0, **more: Any) -> dict[str, Any]:
    return {"symbols": list(symbols), "broker": APP, "poll": {"interval_seconds": interval}} | more


def test_the_limits_of_an_account_count_what_rules_stand_for_and_say_how() -> None:
    fleet = {"h1": settings_of(*TICKERS[:3]), "h2": settings_of(OPTIONS)}

    refusal = account_refusal(fleet)

    assert "h1, h2 share the account" in refusal and "1131 requests in a minute" in refusal
    assert refusal.endswith(
        "No symbol master was looked at here, so rules count as what they can stand for: 84 for underlying: NIFTY,"
        " expiry: nearest 2, strikes: atm +- 10."
    )
    assert account_shares("h2", fleet) == {}


def test_shares_of_the_limits_follow_what_rules_stand_for() -> None:
    fleet = {"h1": settings_of(TICKERS[0]), "h2": settings_of(BANK, index_lists=[])}

    shares = {host: account_shares(host, fleet, [LISTED])["broker"]["requests_per_minute"] for host in fleet}

    assert account_refusal(fleet, [LISTED]) == ""
    assert shares == {"h1": 15, "h2": 184}
    assert "663 requests in a minute" in account_refusal(fleet), "without a list it counts as an index usually has"


def test_what_the_master_said_counts_where_it_is_at_hand(tmp_path: Path) -> None:
    keep(tmp_path, OPTIONS, TICKERS[:4])
    fleet = {host: settings_of(OPTIONS, data_dir=str(tmp_path)) for host in HOSTS}

    assert account_refusal(fleet) == ""
    keep(tmp_path, FUTURES, TICKERS[:4])
    assert "84 for underlying: NIFTY" in account_refusal(fleet), "of another rule nothing is known"


def test_days_of_other_segments_are_longer() -> None:
    """12 commodities every 6 s for 14 h 55 min are 107,400 requests; counted as shares they were 48,000."""
    plan = APP | {"requests_per_minute": 600}
    fleet = {
        host: settings_of(*(f"MCX:{name}{number}26DECFUT" for number in range(6)), interval=6.0, broker=plan)
        for host, name in {"h1": "GOLD", "h2": "SILVER"}.items()
    }

    assert "107400 requests on the longest trading day" in account_refusal(fleet)


def test_connections_of_the_50_level_socket_are_the_accounts() -> None:
    def depth(count: int) -> dict[str, Any]:
        return settings_of(TICKERS[0], feeds=["fyers-tbt"], tbt={"symbols": TICKERS[:count]})

    assert account_refusal({"h1": depth(5), "h2": depth(10)}) == ""
    refusal = account_refusal({"h1": depth(6), "h2": depth(10)})
    assert "need 4 connections of the 50-level socket, and the broker allows 3" in refusal
    assert "h1 2, h2 2" in refusal


def keep(folder: Path, rule: dict[str, str], symbols: list[str]) -> None:
    day = folder / "masters" / "2026-11-24"
    day.mkdir(parents=True, exist_ok=True)
    (day / "symbols.json").write_text(json.dumps({"rules": [{"rule": rule, "symbols": symbols}]}))


def check(folder: Path, *symbols: Any, **more: Any) -> list[str]:
    """The arguments of a check of a configuration with these symbols."""
    path = folder / "config.json"
    path.write_text(json.dumps(make_config(folder, data_dir=str(folder), symbols=list(symbols), **more)))
    return ["config", "check", str(path)]


def test_a_host_is_refused_before_its_deployment_by_what_its_rules_can_stand_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = {"poll": {"interval_seconds": 5.0}}
    assert harvester(check(tmp_path, TICKERS[0], OPTIONS, **every)) == 2
    said = capsys.readouterr().err
    assert "85 symbols every 5 s need up to 1105 requests in a minute" in said
    assert "84 for underlying: NIFTY, expiry: nearest 2, strikes: atm +- 10" in said

    assert harvester(check(tmp_path, TICKERS[0], FUTURES, **every)) == 0
    assert "valid; at most 3 symbols every 5 s" in capsys.readouterr().out

    keep(tmp_path, OPTIONS, TICKERS[:4])
    assert harvester(check(tmp_path, TICKERS[0], OPTIONS, **every)) == 0
    assert "valid; 4 symbols every 5 s" in capsys.readouterr().out


def test_a_host_with_sockets_alone_has_room_for_ten_thousand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sockets = {"feeds": ["fyers-hsm"]}
    assert harvester(check(tmp_path, OPTIONS, STOCKS, **sockets)) == 0
    many = {"underlying": "NIFTY", "expiry": "nearest 9", "strikes": "atm +- 300"}
    assert harvester(check(tmp_path, many, **sockets)) == 2
    assert "10818 symbols are more than the 10000 that a host records" in capsys.readouterr().err


def test_rules_are_counted_by_masters_that_are_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"NSE_CM": NSE_CM, "NSE_FO": NSE_FO}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    masters = [f"--master={tmp_path}/{name}.csv" for name in ("NSE_CM", "NSE_FO")]
    every = {"poll": {"interval_seconds": 5.0}}

    assert harvester([*check(tmp_path, STOCKS, **every), *masters]) == 0

    assert "valid; 1 symbols every 5 s" in capsys.readouterr().out


def test_other_rules_than_those_that_were_resolved_do_not_keep_their_symbols(tmp_path: Path) -> None:
    keep(tmp_path, OPTIONS, TICKERS)
    check(tmp_path, TICKERS[0], FUTURES, poll={"interval_seconds": 5.0})

    assert load_settings(tmp_path / "config.json").symbols == (TICKERS[0],), "100 symbols were refused before"


def test_disks_and_costs_are_sized_by_what_rules_stand_for() -> None:
    variables = {
        "aws_host_symbols": [*TICKERS[:2], OPTIONS, BANK], "aws_host_names": HOSTS[:2],
        "aws_host_instance_type": "t3.micro", "aws_host_system_gib": 12, "aws_host_kept_days": 30,
        "aws_host_megabytes_per_symbol_day": 20, "aws_host_elastic_ip": True, "aws_watch_save_hours": True,
        "aws_storage_cold_after_days": 30, "aws_functions_deployed": [], "broker_account": "XX00000",
        "aws_baseline_enabled": False,
        "aws_watch_host_log_days": 0,
    }  # fmt: skip

    found = read_configuration(variables, [LISTED])

    assert found.megabytes_a_day == 100 * 20
    assert found.volume_gib == 64, "12 GiB and 84 symbols x 30 days x 20 MB"


def test_more_resolved_symbols_than_a_host_records_are_refused(tmp_path: Path) -> None:
    keep(tmp_path, OPTIONS, [f"NSE:S{number}-EQ" for number in range(10_001)])
    check(tmp_path, OPTIONS, feeds=["fyers-hsm"])

    with pytest.raises(ConfigError, match="10001 symbols are more than the 10000"):
        load_settings(tmp_path / "config.json")
    assert validate(SymbolRule, OPTIONS).expiries == 2
