"""Settings of the broker's own candles: what is allowed, how far apart requests are, and what breaks a limit."""

from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import SYMBOLS, make_config, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.validation import Refused, validate
from harvester.calendar import TradingCalendar
from harvester.config.candles import CandleSettings, candle_need, request_spacing
from harvester.config.limits import Need, RequestLimits
from harvester.config.segments import refuse_without_hours
from harvester.config.settings import Settings

HISTORY = ["fyers-history"]
MANY = [f"NSE:S{number}-EQ" for number in range(1000)]


def refused(tmp_path: Path, **changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        validate(Settings, make_config(tmp_path, **changes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("resolution", "seconds"), [(1, 60), (5, 300), ("5", 300), (240, 14_400), ("5S", 5), ("45S", 45)], ids=str
)
def test_a_resolution_is_minutes_or_seconds(tmp_path: Path, resolution: Any, seconds: int) -> None:
    settings = make_settings(tmp_path, candles={"resolution": resolution})
    assert (settings.candles.bar_seconds, settings.candles.width_ns) == (seconds, seconds * NS_PER_SECOND)


@pytest.mark.parametrize("resolution", [0, 4, "7", "1S", "D", None, 5.0, True])
def test_a_resolution_that_the_broker_has_not_is_refused(tmp_path: Path, resolution: Any) -> None:
    assert "candles.resolution" in refused(tmp_path, candles={"resolution": resolution})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("every_seconds", 29),
        ("every_seconds", 3601),
        ("final_after_seconds", -1),
        ("final_after_seconds", 3601),
        ("symbols", []),
        ("symbols", ["SBIN"]),
        ("symbols", [SYMBOLS[0]] * 2),
        ("minutes", 5),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(tmp_path: Path, key: str, value: Any) -> None:
    assert "candles" in refused(tmp_path, candles={key: value})


def test_nothing_is_asked_where_the_feed_is_not_named(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, symbols=MANY, feeds=["fyers-hsm"])
    assert settings.candle_spacing_ns() == 0


@pytest.mark.parametrize(
    ("symbols", "limits", "expected_ms"),
    [
        (10, {}, 334),  # 180 of the 200 requests of a minute
        (10, {"requests_per_minute": 600}, 300),
        (100, {"requests_per_minute": 60}, 1112),
    ],
)
def test_requests_are_spaced_out_in_what_the_limits_leave(
    tmp_path: Path, symbols: int, limits: dict[str, int], expected_ms: int
) -> None:
    broker = {"app_id": "ABCDE12345-100"} | limits
    settings = make_settings(tmp_path, symbols=MANY[:symbols], feeds=HISTORY, broker=broker)
    assert -(-settings.candle_spacing_ns() // 1_000_000) == expected_ms


def test_polls_leave_less(tmp_path: Path) -> None:
    poll = {"interval_seconds": 5.0, "timeout_seconds": 4.0}
    alone = make_settings(tmp_path, feeds=HISTORY, symbols=MANY[:10])
    beside = make_settings(tmp_path, feeds=["fyers-rest", *HISTORY], symbols=MANY[:10], poll=poll)
    # 10 symbols every 5 s are 130 requests in the busiest minute: nine tenths of 70 are left
    assert alone.candle_spacing_ns() < beside.candle_spacing_ns() == -(-60 * NS_PER_SECOND // 63)


@pytest.mark.parametrize(
    "changes",
    [
        {"symbols": MANY[:901], "feeds": HISTORY},
        {"symbols": MANY[:91], "feeds": HISTORY, "candles": {"every_seconds": 30}},
        {
            "symbols": MANY[:15],
            "feeds": ["fyers-rest", *HISTORY],
            "poll": {"interval_seconds": 5.0},
            "candles": {"every_seconds": 60},
        },
        {"symbols": MANY[:2], "feeds": HISTORY, "broker": {"app_id": "ABCDE12345-100", "requests_per_day": 100}},
    ],
    ids=["a round", "a short round", "the polls", "a day"],
)
def test_candles_that_break_a_limit_are_refused_with_a_way_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    message = refused(tmp_path, **changes)
    assert "candles of" in message and "Raise candles.every_seconds, name fewer candles.symbols" in message


@pytest.mark.parametrize("polls", [200, 201])
def test_polls_that_leave_no_request_leave_no_candles(polls: int) -> None:
    limits = RequestLimits(per_second=10, per_minute=200, per_day=100_000)

    with pytest.raises(ValueError, match=r"^candles of 1 symbols .* and the polls leave 0 and 100000 of the broker's"):
        request_spacing(1, CandleSettings(), Need(polls, 0), limits, 3600 * NS_PER_SECOND)


def test_candles_have_symbols_of_their_own_and_else_all(tmp_path: Path) -> None:
    index = "NSE:NIFTY50-INDEX"
    own = make_settings(tmp_path, feeds=HISTORY, candles={"symbols": [index]})
    assert own.symbols_of("fyers-history") == own.all_symbols == (index,)
    assert make_settings(tmp_path, feeds=HISTORY).symbols_of("fyers-history") == SYMBOLS


def test_candles_of_a_segment_without_hours_are_left_out(tmp_path: Path) -> None:
    symbols = ["NSE:SBIN-EQ", "BSE:USDINR26DECFUT"]
    calendar = TradingCalendar.load()
    settings = make_settings(tmp_path, feeds=HISTORY, candles={"symbols": symbols[:1]})
    assert refuse_without_hours(settings, calendar).settings.candles.symbols == ("NSE:SBIN-EQ",)


@pytest.mark.parametrize("symbols", [1, 10, 137])
def test_what_a_fleet_sets_aside_is_enough_for_the_host(tmp_path: Path, symbols: int) -> None:
    need = candle_need(symbols, CandleSettings(), 24 * 3600 * NS_PER_SECOND)
    broker = {
        "app_id": "ABCDE12345-100", "requests_per_minute": need.per_minute, "requests_per_day": need.per_day
    }  # fmt: skip
    settings = make_settings(tmp_path, symbols=MANY[:symbols], feeds=HISTORY, broker=broker)
    assert symbols * settings.candle_spacing_ns() <= settings.candles.every_ns
