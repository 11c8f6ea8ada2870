"""The price feed of the functions ingestion and etl: its days, its bucket, and who is told."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.page.function import setting
from harvester.price_feed.feed_days import FeedDays
from harvester.price_feed.place import FeedBucket
from harvester.upload.bucket import open_client

DAYS = Path(__file__).with_name("feed.json")
CALLED_EVERY_NS = 300_000_000_000
"""Both are called every 5 minutes of each day, and know themselves when there is something to do."""


def feed_days() -> FeedDays:
    return FeedDays(json.loads(DAYS.read_bytes()))


def time_of(event: Mapping[str, Any]) -> datetime:
    """The schedule's time, a test's, or the clock's."""
    return datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)


def open_bucket() -> FeedBucket:
    """The feed's place; its client is new, because credentials of a copy of the function end."""
    client = open_client(None, os.environ.get("AWS_ENDPOINT_URL"))
    return FeedBucket(client, setting("BUCKET"), os.environ.get("FEED_PREFIX", ""))


def tell(subject: str, text: str) -> None:
    """Mail it, by the topic. Raises what SNS refuses with: the call counts as failed then, which an alarm tells of."""
    import boto3

    boto3.client("sns").publish(TopicArn=setting("TOPIC"), Subject=subject, Message=text)


def ns_of(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000
