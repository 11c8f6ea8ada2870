"""What a fleet shares: its symbols, evenly and by a stable rule, and the account's limits, which are the fleet's."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.config.settings import Settings
from runbook.fleet.account import account_refusal, account_shares
from runbook.fleet.shares import share_of

SYMBOLS = [f"NSE:S{number:04d}-EQ" for number in range(2000)]


def owners(symbols: list[str], fleet: list[str]) -> dict[str, str]:
    return {symbol: host for host in fleet for symbol in share_of(symbols, host, fleet)}


def names(count: int) -> list[str]:
    return [f"alpha-harvester-production-{number}" for number in range(1, count + 1)]


@given(st.integers(1, 12), st.lists(st.sampled_from(SYMBOLS), unique=True, min_size=12, max_size=60))
def test_each_symbol_falls_to_one_host_and_no_host_has_two_more_than_another(count: int, symbols: list[str]) -> None:
    fleet = names(count)

    shares = [share_of(symbols, host, fleet) for host in fleet]

    assert sorted(symbol for share in shares for symbol in share) == sorted(symbols)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(share == [symbol for symbol in symbols if symbol in share] for share in shares)


@given(st.integers(1, 11), st.lists(st.sampled_from(SYMBOLS), unique=True, min_size=12, max_size=60))
def test_a_new_host_takes_its_share_and_nothing_moves_between_the_others(count: int, symbols: list[str]) -> None:
    before, after = owners(symbols, names(count)), owners(symbols, names(count + 1))

    moved = {after[symbol] for symbol in symbols if before[symbol] != after[symbol]}
    assert moved == {names(count + 1)[-1]}


def test_a_fifth_host_takes_a_fifth_of_two_thousand_symbols(figure: Callable[..., None]) -> None:
    before, after = owners(SYMBOLS, names(4)), owners(SYMBOLS, names(5))

    moved = sum(before[symbol] != after[symbol] for symbol in SYMBOLS)
    figure("symbols_moved_share", round(moved / len(SYMBOLS), 3), bound="<= 0.2", unit="of all", gate=True)


def test_two_symbols_on_two_hosts_are_one_each() -> None:
    pairs = [list(pair) for pair in pairwise(SYMBOLS)]

    assert all(len(share_of(pair, host, names(2))) == 1 for pair in pairs for host in names(2))


def test_one_more_symbol_moves_few_others(figure: Callable[..., None]) -> None:
    fleet, moves = names(4), []
    for count in range(50, 150):
        before, after = owners(SYMBOLS[:count], fleet), owners(SYMBOLS[: count + 1], fleet)
        moves.append(sum(before[symbol] != after[symbol] for symbol in before))

    figure("symbols_moved_by_one_more", max(moves), bound="<= 8", unit="of 50 to 150", gate=True)


def test_the_deal_is_the_same_in_every_version() -> None:
    """Another rule would move symbols between the hosts of every fleet with its next deployment."""
    dealt = owners(SYMBOLS[:40], names(5))

    assert "".join(dealt[symbol][-1] for symbol in SYMBOLS[:40]) == "2321424425335524531252144545241351113133"


def test_more_hosts_than_symbols_are_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"3 hosts and 2 symbols.*harvester_count"):
        share_of(SYMBOLS[:2], names(3)[0], names(3))


def test_a_host_outside_the_fleet_records_everything() -> None:
    assert share_of(SYMBOLS, "elsewhere", names(3)) == SYMBOLS
    assert share_of(SYMBOLS, "elsewhere", []) == SYMBOLS


def test_a_rule_falls_to_the_same_host_however_its_keys_are_ordered() -> None:
    rules: list[dict[str, Any]] = [
        {"underlying": name, "kind": "futures"} for name in ("NIFTY", "BANKNIFTY", "FINNIFTY")
    ]
    turned: list[dict[str, Any]] = [dict(reversed(rule.items())) for rule in rules]
    fleet = ["h1", "h2", "h3"]

    assert [share_of(rules, host, fleet) for host in fleet] == [share_of(turned, host, fleet) for host in fleet]


def test_connections_of_the_50_level_socket_are_the_accounts() -> None:
    own = {"feeds": ["fyers-tbt"], "tbt": {"symbols": SYMBOLS[:5]}}
    refusal = account_refusal(fleet_of(5, 5, 5, 5, **own))

    assert refusal == (
        "h1, h2, h3, h4 share the account of ABCDE12345-100 at the broker and need 4 connections of the 50-level"
        " socket, and the broker allows 3 of the account, with 5 symbols each (h1 1, h2 1, h3 1, h4 1). Shorten"
        " tbt.symbols, or take fyers-tbt out of feeds."
    )
    assert account_refusal(fleet_of(5, 5, 5, **own)) == ""


KEYS = ("requests_per_second", "requests_per_minute", "requests_per_day")


def settings_of(symbols: int, *, interval: float = 5.0, app: str = "ABCDE12345-100", **changes: Any) -> dict[str, Any]:
    own = {"symbols": SYMBOLS[:symbols], "broker": {"app_id": app}, "poll": {"interval_seconds": interval}}
    return own | changes


def fleet_of(*symbols: int, **changes: Any) -> dict[str, dict[str, Any]]:
    return {f"h{number}": settings_of(count, **changes) for number, count in enumerate(symbols, start=1)}


def test_forty_symbols_on_three_hosts_are_refused_with_the_sum() -> None:
    refusal = account_refusal(fleet_of(14, 13, 13))

    assert "h1, h2, h3" in refusal
    assert "520 requests in a minute" in refusal and "200" in refusal
    assert "shortest possible interval" in refusal


@pytest.mark.parametrize("fleet", [fleet_of(5, 5, 5), fleet_of(13, 1, 1), fleet_of(5, 10), fleet_of(1, 1, 1, 1, 1, 1)])
def test_shares_add_up_to_no_more_than_the_account_has_and_suffice_each_host(fleet: dict[str, dict[str, Any]]) -> None:
    assert account_refusal(fleet) == ""
    shares = {host: account_shares(host, fleet)["broker"] for host in fleet}

    for key, limit in {"requests_per_second": 10, "requests_per_minute": 200, "requests_per_day": 100_000}.items():
        assert sum(share[key] for share in shares.values()) <= limit
    for host, settings in fleet.items():
        validate(Settings, settings | {"broker": settings["broker"] | shares[host]})


def test_a_host_alone_has_the_whole_account() -> None:
    assert account_shares("h1", fleet_of(15)) == {}
    assert account_refusal(fleet_of(15)) == ""


def test_hosts_of_other_accounts_share_nothing() -> None:
    fleet = {"h1": settings_of(15), "h2": settings_of(15, app="OTHER12345-100")}

    assert account_refusal(fleet) == ""
    assert account_shares("h1", fleet) == {}


def test_a_host_with_sockets_alone_needs_little_and_gets_something() -> None:
    fleet = fleet_of(14) | {"h2": settings_of(2000, feeds=["fyers-hsm"])}

    share = account_shares("h2", fleet)["broker"]

    assert account_refusal(fleet) == ""
    assert 1 <= share["requests_per_minute"] <= 200 - 14 * 13


def test_a_plan_that_allows_more_is_shared_too() -> None:
    plan = {"app_id": "ABCDE12345-100", "requests_per_minute": 600, "requests_per_day": 200_000}
    fleet = fleet_of(14, 13, 13, interval=6.0, broker=plan)

    assert account_refusal(fleet) == ""
    assert sum(account_shares(host, fleet)["broker"]["requests_per_minute"] for host in fleet) <= 600


def test_of_hosts_that_state_other_limits_the_lowest_counts() -> None:
    stated = {"h1": (10, 600, 200_000), "h2": (9, 200, 300_000), "h3": (20, 500, 100_000)}
    fleet = {
        host: settings_of(5) | {"broker": {"app_id": "ABCDE12345-100"} | dict(zip(KEYS, limits, strict=True))}
        for host, limits in stated.items()
    }

    shares = [account_shares(host, fleet)["broker"] for host in fleet]

    for key, lowest in zip(KEYS, (9, 200, 100_000), strict=True):
        assert sum(share[key] for share in shares) <= lowest


def test_no_interval_helps_more_hosts_than_requests_in_a_second() -> None:
    assert "no interval makes that possible" in account_refusal(fleet_of(*[1] * 11))


def test_more_hosts_than_requests_in_a_second_are_refused() -> None:
    assert "10 requests in a second" in account_refusal(fleet_of(*[1] * 11))


def test_the_day_is_the_accounts_too() -> None:
    refusal = account_refusal(fleet_of(9, 9, 9, broker={"app_id": "ABCDE12345-100", "requests_per_minute": 600}))

    assert "100000" in refusal and "day" in refusal


def test_a_host_that_cannot_keep_to_its_share_of_a_second_is_named() -> None:
    fleet = fleet_of(3, *[1] * 8, interval=2.0)

    refusal = account_refusal(fleet)

    assert refusal and "h1" in refusal
    more = {"app_id": "ABCDE12345-100", "requests_per_minute": 6000, "requests_per_day": 10**7}
    alone = account_refusal(fleet_of(3, *[1] * 9, interval=2.0, broker=more))
    assert alone.startswith("h1, with its share of the account's limits among 10 hosts: ")
    assert account_refusal(fleet_of(1, *[1] * 9, interval=2.0, broker=more)) == ""


def test_settings_that_are_refused_are_named_with_their_host() -> None:
    refusal = account_refusal(fleet_of(5, 5) | {"h3": {"symbols": "many"}})

    assert "h3" in refusal and "symbols" in refusal
    assert account_refusal({"h1": {"symbols": "many"}}) == "", "a host alone is judged by the application"


def test_a_host_that_asks_for_candles_has_its_share_for_them() -> None:
    fleet = {
        "h1": settings_of(10),
        "h2": settings_of(200, feeds=["fyers-history"], candles={"every_seconds": 300}),
        "h3": settings_of(2000, feeds=["fyers-hsm", "fyers-history"], candles={"symbols": SYMBOLS[:5]}),
    }

    assert account_refusal(fleet) == ""
    for host, settings in fleet.items():
        share = account_shares(host, fleet)["broker"]
        validate(Settings, settings | {"broker": settings["broker"] | share})
    assert "requests in a minute" in account_refusal(fleet | {"h4": settings_of(200, feeds=["fyers-history"])})
