"""Schwab's own unmodified Python SDK, schwab-py 1.5.1, against the stand-in under `exchange run`: the judge of both."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.exchanges import PROGRAM
from tests.readers.venv import making

BOT = Path(__file__).with_name("schwab_bot.py")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What an ordinary program of the SDK saw. Not to be changed."""
    with making("schwab") as python:
        command = [PROGRAM, "run", "--market", "us", "--always-open", "--", python, str(BOT)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.long
def test_the_sdk_renews_its_token_and_keeps_the_refresh_token(seen: dict[str, Any]) -> None:
    assert (seen["renewed"], seen["kept"]) == (True, True)


@pytest.mark.long
def test_the_sdk_reads_candles_and_quotes(seen: dict[str, Any]) -> None:
    begins = [row["datetime"] for row in seen["minutes"]]
    assert begins == [*range(begins[0], begins[0] + 5 * 60_000, 60_000)]
    assert seen["fives"] > 288 and seen["previous"] > 0
    assert set(seen["quotes"]) == {"QQQ", "errors"} and set(seen["quote"]) == {"SPY"}


@pytest.mark.long
def test_the_sdk_streams_minutes_and_hears_that_another_login_replaced_it(seen: dict[str, Any]) -> None:
    minute = seen["stream"]["minute"]
    assert minute["key"] == "QQQ" and minute["CHART_TIME_MILLIS"] % 60_000 == 0
    assert minute["LOW_PRICE"] <= minute["OPEN_PRICE"] <= minute["HIGH_PRICE"] and minute["VOLUME"] > 0
    assert seen["stream"]["replaced"] == 12
    assert seen["stream"]["denied"] in (3, 401)
