"""Metrics of rows in CloudWatch (moto): by ticker, in our namespace and the users' own; the alarm that they raise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from jinja2 import Environment
from moto import mock_aws
from tests.aws_days.alarms import Alarm, Metrics, State
from tests.conftest import ROOT
from tests.journals import DAY, OPEN_NS
from tests.postgres.conftest import MINUTE_NS, SBIN, RowHost
from tests.postgres.test_live import bar
from tests.storage.lake.candles import said

from harvester.base.clock import SystemClock
from harvester.cli import run
from harvester.health.live_rows import live_folder
from harvester.postgres.live import Keeper

REGION, THEIRS = "ap-south-1", "AlphaKiteMax/RealTimeStreaming"
WATCHED = ("AlphaHarvester", "DataPointsFetched", "SBIN")


class Published:
    """What `harvester metrics` put, minute by minute."""

    def __init__(self, host: RowHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host, self.calls = host, list[dict[str, Any]]()
        host.changes = {
            "metrics": {"environment": "ours", "region": REGION, "also_as": THEIRS,
                        "state_file": str(host.root / "published.json")},
            "status_file": str(host.root / "status.json"),
        }  # fmt: skip
        monkeypatch.setattr(SystemClock, "wall_ns", lambda _: host.clock.now_ns)
        client = boto3.client("cloudwatch", region_name=REGION)
        monkeypatch.setattr(client, "put_metric_data", lambda **call: self.calls.append(call))
        monkeypatch.setattr("harvester.commands.metrics.open_client", lambda *_: client)
        self.keeper = Keeper(host.live(), live_folder(host.settings, "rows"), host.clock, print)

    def minute(self, number: float, version: str = "ssm:1") -> dict[str, dict[str, float]]:
        """Turn and publish at that minute of the session; values by namespace and name, of SBIN."""
        self.host.clock.now_ns = OPEN_NS + int(number * MINUTE_NS)
        (self.host.root / "status.json").write_text(json.dumps({"token": {"version": version}}))
        self.keeper.turn(DAY)
        self.calls.clear()
        assert run(["metrics", "--config", str(self.host.root / "config.json")]) == 0
        found: dict[str, dict[str, float]] = {}
        for call in self.calls:
            for each in call["MetricData"]:
                if {"Name": "Ticker", "Value": "SBIN"} in each["Dimensions"]:
                    found.setdefault(call["Namespace"], {})[each["MetricName"]] = each["Value"]
        return found


@pytest.fixture
def published(host: RowHost, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    with mock_aws():
        yield Published(host, monkeypatch)


def test_rows_are_counted_once_by_ticker_in_both_namespaces(published: Published) -> None:
    host = published.host
    assert published.minute(15.9) == {}, "in the first quarter of an hour nothing can lack"
    host.recorder().answer(20.05, SBIN, said(bar(0), bar(1)))
    found = published.minute(20.1)
    assert found[THEIRS] == found["AlphaHarvester"] == {
        "DataPointsFetched": 2, "SupabaseUploadSuccess": 1, "LatencyMilliseconds": 2960}  # fmt: skip
    [call] = [call for call in published.calls if call["Namespace"] == THEIRS]
    assert {tuple(each["Dimensions"][0].items()) for each in call["MetricData"]} == {
        (("Name", "Ticker"), ("Value", "SBIN")), (("Name", "Ticker"), ("Value", "INFY"))}  # fmt: skip
    units = {each["MetricName"]: each["Unit"] for each in call["MetricData"]}
    assert units.pop("LatencyMilliseconds") == "Milliseconds" and {*units.values()} == {"Count"}
    assert published.minute(21.1)[THEIRS] == {"DataPointsFetched": 0, "SupabaseUploadSuccess": 1}
    assert published.minute(22.1, version="ssm:2")[THEIRS]["TokenRefreshEvents"] == 1
    assert published.minute(500.0, version="ssm:2") == {}, "after the session nothing lacks"


def test_an_upload_that_fails_is_a_zero_and_its_rows_are_counted_when_they_come(published: Published) -> None:
    host = published.host
    published.minute(15.9)
    good, host.dsn = host.base.dsn, host.base.dsn.replace("dbname=", "dbname=no")
    host.recorder().answer(20.05, SBIN, said(bar(0), bar(1)))
    assert host.settings
    assert published.minute(20.1)[THEIRS] == {"DataPointsFetched": 0, "SupabaseUploadSuccess": 0}
    host.dsn = good
    assert host.settings
    assert published.minute(21.1)[THEIRS]["DataPointsFetched"] == 2


def rendered_alarm() -> dict[str, Any]:
    """The alarm of the role, as its template has it."""
    source = (ROOT / "roles/aws_watch/templates/alarms.json.j2").read_text("utf-8")
    environment = Environment()  # noqa: S701  # JSON, and no page
    environment.filters["to_json"] = json.dumps
    names = {"stem": "ours", "namespace": "AlphaHarvester", "region": REGION, "functions": {}}
    text = environment.from_string(source).render(
        __aws_watch_names=names, __aws_watch_topic="topic", __aws_watch_hosts={}, aws_host_names=[],
        aws_account_look={"partition": "aws", "functions": []}, aws_watch_rows_tickers=["SBIN"],
        __aws_watch_is_burstable=False,
    )  # fmt: skip
    [(name, alarm)] = json.loads(text).items()
    return {"AlarmName": name, "ActionsEnabled": True, **alarm}


def test_a_quarter_of_an_hour_of_a_session_without_rows_is_an_alarm_and_a_night_is_none(published: Published) -> None:
    alarm, metrics, states = Alarm(rendered_alarm()), Metrics(), []
    start = datetime.fromtimestamp(OPEN_NS // 10**9, UTC)
    for minute in range(12, 36):
        if minute < 17:
            published.host.recorder().answer(minute + 0.02, SBIN, said(*(bar(each) for each in range(minute))))
        found = published.minute(minute + 0.1).get("AlphaHarvester", {})
        metric = {
            "Namespace": "AlphaHarvester",
            "MetricName": "DataPointsFetched",
            "Dimensions": rendered_alarm()["Dimensions"],
        }
        if "DataPointsFetched" in found:
            metrics.put(metric, found["DataPointsFetched"], start + timedelta(minutes=minute))
        alarm.evaluate(metrics, start + timedelta(minutes=minute + 1))
        states.append(alarm.state)
    assert State.ALARM not in states[:19] and states[-1] == State.ALARM
    for minute in range(36, 100):
        alarm.evaluate(metrics, start + timedelta(minutes=minute))
    assert alarm.state == State.OK, "nothing is counted after the session"
