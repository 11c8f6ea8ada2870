"""Ingestion and ETL in an emulator that runs functions, as deployed, with the exchange as the broker, now."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from tests.exchanges import serving
from tests.tokens.conftest import REGION
from tests.tokens.test_functions_running import emulator  # noqa: F401  # a fixture

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.aws_names import Names
from harvester.base.clock import SystemClock
from harvester.base.market import INDIA
from harvester.calendar import TradingCalendar
from harvester.calendar.model import packaged
from runbook.aws.archives import build
from runbook.aws.functions import ensure_settings
from runbook.aws.session import Account

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names("lab")
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
BUCKET = "feed-of-functions"
LATE_S = 15


class Deployed(NamedTuple):
    """Calls of what is deployed, and a way to its mails."""

    queue: str
    token: str

    def call(self, function: str, event: dict[str, Any]) -> Any:
        answer = boto3.client("lambda").invoke(FunctionName=NAMES.function(function), Payload=json.dumps(event))
        said = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        return said

    def subjects(self) -> list[str]:
        sqs = boto3.client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"])["Subject"] for message in found]


@pytest.fixture
def deployed(emulator: str, tmp_path: Path) -> Iterator[Deployed]:  # noqa: F811
    """The functions from their archives, whose calendar has a session all day long, and a broker that never closes."""
    today = datetime.now(INDIA).date()
    content = json.loads(packaged().read_text())
    whole = {"date": str(today), "kind": "ordinary", "phases": {"continuous": [["00:00:00", "23:59:00"]]}}
    kept = [each for each in content["special_sessions"] if each["date"] != str(today)]
    content["special_sessions"] = [*kept, {**content["special_sessions"][0], **whole, "status": "confirmed"}]
    (tmp_path / "calendar.json").write_text(json.dumps(content))
    calendar = TradingCalendar.load(tmp_path / "calendar.json")
    archives = build(ROOT / "files" / "functions", tmp_path / "zip", [calendar], today, [SBIN, INFY])
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    topic = boto3.client("sns").create_topic(Name="feed")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="feed")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    with serving(tmp_path / "exchange", "--rate-limits", "none") as ready:
        state = StateDir(tmp_path / "exchange")
        token = Tokens(state, SystemClock()).mint_access_token()
        boto3.client("ssm").put_parameter(
            Name=NAMES.parameter("access_token"), Value=token, Type="SecureString", Overwrite=True
        )
        common = {"TOPIC": topic, "BUCKET": BUCKET, "FEED_PREFIX": "feed/"}
        ways = {"HTTPS_PROXY": ready["proxy"], "NO_PROXY": "127.0.0.1,localhost", "SSL_CERT_FILE": ready["ca"]}
        asks = {"APP_ID": state.app().app_id, "PREFIX": NAMES.parameter_prefix, "MAIL_EACH": "false"}
        make_function("ingestion", archives["ingestion"], common | ways | asks)
        make_function("etl", archives["etl"], common | {"NAME": NAMES.function("etl")})
        yield Deployed(queue, token)


def make_function(name: str, archive: Path, variables: dict[str, str]) -> None:
    role = boto3.client("iam").create_role(RoleName=f"of-{name}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=NAMES.function(name),
        Runtime="python3.12",
        Role=role,
        Handler=f"{name}.handler",
        Code={"ZipFile": archive.read_bytes()},
        Environment={"Variables": variables},
        Timeout=120,
    )
    settings = [{"name": NAMES.function(name), "log_group": NAMES.function_log_group(name)}]
    ensure_settings(Account(REGION), settings, NAMES.tags, log_days=30)


def keys(prefix: str) -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"feed/{prefix}")
    return [each["Key"].removeprefix("feed/") for each in found.get("Contents", ())]


def test_a_round_and_the_tables_of_the_day_by_functions_alone(deployed: Deployed) -> None:
    now = datetime.now(INDIA)
    asked = deployed.call("ingestion", {"now": now.isoformat()})
    assert (asked["session"], asked["failed_symbols"], asked["successful_symbols"]) == (True, {}, 2)
    assert keys("Raw data/") == [asked["file"]]
    raw = json.loads(boto3.client("s3").get_object(Bucket=BUCKET, Key=f"feed/{asked['file']}")["Body"].read())
    assert set(raw["data"]) == {SBIN, INFY} and raw["metadata"]["failed_symbols"] == []

    answer = deployed.call("etl", {"date": str(now.date())})
    whole = {
        symbol: [row for row in of["candles"] if row[0] + 300 + LATE_S <= _seconds(of["timestamp"])]
        for symbol, of in raw["data"].items()
    }
    assert answer["total_records"] == sum(map(len, whole.values()))
    assert answer["symbols"] == sorted(symbol[4:-3] for symbol, rows in whole.items() if rows)
    listing = keys("analytics/")
    assert len(listing) == answer["uploaded_files"] == len(answer["symbols"])
    assert deployed.call("etl", {"date": str(now.date())})["uploaded_files"] == 0
    assert keys("analytics/") == listing
    assert deployed.subjects() == ["Lightweight ETL Success"] * 2
    for function in ("ingestion", "etl"):
        assert deployed.token not in logs(function) and deployed.token.split(".")[2] not in logs(function)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


def logs(function: str) -> str:
    group = NAMES.function_log_group(function)
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return "\n".join(event["message"] for page in pages for event in page["events"])
