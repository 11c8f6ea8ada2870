"""A host with a price feed: its journal by hand, its settings, and a bucket of moto in this process."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from tests.journals import DAY, HandClock
from tests.sdk.conftest import start  # noqa: F401  # a fixture: the exchange
from tests.storage.lake.candles import CandleRecorder

from harvester.calendar import TradingCalendar
from harvester.config.file import load_settings
from harvester.config.settings import Settings
from harvester.lake.close import Closing, close_day, expect_day
from harvester.lake.layout import Partition
from harvester.price_feed.feed import DayResult, PriceFeed
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.raw import deliver_raw
from harvester.upload.bucket import open_client

REGION = "ap-south-1"
NUMBERS = count(1)
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """S3 in this process, under the delivery's own client."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield open_client(REGION, None)


@dataclass
class FeedHost:
    """A host whose delivery goes to a bucket of its own, below a prefix."""

    root: Path
    client: Any
    bucket: str
    host_id: str = "lab1"
    changes: dict[str, Any] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)

    @property
    def settings(self) -> Settings:
        content = {
            "host_id": self.host_id,
            "data_dir": str(self.root),
            "symbols": [SBIN, INFY],
            "broker": {"app_id": "ABCDE12345-100"},
            "feeds": ["fyers-history"],
            "deliveries": [{"name": "price-feed", "kind": "price-feed", "place": f"s3://{self.bucket}/"}],
        }
        path = self.root / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content | self.changes))
        return load_settings(path)

    @property
    def calendar(self) -> TradingCalendar:
        return TradingCalendar.load(self.settings.calendar.file)

    def place(self) -> FeedBucket:
        (delivery,) = self.settings.deliveries
        return FeedBucket(self.client, delivery.bucket, delivery.prefix)

    def feed(self) -> PriceFeed:
        settings = self.settings
        return PriceFeed(settings, settings.deliveries[0], self.place(), self.clock)

    def deliver(self, day: date = DAY) -> DayResult:
        return self.feed().deliver_day(Partition(day, self.host_id))

    def deliver_raw(self, day: date = DAY) -> list[str]:
        """Keys of the raw files that there are afterwards."""
        (delivery,), partition = self.settings.deliveries, Partition(day, self.host_id)
        outcome = deliver_raw(self.settings, delivery, self.place(), partition, self.clock)
        assert outcome.problems == []
        return self.keys("Raw data/")

    def recorder(self, **options: Any) -> CandleRecorder:
        return CandleRecorder(self.root / "journal", self.clock, **options)

    def close(self, day: date = DAY, **options: Any) -> Closing:
        settings = self.settings
        return close_day(
            journal=settings.journal_dir,
            lake=settings.lake_dir,
            partition=Partition(day, self.host_id),
            expectation=expect_day(settings, self.calendar, day),
            now_ns=self.clock.now_ns,
            **options,
        )

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", ())]

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def text(self, symbol: str, day: date = DAY) -> str:
        """The CSV in force of a symbol as its key has it."""
        (key,) = self.keys(f"analytics/csv/symbol={symbol}/year={day:%Y}/month={day:%m}/day={day:%d}/")
        return gzip.decompress(self.get(key)).decode()

    def table(self, symbol: str, day: date = DAY) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(symbol, day), newline="")))

    def receipt(self, day: date = DAY, kind: str = "tables") -> dict[str, Any]:
        folder = self.root / "deliveries" / "price-feed" / kind
        return json.loads((folder / f"{day}_{self.host_id}.json").read_bytes())


@pytest.fixture
def host(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> FeedHost:
    bucket = f"feed-{next(NUMBERS)}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setattr("harvester.upload.retries.TRIES", 2)
    return FeedHost(tmp_path, client, bucket)
