"""The functions as they are deployed: reproducible archives, unpacked, their handlers called on moto."""

import importlib
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from harvester.base.aws_names import FUNCTIONS
from harvester.base.errors import ConfigError
from harvester.base.market import zone
from harvester.calendar import TradingCalendar
from harvester.lake.layout import Partition
from harvester.upload.uploader import manifest_path
from lab.aws.server import REGION
from runbook.aws.archives import build
from runbook.aws.functions import DOOR, OF_FEED, chosen, ensure_settings
from runbook.aws.session import Account
from runbook.aws.trading_days import sessions_file

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "files" / "functions"
TODAY = date(2026, 11, 20)
HOST = "alpha-harvester-test-1"
TAGS = {"Project": "alpha-harvester", "Environment": "test", "ManagedBy": "alpha-harvester"}
VARIABLES = {
    "ENVIRONMENT": "alpha-harvester-test",
    "NAMESPACE": "AlphaHarvester",
    "HOSTS": HOST,
    "BUCKET": "lake-of-a-test",
    "LAKE_PREFIX": "lake/",
    "STOP": "true",
    "TAGS": ",".join(f"{key}={value}" for key, value in TAGS.items()),
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(SOURCES, tmp_path_factory.mktemp("archives"), [TradingCalendar.load()], TODAY)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


def unpacked(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The handler's module, imported from what the archive holds and from nothing beside it."""
    zipfile.ZipFile(archive).extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    wanted = archive.stem.replace("-", "_")
    for name in ("machines", "market", wanted):
        sys.modules.pop(name, None)
    module = importlib.import_module(wanted)
    assert module.__file__ is not None and module.__file__.startswith(str(folder))
    return module


def ist(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=zone()).isoformat()


def test_the_same_sources_make_the_same_bytes(archives: dict[str, Path], tmp_path: Path) -> None:
    time.sleep(1.1)  # ZIP archives would store times of two seconds' grain
    os.utime(SOURCES / "market.py")

    again = build(SOURCES, tmp_path, [TradingCalendar.load()], TODAY)

    assert set(again) == set(FUNCTIONS)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in archives.items()
    }


def beat(metric: str, when: str, value: float) -> None:
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AlphaHarvester",
        MetricData=[
            {
                "MetricName": metric,
                "Value": value,
                "Timestamp": datetime.fromisoformat(when),
                "Dimensions": [
                    {"Name": "Environment", "Value": "alpha-harvester-test"},
                    {"Name": "Host", "Value": HOST},
                ],
            }
        ],
    )


@pytest.mark.parametrize(
    ("now", "beaten", "expected"),
    [
        ("2026-11-20T11:00:00", None, {"session": True, "silent": [HOST]}),
        ("2026-11-20T11:00:00", ("Heartbeat", "2026-11-20T10:57:00", 1), {"session": True, "silent": []}),
        (
            "2026-11-20T11:00:00",
            ("Updates", "2026-11-20T10:58:00", 300),
            {"session": True, "silent": [HOST]},
        ),  # its alerts do not look
        ("2026-11-20T11:00:00", ("Heartbeat", "2026-11-20T10:50:00", 1), {"session": True, "silent": [HOST]}),
        ("2026-11-20T09:02:00", None, {"session": False, "silent": []}),  # the first minutes count for nobody
        ("2026-11-20T20:00:00", None, {"session": False, "silent": []}),
        ("2026-11-21T11:00:00", None, {"session": False, "silent": []}),  # a Saturday
        ("2026-11-24T11:00:00", None, {"session": False, "silent": []}),  # a holiday
        ("2026-11-08T18:30:00", None, {"session": True, "silent": [HOST]}),  # muhurat, on a Sunday evening
    ],
)
def test_the_dead_man_notices_silence_inside_sessions_alone(
    now: str, beaten: Any, expected: Any, aws: None, archives: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = unpacked(archives["dead-man"], tmp_path, monkeypatch)
    if beaten:
        beat(beaten[0], ist(beaten[1]), beaten[2])

    answer = module.handler({"now": ist(now)}, None)

    assert answer == {**expected, "idle": answer["idle"]}
    values = [one["MetricName"] for one in boto3.client("cloudwatch").list_metrics()["Metrics"]]
    assert ("HostSilent" in values) == expected["session"]


def test_a_day_beyond_what_the_archive_knows_is_an_error_and_no_silence(
    aws: None, archives: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = unpacked(archives["dead-man"], tmp_path, monkeypatch)

    with pytest.raises(ValueError, match=r"run site\.yml again"):
        module.handler({"now": ist("2028-01-03T11:00:00")}, None)


def make_host() -> str:
    ec2 = boto3.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"Key": key, "Value": value} for key, value in {**TAGS, "Name": HOST}.items()]
    made = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
    )
    identity: str = made["Instances"][0]["InstanceId"]
    return identity


def test_an_evening_waits_for_the_upload_then_snapshots_and_stops_once(
    aws: None, archives: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="probe")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("TOPIC", topic)
    s3, ec2 = boto3.client("s3"), boto3.client("ec2")
    s3.create_bucket(Bucket="lake-of-a-test", CreateBucketConfiguration={"LocationConstraint": REGION})
    identity = make_host()
    module = unpacked(archives["evening"], tmp_path, monkeypatch)

    def told() -> int:
        return len(boto3.client("sqs").receive_message(QueueUrl=queue).get("Messages", []))

    def running() -> bool:
        found = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
        return bool(found["State"]["Name"] == "running")

    assert module.handler({"now": ist("2026-11-20T16:14:00")}, None) == {}
    assert module.handler({"now": ist("2026-11-20T16:15:00")}, None) == {HOST: "not uploaded yet"}
    assert (running(), told()) == (True, 0)
    assert module.handler({"now": ist("2026-11-20T20:10:00")}, None) == {HOST: "not uploaded yet"}
    assert (running(), told()) == (True, 1)

    key = f"lake/{manifest_path(Partition(date(2026, 11, 20), HOST), 2)}"  # as the uploader names it; built twice
    s3.put_object(Bucket="lake-of-a-test", Key=key, Body=b"{}")
    assert module.handler({"now": ist("2026-11-20T16:30:00")}, None) == {HOST: "stopping"}
    assert not running()
    assert module.handler({"now": ist("2026-11-20T16:45:00")}, None) == {HOST: "done"}
    mine = [{"Name": "tag:Name", "Values": [HOST]}]
    assert len(ec2.describe_snapshots(Filters=mine)["Snapshots"]) == 1


def test_seven_snapshots_are_kept(aws: None, archives: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = unpacked(archives["evening"], tmp_path, monkeypatch)
    ec2 = boto3.client("ec2")
    instance = ec2.describe_instances(InstanceIds=[make_host()])["Reservations"][0]["Instances"][0]

    for day in range(1, 12):
        assert module.snapshot(ec2, instance, HOST, f"2026-11-{day:02d}", module.snapshots(ec2, HOST))

    kept = ec2.describe_snapshots(Filters=[{"Name": "tag:Name", "Values": [HOST]}])["Snapshots"]
    days = sorted(tag["Value"] for one in kept for tag in one["Tags"] if tag["Key"] == "Day")
    assert days == [f"2026-11-{day:02d}" for day in range(5, 12)]


def test_the_evening_begins_when_every_phase_is_over() -> None:
    sessions: Any = json.loads(json.dumps(sessions_file([TradingCalendar.load()], date(2026, 11, 1))))["sessions"]

    assert sessions["2026-11-20"] == [
        "2026-11-20T09:00:00+05:30",
        "2026-11-20T15:35:00+05:30",
        "2026-11-20T16:15:00+05:30",
    ]


@pytest.mark.parametrize(
    ("named", "account", "refresh", "expected"),
    [
        ([], "", False, ["dead-man", "morning", "evening", "reminder"]),
        ([], "XX00000", False, ["dead-man", "morning", "evening", "token-page", "reminder"]),
        ([], "XX00000", True, [name for name in FUNCTIONS if name not in (*OF_FEED, DOOR)]),
        ([], "", True, ["dead-man", "morning", "evening", "reminder"]),
        (["reminder", "dead-man"], "XX00000", True, ["dead-man", "reminder"]),
    ],
)
def test_an_environment_has_the_functions_that_it_has_the_means_for(
    named: list[str], account: str, refresh: bool, expected: list[str]
) -> None:
    assert chosen(named, account=account, refresh=refresh) == expected


def test_a_function_that_cannot_work_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ConfigError, match=r"token-page and token-refresh: .* broker_account"):
        chosen(["token-refresh", "token-page"], account="", refresh=True)
    with pytest.raises(ConfigError, match="there is no function tokenpage"):
        chosen(["tokenpage"], account="XX00000", refresh=False)
    assert chosen([], account="", refresh=False, door=True)[-1] == "worker-door"
    with pytest.raises(
        ConfigError, match=r"worker-door is open to the whole world\. Say aws_functions_worker_door: true"
    ):
        chosen(["worker-door"], account="", refresh=False)
    with pytest.raises(ConfigError, match=r"ingestion and etl are of no use alone\. Name both"):
        chosen(["etl"], account="", refresh=False, feed=True)
    with pytest.raises(ConfigError, match="Name tickers in aws_functions_feed_symbols"):
        chosen(["etl", "ingestion"], account="", refresh=False)
    with pytest.raises(ConfigError, match="without morning nothing starts them"):
        chosen(["evening"], account="", refresh=False)


def make_function(name: str) -> None:
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = {"ZipFile": b"PK\x05\x06" + bytes(18)}
    boto3.client("lambda").create_function(
        FunctionName=name, Runtime="python3.12", Role=role, Handler="x.handler", Code=code
    )


def test_a_function_that_is_left_out_goes_and_its_logs_stay(aws: None) -> None:
    kept, gone = "a-page", "a-refresh"
    for name in (kept, gone):
        make_function(name)
    wanted = [{"name": kept, "log_group": f"/aws/lambda/{kept}", "public_url": True, "concurrency": 2}]
    both = [*wanted, {"name": gone, "log_group": f"/aws/lambda/{gone}"}]
    here, lambdas, settle = Account(REGION), boto3.client("lambda"), partial(ensure_settings, tags=TAGS, log_days=30)

    assert settle(here, both).changed and not settle(here, both).changed
    assert settle(here, wanted, absent=[gone], dry=True).changed
    assert len(lambdas.list_functions()["Functions"]) == 2
    settled = settle(here, wanted, absent=[gone])

    assert [one["FunctionName"] for one in lambdas.list_functions()["Functions"]] == [kept]
    assert len(boto3.client("logs").describe_log_groups()["logGroups"]) == 2
    assert settled.values["urls"].keys() == {kept}
    assert not settle(here, wanted, absent=[gone]).changed
