"""What a configuration of the market us may say: each mistake is a sentence that names its key."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from harvester.base.market import entered, in_force
from harvester.calendar import TradingCalendar
from harvester.config.file import parse_settings, read_settings
from harvester.config.segments import find_segments
from harvester.config.settings import Settings

BOOKS = {"name": "books", "rows": "depth", "columns": {"symbol": "symbol"}, "key": ["symbol"]}
APP = "AbCdEfGhIjKlMnOpQrStUvWxYz012345"


def config(**changes: Any) -> dict[str, Any]:
    return {
        "host_id": "us1",
        "market": "us",
        "symbols": ["QQQ", "BRK/B"],
        "broker": {"kind": "schwab", "app_id": APP},
        "feeds": ["schwab-history"],
        "candles": {"resolution": 1, "every_seconds": 60, "final_after_seconds": 60},
    } | changes


def parse(**changes: Any) -> Settings:
    return parse_settings(json.dumps(config(**changes)).encode(), Path("/etc/harvester/config.json"))


def test_a_configuration_of_the_market_us() -> None:
    settings = parse()

    assert (settings.history, settings.symbols_of("schwab-history")) == ("schwab-history", ("QQQ", "BRK/B"))
    assert settings.broker.url == "https://api.schwabapi.com" and settings.limits.per_minute == 120
    both = parse(feeds=["schwab-history", "schwab-stream"], candles={"resolution": 1, "symbols": ["QQQ"]})
    assert (both.symbols_of("schwab-stream"), both.all_symbols) == (("QQQ",), ("QQQ",))
    assert set(find_segments(settings).values()) == {"us_equities"}
    assert parse(broker={"kind": "schwab", "app_id": APP, "api_url": "https://e:1"}).broker.url == "https://e:1"
    assert parse(broker={"kind": "schwab", "app_id": APP, "requests_per_minute": 60}).limits.per_minute == 60


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"feeds": ["fyers-history"]}, "market is us, so feeds must be of schwab, not fyers-history"),
        ({"symbols": ["NSE:SBIN-EQ"]}, "market is us, so symbols[0] must be a plain ticker such as QQQ"),
        ({"symbols": ["qqq"]}, "symbols"),
        ({"broker": {"app_id": "ABCDE12345-100"}}, "market is us, so broker.kind must be schwab"),
        ({"broker": {"kind": "schwab", "app_id": "ABCDE12345-100"}}, "app_id must be the app key of Schwab's portal"),
        ({"broker": {"kind": "fyers", "app_id": APP}}, "app_id must be an app ID such as ABCDE12345-100"),
        ({"candles": {"resolution": 2}}, "market is us, so candles.resolution must be 1, 5, 10, 15 or 30"),
        ({"candles": {"resolution": "5S"}}, "market is us, so candles.resolution must be 1, 5, 10, 15 or 30"),
        ({"symbols": [{"index": "NIFTY 50"}]}, "rules are for NSE"),
        ({"market": "asx"}, "market"),
        (
            {"feeds": ["schwab-stream"]},
            "feeds holds schwab-stream, whose minutes are provisional, so it must hold schwab-history, too",
        ),
        (
            {"feeds": ["schwab-stream", "schwab-history"], "candles": {"resolution": 5}},
            "feeds holds schwab-stream, which has minutes alone, so candles.resolution must be 1",
        ),
        ({"chart": {"mute_seconds": 0.5}}, "chart.mute_seconds"),
        ({"market": "nse"}, "market is nse, so feeds must be of fyers, not schwab-history"),
        (
            {"symbols": [f"A{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(130)]},
            "candles of 130 symbols every 60 s need 130 requests in a minute",
        ),
        (
            {"deliveries": [{"name": "p", "kind": "postgres", "place": "ssm:/p", "tables": [BOOKS]}]},
            "market is us, so no table of deliveries may have rows of depth",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(**changes)

    assert sentence in str(caught.value)


def test_checking_bytes_leaves_the_market_of_this_process_and_reading_its_configuration_enters_it(
    tmp_path: Path,
) -> None:
    with entered("nse"):
        parse()
        assert in_force().name == "nse"
        (tmp_path / "config.json").write_text(json.dumps(config()))
        read_settings(tmp_path / "config.json")
        assert in_force().name == "us" and TradingCalendar.load().segment == "us_equities"
