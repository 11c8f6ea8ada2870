"""The dead-man in this process, by the sessions file of the build: special sessions count, holidays do not."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harvester.calendar import TradingCalendar
from runbook.aws.trading_days import sessions_file

HOSTS = ["h1", "h2"]
VARIABLES = {"HOSTS": ",".join(HOSTS), "NAMESPACE": "N", "ENVIRONMENT": "e"}
Ask = Callable[..., dict[str, Any]]


class CloudWatch:
    """Has the last heartbeats and updates of hosts, of so many minutes ago, and keeps what is put."""

    def __init__(self, beaten: dict[str, int], updated: dict[str, int]) -> None:
        self.beats = beaten
        self.updated = updated
        self.put: dict[str, dict[str, float]] = {}
        self.answers = {"Heartbeat": "Complete", "Updates": "Complete"}

    def get_metric_data(
        self, *, MetricDataQueries: list[dict[str, Any]], EndTime: datetime, **_: Any
    ) -> dict[str, Any]:
        return {"MetricDataResults": [self._read(query, EndTime) for query in MetricDataQueries]}

    def _read(self, query: dict[str, Any], now: datetime) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        host = next(each["Value"] for each in metric["Dimensions"] if each["Name"] == "Host")
        ago = {"Heartbeat": self.beats, "Updates": self.updated}[metric["MetricName"]].get(host)
        minute = now.replace(second=0)
        there = [] if ago is None else [minute - timedelta(minutes=ago)]
        code = self.answers[metric["MetricName"]]
        return {"Id": query["Id"], "Timestamps": there, "Values": [1.0 for _ in there], "StatusCode": code}

    def put_metric_data(self, *, MetricData: list[dict[str, Any]], **_: Any) -> None:
        for each in MetricData:
            self.put.setdefault(each["MetricName"], {})[each["Dimensions"][1]["Value"]] = each["Value"]


@pytest.fixture
def dead_man(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The function, with what the build of 5 November 2026 would put beside it."""
    sessions = sessions_file([TradingCalendar.load()], date(2026, 11, 5))
    (tmp_path / "sessions.json").write_text(json.dumps(sessions), encoding="utf-8")
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    market = importlib.import_module("market")
    module = importlib.import_module("dead_man")
    for name in ("session_at", "trading_since"):
        monkeypatch.setattr(module, name, partial(getattr(market, name), sessions=tmp_path / "sessions.json"))
    yield module
    for name in ("market", "dead_man"):
        sys.modules.pop(name, None)


@pytest.fixture
def ask(dead_man: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What it answers at a moment in India, and what it put."""

    def at(
        moment: str,
        *,
        beating: list[str] | None = None,
        beaten: dict[str, int] | None = None,
        updated: dict[str, int] | None = None,
    ) -> dict[str, Any]:
        cloudwatch = CloudWatch(beaten or dict.fromkeys(beating or [], 1), updated or {})
        monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: cloudwatch))
        answer: dict[str, Any] = dead_man.handler({"now": f"{moment}+05:30"}, None)
        return answer | {"put": cloudwatch.put}

    return at


@pytest.mark.parametrize("metric", ["Heartbeat", "Updates"])
@pytest.mark.parametrize("answer", ["PartialData", "InternalError", "Forbidden"])
def test_what_cloudwatch_does_not_answer_is_no_silence_but_an_error_that_has_an_alarm_of_its_own(
    dead_man: ModuleType, monkeypatch: pytest.MonkeyPatch, metric: str, answer: str
) -> None:
    """The codes of CloudWatch's API reference, MetricDataResult."""
    cloudwatch = CloudWatch({}, {})
    cloudwatch.answers[metric] = answer
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: cloudwatch))

    with pytest.raises(RuntimeError, match=f"h1: CloudWatch does not say its {metric.lower()}: {answer}"):
        dead_man.handler({"now": "2026-11-06T11:00:00+05:30"}, None)
    assert cloudwatch.put == {}


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
    assert answer["put"].get("HostSilent", {}) == (dict.fromkeys(HOSTS, 1.0) if watched else {})
    assert not any(answer["put"].get("HostIdle", {}).values())


def test_who_beats_is_not_silent(ask: Ask) -> None:
    assert ask("2026-11-08T18:30:00", beating=["h2"], updated={"h2": 2}) == {
        "session": True, "silent": ["h1"], "idle": [],
        "put": {"HostSilent": {"h1": 1.0, "h2": 0.0}, "HostIdle": {"h1": 0.0, "h2": 0.0}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "updated", "idle"),
    [
        ("2026-11-06T11:00:20", {"h1": 0, "h2": 2}, []),
        ("2026-11-06T11:00:20", {"h1": 3, "h2": 1}, ["h1"]),
        ("2026-11-06T11:00:20", {}, HOSTS),
        ("2026-11-06T09:10:20", {}, []),
        ("2026-11-06T09:18:59", {}, []),
        ("2026-11-06T09:19:00", {}, HOSTS),
        ("2026-11-06T15:20:20", {}, []),
    ],
    ids=[
        "updates of two minutes", "older ones", "none", "before trading", "its first minutes", "four minutes of it",
        "the closing auction",
    ],
)  # fmt: skip
def test_who_beats_and_has_no_update_while_there_is_trading_is_idle(
    moment: str, updated: dict[str, int], idle: list[str], ask: Ask
) -> None:
    answer = ask(moment, beating=HOSTS, updated=updated)

    assert (answer["silent"], answer["idle"]) == ([], idle)
    assert answer["put"]["HostIdle"] == {host: float(host in idle) for host in HOSTS}


def test_who_just_died_will_be_silent_and_is_not_idle_before(ask: Ask) -> None:
    answer = ask("2026-11-06T11:00:20", beaten={"h1": 3, "h2": 2}, updated={"h1": 3, "h2": 3})

    assert (answer["silent"], answer["idle"]) == ([], ["h2"])


def test_a_day_that_the_build_did_not_know_is_an_error_and_no_quiet_day(ask: Ask) -> None:
    with pytest.raises(ValueError, match=r"run site\.yml again"):
        ask("2027-11-05T11:00:00")
