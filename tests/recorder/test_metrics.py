"""harvester metrics: what reaches CloudWatch (moto), of which host, and what is said when nothing can."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from harvester.base.errors import HarvesterError
from harvester.cli import run
from harvester.health.facts import Facts, Overdue, write_facts
from harvester.metrics.cloudwatch import TRIES, open_client, publish
from harvester.metrics.measure import Metric, measure_disk, measure_memory, read_count

REGION, ENVIRONMENT, HOST = "ap-south-1", "alpha-harvester-test", "alpha-harvester-test-1"
DIMENSIONS = [{"Name": "Environment", "Value": ENVIRONMENT}, {"Name": "Host", "Value": HOST}]
HOSTS_OWN = {"DiskUsedPercent", "MemoryUsedPercent"}
PUBLISHED = HOSTS_OWN | {"Heartbeat", "Updates", "ClockOffsetSeconds"}
DUES = {"DuesMissing", "DuesUndelivered"}
LATE = Overdue("delivery", "price-feed", 1, "nothing of the day is verified there", "do it")
Go = Callable[..., int]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def go(tmp_path: Path, aws: None) -> Go:
    """Run the command; keyword arguments change the setting `metrics`."""

    def start(deliveries: Sequence[dict[str, Any]] = (), **changes: Any) -> int:
        metrics = {"environment": ENVIRONMENT, "region": REGION, "state_file": str(tmp_path / "published.json")}
        content = {
            "host_id": HOST,
            "symbols": ["NSE:SBIN-EQ"],
            "broker": {"app_id": "ABCDE12345-100"},
            "data_dir": str(tmp_path),
            "status_file": str(tmp_path / "status.json"),
            "alerts": {"ports": str(tmp_path / "ports")},
            "metrics": {key: value for key, value in (metrics | changes).items() if value is not None},
            **({"deliveries": deliveries, "feeds": ["fyers-rest", "fyers-history"]} if deliveries else {}),
        }
        config = tmp_path / "config.json"
        config.write_text(json.dumps(content), encoding="utf-8")
        return run(["metrics", "--config", str(config)])

    return start


def recorder_says(folder: Path, *updates: int, run_id: str = "one", age: float = 0, **more: Any) -> None:
    """A status file as the recorder writes it, with so many updates of each symbol since its start; the alerts look."""
    (folder / "reach.json").touch()
    status = {
        "run_id": run_id,
        "written_at_ns": time.time_ns() - int(age * 1e9),
        "window": {"open": True},
        "symbols": {f"NSE:S{number}-EQ": {"updates": count} for number, count in enumerate(updates)},
        "clock": {"offset_ns": -3_250_000_000},
        **more,
    }
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")


def seen() -> dict[str, list[float]]:
    """All values in CloudWatch by metric, of this environment and host alone."""
    cloudwatch = boto3.client("cloudwatch", REGION)
    now = datetime.now(UTC)
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="AlphaHarvester")["Metrics"]:
        assert metric["Dimensions"] == DIMENSIONS
        [point] = cloudwatch.get_metric_statistics(
            Namespace="AlphaHarvester",
            MetricName=metric["MetricName"],
            Dimensions=DIMENSIONS,
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        found[metric["MetricName"]] = [point["Sum"], point["SampleCount"]]
    return found


def test_a_recorder_at_work_gives_heartbeat_updates_and_clock(go: Go, tmp_path: Path) -> None:
    recorder_says(tmp_path, 100, 50)
    assert go() == 0
    assert set(seen()) == PUBLISHED - {"Updates"}, "there is nothing to count from yet"

    recorder_says(tmp_path, 130, 57)
    assert go() == 0

    found = seen()
    assert set(found) == PUBLISHED
    assert found["Updates"] == [37, 1]
    assert found["Heartbeat"] == [2, 2]
    assert found["ClockOffsetSeconds"] == [pytest.approx(2 * 2.75), 2], "half a second is the header's"
    assert found["DiskUsedPercent"] == [pytest.approx(2 * measure_disk(tmp_path).value, abs=1), 2]
    assert 0 < found["MemoryUsedPercent"][0] < 200


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the watch of this host writes what it saw."""
    facts = tmp_path / "facts.json"
    paths = ("root", "config", "data_dir", "status_file", "handover")
    installed = {"host_id": HOST, "facts": str(facts), "services": [], "timers": [], "units": []}
    (tmp_path / "installed.json").write_text(json.dumps({**installed, **{name: str(tmp_path) for name in paths}}))
    monkeypatch.setenv("HARVESTER_INSTALLED", str(tmp_path / "installed.json"))
    return facts


def saw(path: Path, age_s: float, overdue: list[Overdue] | None, undelivered: list[str] | None) -> None:
    at_ns = time.time_ns() - int(age_s * 1e9)
    write_facts(path, Facts(at_ns=at_ns, booted_ns=0, overdue=overdue, undelivered=undelivered))


def test_what_was_due_and_is_missing_is_counted_whether_or_not_the_recorder_is_well(go: Go, watched: Path) -> None:
    saw(watched, 30, [LATE, LATE], ["price-feed 2026-11-20"])
    assert go() == 0

    found = seen()
    assert set(found) == HOSTS_OWN | DUES
    assert (found["DuesMissing"], found["DuesUndelivered"]) == ([2, 1], [1, 1])


def test_that_nothing_is_missing_is_a_count_as_well(go: Go, watched: Path) -> None:
    saw(watched, 0, [], [])
    assert go() == 0
    assert [seen()[name] for name in sorted(DUES)] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("age_s", [121, -121])
def test_what_the_watch_saw_at_another_time_says_nothing_of_now(age_s: int, go: Go, watched: Path) -> None:
    saw(watched, age_s, [], [])
    assert go() == 0
    assert not set(seen()) & DUES


def test_what_the_watch_could_not_see_is_not_counted(
    go: Go, watched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saw(watched, 0, None, [])
    assert go() == 0
    assert set(seen()) & DUES == {"DuesUndelivered"}

    (tmp_path / "installed.json").write_text("{")
    assert go() == 0
    assert "no metrics of dues: " in capsys.readouterr().out


def test_all_updates_of_a_recorder_that_started_anew_count(go: Go, tmp_path: Path) -> None:
    recorder_says(tmp_path, 100)
    go()
    recorder_says(tmp_path, 20, run_id="two")
    go()

    assert seen()["Updates"] == [20, 1]


@pytest.mark.parametrize("state", ["missing", "stale", "of the future", "torn"])
def test_without_a_fresh_status_there_is_no_heartbeat_but_disk_and_memory(
    state: str, go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if state == "torn":
        (tmp_path / "status.json").write_text('{"run_id"', encoding="utf-8")
    elif state != "missing":
        recorder_says(tmp_path, 1, age=11 if state == "stale" else -11)

    assert go() == 0

    assert set(seen()) == HOSTS_OWN
    assert "no heartbeat: " in capsys.readouterr().out


@pytest.mark.parametrize("last_look", [121, None])
def test_a_host_whose_alerts_do_not_look_has_no_heartbeat(
    last_look: int | None, go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So the dead-man tells people what the host itself cannot."""
    recorder_says(tmp_path, 1)
    if last_look is None:
        (tmp_path / "reach.json").unlink()
    else:
        os.utime(tmp_path / "reach.json", (time.time() - last_look,) * 2)

    assert go() == 0

    assert set(seen()) == HOSTS_OWN | {"ClockOffsetSeconds"}
    assert "no heartbeat: " in capsys.readouterr().out


@pytest.mark.parametrize("more", [{"window": {"open": False}}, {"clock": {"offset_ns": None}}])
def test_a_clock_that_nobody_compares_has_no_metric(more: dict[str, Any], go: Go, tmp_path: Path) -> None:
    recorder_says(tmp_path, 1, **more)
    go()

    assert set(seen()) == HOSTS_OWN | {"Heartbeat"}


def test_what_the_headers_whole_seconds_explain_is_no_offset(go: Go, tmp_path: Path) -> None:
    recorder_says(tmp_path, 1, clock={"offset_ns": 499_999_999})
    go()

    assert seen()["ClockOffsetSeconds"] == [0, 1]


def test_updates_that_were_not_published_are_counted_by_the_next_run(
    go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    recorder_says(tmp_path, 10)
    go()
    recorder_says(tmp_path, 15)
    assert go(endpoint_url="http://127.0.0.1:1") == 1
    said = capsys.readouterr().err
    assert "CloudWatch, namespace AlphaHarvester" in said and "network" in said
    assert len(said.splitlines()) == 1

    recorder_says(tmp_path, 18)
    go()

    assert seen()["Updates"] == [8, 1]


def test_updates_that_were_published_are_not_counted_again_because_metrics_of_rows_were_not(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise HarvesterError("CloudWatch throttles")

    rows = {"name": "rows", "kind": "postgres", "place": "file:/etc/harvester/dsn", "live": True}
    live = tmp_path / "rows/rows/live"
    live.mkdir(parents=True)
    (live / "live.json").write_text("{}", encoding="utf-8")
    # In a session rows have metrics of their own in the same namespace; here it is the host's that count.
    monkeypatch.setattr("harvester.commands.metrics.publish_rows", lambda *_: None)
    recorder_says(tmp_path, 10)
    go([rows])
    with monkeypatch.context() as patch:
        patch.setattr("harvester.commands.metrics.publish_rows", refuse)
        recorder_says(tmp_path, 15)
        assert go([rows]) == 1
    assert "CloudWatch throttles" in capsys.readouterr().err
    recorder_says(tmp_path, 18)
    go([rows])

    assert seen()["Updates"] == [8, 2]


def test_a_damaged_state_is_said_and_replaced(go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "published.json"
    state.write_text("[]", encoding="utf-8")
    recorder_says(tmp_path, 10)

    assert go() == 0
    assert str(state) in capsys.readouterr().out
    assert json.loads(state.read_bytes()) == {"run_id": "one", "updates": 10}


def test_a_count_or_a_disk_that_cannot_be_looked_at_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError) as count:
        read_count(tmp_path)
    with pytest.raises(HarvesterError) as disk:
        measure_disk(tmp_path / "gone")

    assert str(count.value).startswith(f"{tmp_path}: cannot be used (Is a directory), so updates cannot be counted.")
    assert str(disk.value).startswith(
        f"{tmp_path}/gone: the disk cannot be measured (No such file or directory). Correct data_dir"
    )


def test_mistakes_of_people_are_paragraphs(go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder_says(tmp_path, 10)
    assert go(state_file=str(tmp_path / "nowhere" / "state.json")) == 1
    assert "metrics.state_file" in capsys.readouterr().err
    assert go(environment="Not A Name") == 2
    assert "metrics.environment" in capsys.readouterr().err


def test_without_an_environment_nothing_is_published(
    go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder_says(tmp_path, 10)

    assert go(environment=None) == 0
    assert "none are published" in capsys.readouterr().out
    assert seen() == {}


def test_no_region_says_which_setting_is_missing(
    go: Go, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    assert go(region=None) == 1
    assert "metrics.region" in capsys.readouterr().err


class Refusals:
    """Answers the first `count` calls with an error instead of moto's answer."""

    def __init__(self, client: Any, count: int, status: int, code: str) -> None:
        self.count, self.status, self.code, self.calls = count, status, code, 0
        client.meta.events.register_first("before-send.cloudwatch", self)

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        self.calls += 1
        if self.calls > self.count:
            return None
        body = json.dumps({"__type": self.code, "message": "no"}).encode()
        headers = {"x-amzn-query-error": f"{self.code};Sender", "Content-Type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, self.status, headers, Raw(body))


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.body

    def read(self, *_: Any) -> bytes:
        return self.body


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(botocore.endpoint.time, "sleep", taken.append)
    return taken


def test_a_throttled_call_is_tried_again_with_pauses(aws: None, pauses: list[float]) -> None:
    client = open_client(REGION, None)
    refusals = Refusals(client, TRIES - 1, 400, "Throttling")

    publish(client, ENVIRONMENT, HOST, [Metric("Heartbeat", 1, "Count")])

    assert (refusals.calls, len(pauses)) == (TRIES, TRIES - 1)
    assert sum(pauses) <= 1 + 2 + 4, "all tries end within the unit's 50 seconds"


@pytest.mark.parametrize(
    ("status", "code", "tries", "advice"),
    [
        (400, "Throttling", TRIES, "next minute"),
        (503, "ServiceUnavailable", TRIES, "Look up"),
        (403, "AccessDenied", 1, "cloudwatch:PutMetricData"),
        (403, "InvalidClientTokenId", 1, "instance's role"),
    ],
)
def test_a_refusal_that_stays_ends_with_advice(
    status: int, code: str, tries: int, advice: str, aws: None, pauses: list[float]
) -> None:
    client = open_client(REGION, None)
    refusals = Refusals(client, 100, status, code)

    with pytest.raises(HarvesterError, match=advice):
        publish(client, ENVIRONMENT, HOST, [Metric("Heartbeat", 1, "Count")])
    assert refusals.calls == tries


def test_the_disk_is_full_when_programs_have_nothing_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As df counts it: blocks reserved for root are neither used nor free."""
    stat = os.statvfs_result((4096, 4096, 1000, 150, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: stat)

    assert measure_disk(Path("/")) == Metric("DiskUsedPercent", pytest.approx(100 * 850 / 950), "Percent")
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 1000, 50, 0, 0, 0, 0, 0, 255)))
    assert measure_disk(Path("/")).value == 100


def test_memory_is_what_programs_can_have(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  250 kB\n", encoding="ascii")
    assert measure_memory(meminfo) == Metric("MemoryUsedPercent", 75.0, "Percent")

    with pytest.raises(HarvesterError, match="ProcSubset"):
        measure_memory(tmp_path / "hidden")


def test_every_metric_that_is_watched_is_published(root: Path) -> None:
    templates = root / "roles/aws_watch/templates"
    alarms = re.findall(r"names\.namespace, '(\w+)'", (templates / "alarms.json.j2").read_text("utf-8"))
    drawn = re.findall(r"\('(\w+)', '(?:Sum|Maximum)'\)", (templates / "dashboard.json.j2").read_text("utf-8"))

    judged = re.findall(
        r'for metric in \("(\w+)", "(\w+)"\)', (root / "files/functions/dead_man.py").read_text("utf-8")
    )
    [of_hosts] = map(set, judged)
    assert of_hosts <= PUBLISHED
    # Rows are counted by ticker, where a host delivers some: tests/postgres/test_metrics.py has them.
    assert set(alarms) == PUBLISHED - of_hosts | {"HostSilent", "HostIdle", "DataPointsFetched", "DuesMissing"}
    assert set(drawn) == PUBLISHED
