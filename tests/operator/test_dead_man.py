"""The dead-man in this process, by the sessions file of the build: special sessions count, holidays do not."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harvester.calendar import TradingCalendar
from runbook.aws.trading_days import day_schedules, sessions_file

HOSTS = ["h1", "h2"]
VARIABLES = {"HOSTS": ",".join(HOSTS), "NAMESPACE": "N", "ENVIRONMENT": "e"}
Ask = Callable[..., dict[str, Any]]


class CloudWatch:
    """Has metrics of some hosts, and keeps what is put."""

    def __init__(self, beating: list[str]) -> None:
        self.beating = beating
        self.put: dict[str, float] = {}

    def get_metric_data(self, *, MetricDataQueries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        dimensions = MetricDataQueries[0]["MetricStat"]["Metric"]["Dimensions"]
        host = next(each["Value"] for each in dimensions if each["Name"] == "Host")
        return {"MetricDataResults": [{"Values": [1.0] if host in self.beating else []}]}

    def put_metric_data(self, *, MetricData: list[dict[str, Any]], **_: Any) -> None:
        self.put = {each["Dimensions"][1]["Value"]: each["Value"] for each in MetricData}


@pytest.fixture
def dead_man(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The function, with what the build of 5 November 2026 would put beside it."""
    sessions = sessions_file([TradingCalendar.load()], date(2026, 11, 5))
    (tmp_path / "sessions.json").write_text(json.dumps(sessions), encoding="utf-8")
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    market = importlib.import_module("market")
    ask = market.session_at
    module = importlib.import_module("dead_man")
    monkeypatch.setattr(module, "session_at", lambda moment: ask(moment, tmp_path / "sessions.json"))
    yield module
    for name in ("market", "dead_man"):
        sys.modules.pop(name, None)


@pytest.fixture
def ask(dead_man: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What it answers at a moment in India, and what it put."""

    def at(moment: str, *, beating: list[str] | None = None) -> dict[str, Any]:
        cloudwatch = CloudWatch(beating or [])
        monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: cloudwatch))
        answer: dict[str, Any] = dead_man.handler({"now": f"{moment}+05:30"}, None)
        return answer | {"put": cloudwatch.put}

    return at


@pytest.mark.parametrize(
    ("moment", "watched"),
    [
        ("2026-11-06T11:00:00", True),
        ("2026-11-06T09:03:59", False),
        ("2026-11-06T09:04:00", True),
        ("2026-11-06T15:34:59", True),
        ("2026-11-06T15:35:00", False),
        ("2026-11-07T11:00:00", False),
        ("2026-11-08T11:00:00", False),
        ("2026-11-08T18:30:00", True),
        ("2026-11-10T11:00:00", False),
        ("2026-11-24T11:00:00", False),
    ],
    ids=[
        "inside", "its first minutes", "four minutes of it", "its last second", "over", "a Saturday",
        "before the session of a special Sunday", "muhurat, on a Sunday evening", "a holiday", "another holiday",
    ],
)  # fmt: skip
def test_silence_counts_inside_sessions_alone(moment: str, watched: bool, ask: Ask) -> None:
    answer = ask(moment)

    assert answer["session"] is watched
    assert answer["silent"] == (HOSTS if watched else [])
    assert answer["put"] == (dict.fromkeys(HOSTS, 1.0) if watched else {})


def test_who_beats_is_not_silent(ask: Ask) -> None:
    assert ask("2026-11-08T18:30:00", beating=["h2"]) == {
        "session": True, "silent": ["h1"], "put": {"h1": 1.0, "h2": 0.0},
    }  # fmt: skip


def test_a_day_that_the_build_did_not_know_is_an_error_and_no_quiet_day(ask: Ask) -> None:
    with pytest.raises(ValueError, match=r"run site\.yml again"):
        ask("2027-11-05T11:00:00")


def test_a_special_session_has_its_schedules_at_its_own_time() -> None:
    schedules = day_schedules([TradingCalendar.load()], date(2026, 11, 5))

    named = {what: [cron for cron in crons.values() if " 8 11 ? 2026" in cron] for what, crons in schedules.items()}
    assert named == {
        "start": ["cron(5 18 8 11 ? 2026)"], "open": ["cron(15 18 8 11 ? 2026)"], "close": ["cron(15 19 8 11 ? 2026)"],
    }  # fmt: skip
