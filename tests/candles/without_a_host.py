"""The price feed's two functions as built, on a moved clock, between the exchange and an account of moto's."""

import gzip
import importlib
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from tests.candles.conftest import REGION

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import INDIA
from harvester.calendar import TradingCalendar
from runbook.aws.archives import build

ROOT = Path(__file__).resolve().parents[2]
ETL = "alpha-harvester-lab-etl"
TOKEN = "/alpha-harvester/lab/fyers/access-token"
EVERY = timedelta(minutes=5)


@dataclass
class Feed:
    """Calls the functions as their schedules do. `letters` are subject and text of each mail."""

    modules: dict[str, ModuleType]
    server: Any
    client: Any
    bucket: str
    queue: str
    patch: pytest.MonkeyPatch

    def move(self, moment: datetime) -> None:
        """Set the exchange's clock."""
        self.server.clock.move(moment.timestamp() - self.server.clock.wall_ns() / NS_PER_SECOND)

    def ask(self, moment: datetime) -> dict[str, Any]:
        """A call of ingestion, at that time of the exchange's clock."""
        self.move(moment)
        return self.modules["ingestion"].handler({"now": moment.isoformat()}, None)

    def ask_until(self, moment: datetime, last: datetime) -> list[dict[str, Any]]:
        """The calls of ingestion from one time to another, both included, that were of a session."""
        answers = []
        while moment <= last:
            answers.append(self.ask(moment))
            moment += EVERY
        return [answer for answer in answers if answer["session"]]

    def etl(self, **event: Any) -> dict[str, Any]:
        return self.modules["etl"].handler(event, None)

    def letters(self) -> list[tuple[str, str]]:
        sqs = boto3.client("sqs", region_name=REGION)
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in found]
        return [(body["Subject"], body["Message"]) for body in bodies]

    def push(self, token: str) -> None:
        boto3.client("ssm", region_name=REGION).put_parameter(
            Name=TOKEN, Value=token, Type="SecureString", Overwrite=True
        )

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def raw(self, key: str) -> dict[str, Any]:
        return json.loads(self.get(key))

    def table(self, symbol: str, day: date) -> list[list[str]]:
        (key,) = self.keys(f"analytics/csv/symbol={symbol}/year={day:%Y}/month={day:%m}/day={day:%d}/")
        lines = gzip.decompress(self.get(key)).decode().split("\r\n")[1:-1]
        return [line.split(",") for line in lines]


def at(day: date, text: str) -> datetime:
    """A time in India."""
    return datetime.fromisoformat(f"{day} {text}").replace(tzinfo=INDIA)


@contextmanager
def unpacked(folder: Path, archives: dict[str, Path]) -> Iterator[dict[str, ModuleType]]:
    """The handlers, imported from the archives' own files beside the checkout's harvester."""
    names, found = ("ingestion", "etl"), {}
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            zipfile.ZipFile(archives[name]).extractall(folder / name)
            for file in ("ingestion", "etl", "feed"):
                sys.modules.pop(file, None)
            with patch.context() as path:
                path.syspath_prepend(str(folder / name))
                found[name] = importlib.import_module(name)
        yield found
    for file in (*names, "feed"):
        sys.modules.pop(file, None)


def account(patch: pytest.MonkeyPatch, client: Any, bucket: str) -> str:
    """Environment, topic and bucket of the functions; the queue behind the topic."""
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    topic = boto3.client("sns", region_name=REGION).create_topic(Name=bucket)["TopicArn"]
    sqs = boto3.client("sqs", region_name=REGION)
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns", region_name=REGION).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    ssm = boto3.client("ssm", region_name=REGION)
    for name in (TOKEN, "/alpha-harvester/lab/price-feed/state"):
        ssm.delete_parameters(Names=[name])
    values = {"TOPIC": topic, "BUCKET": bucket, "FEED_PREFIX": "", "PREFIX": "/alpha-harvester/lab", "NAME": ETL}
    for name, value in {**values, "AWS_DEFAULT_REGION": REGION, "MAIL_EACH": "false"}.items():
        patch.setenv(name, value)
    return queue


def built(folder: Path, calendar: Path, *symbols: str) -> dict[str, Path]:
    sources = ROOT / "files" / "functions"
    return build(sources, folder, [TradingCalendar.load(calendar)], date(2026, 11, 20), symbols)
