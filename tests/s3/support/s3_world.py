"""A bucket behind the faulty proxy, lakes to upload to it, and a look behind the proxy's back."""

from itertools import count
from pathlib import Path
from typing import Any

import fault_proxy
import pytest
from made_lake import LakeMaker, trading_days
from moto.s3.models import s3_backends

from harvester.config.settings import UploadSettings
from harvester.upload import bucket
from harvester.upload.bucket import Bucket, open_client
from harvester.upload.retries import Retries
from harvester.upload.uploader import DayOutcome, Uploader
from runbook.pull.bucket import BucketLake

REGION = "ap-south-1"
NUMBERS = count(1)
STALL_SECONDS = 2.5
"""How long a stalled answer takes: a little longer than clients wait for one."""


class S3:
    """moto through the proxy, and directly; clients are dear, so all tests share them."""

    def __init__(self, proxy: fault_proxy.Proxy) -> None:
        self.proxy = proxy
        self.direct = open_client(REGION, "http://{}:{}".format(*proxy.target))
        self.direct.list_buckets()  # moto loads what it needs at the first call, which takes seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bucket, "READ_SECONDS", STALL_SECONDS - 0.5)
            self.client = open_client(REGION, proxy.url)


class World:
    """One bucket, reached through the proxy (`bucket`) or behind its back (`direct`)."""

    def __init__(self, folder: Path, s3: S3) -> None:
        self.folder, self.proxy, self.direct = folder, s3.proxy, s3.direct
        self.proxy.reset()
        self.name = f"test-{next(NUMBERS)}"
        self.settings = UploadSettings(bucket=self.name, region=REGION, endpoint_url=s3.proxy.url)
        self.bucket = Bucket(s3.client, self.name, self.settings.prefix)
        self.direct.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.direct.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.waited: list[float] = []
        self.uploads = folder / "uploads"

    def lake(self, days: int = 2, host: str = "lab1", raw_bytes: int = 20_000) -> LakeMaker:
        maker = LakeMaker(self.folder / f"{host}-data" / "lake", host, raw_bytes)
        for day in trading_days(days):
            maker.add_day(day)
        return maker

    def patience(self, total: float = 900) -> Retries:
        """Retries whose pauses are only noted."""
        return Retries(total, self.waited.append)

    def upload(self, lake: LakeMaker, patience: Retries | None = None) -> list[DayOutcome]:
        return Uploader(lake.root, self.uploads, self.bucket, patience or self.patience()).upload()

    def reader(self) -> BucketLake:
        """The bucket as a pull reads it."""
        return BucketLake(self.bucket.client, self.name, self.bucket.prefix, self.patience())

    def original(self, path: str) -> bytes:
        return self.get(self.bucket.key(path))

    def spoil(self, path: str, content: bytes) -> bytes:
        """Change what lies in the bucket as a failing disk does: ETag, checksum and time stay. The old bytes return."""
        key = s3_backends["123456789012"]["aws"].buckets[self.name].keys[self.bucket.key(path)]
        key._value_buffer.seek(0)
        before = bytes(key._value_buffer.read())
        key._value_buffer.seek(0)
        key._value_buffer.truncate()
        key._value_buffer.write(content)
        key.contentsize = len(content)
        return before

    def stored(self, host: str = "") -> dict[str, bytes]:
        """Every object, or every one of a host, by its path, as it is in the bucket."""
        pages = self.direct.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [row["Key"] for page in pages for row in page.get("Contents", []) if f"host={host}" in row["Key"]]
        return {key.removeprefix(self.bucket.prefix): self.get(key) for key in keys}

    def get(self, key: str) -> bytes:
        return bytes(self.direct.get_object(Bucket=self.name, Key=key)["Body"].read())

    def put(self, path: str, content: bytes) -> None:
        """Another writer's object under one of our keys."""
        self.direct.put_object(Bucket=self.name, Key=self.bucket.key(path), Body=content)

    def versions(self) -> list[dict[str, Any]]:
        """Every version and delete marker there ever was."""
        answer = self.direct.list_object_versions(Bucket=self.name)
        return [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
