"""The SDK's client on a bucket in this process, and a lake of a few bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.storage.upload import stand_in

from harvester.lake.layout import Partition
from harvester.lake.manifest import Manifest, describe_file, load_manifest, write_manifest
from harvester.upload.bucket import Bucket, open_client
from harvester.upload.retries import Retries
from harvester.upload.uploader import DayOutcome, Uploader

NAME = "market-data"
DAYS = (date(2026, 11, 19), date(2026, 11, 20))


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """One client for all tests: making it takes longer than they do."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield open_client("ap-south-1", "http://127.0.0.1:9")


@pytest.fixture
def s3(client: Any) -> Iterator[stand_in.Bucket]:
    """The bucket as S3 has it."""
    bucket = stand_in.Bucket(NAME)
    client.meta.events.register("before-send.s3", bucket.handle)
    yield bucket
    client.meta.events.unregister("before-send.s3", bucket.handle)


@pytest.fixture
def bucket(client: Any, s3: stand_in.Bucket) -> Bucket:
    """The bucket as the uploader sees it."""
    return Bucket(client, NAME, "lake/")


@dataclass
class Host:
    """A host's lake of two days, four small files each, and its uploader."""

    folder: Path
    bucket: Bucket
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for day in DAYS:
            self.write(day)

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def receipts(self) -> Path:
        return self.folder / "uploads"

    def partition(self, day: date = DAYS[0]) -> Partition:
        return Partition(day, "lab1")

    def path(self, kind: str, day: date = DAYS[0]) -> str:
        """A file, relative to the lake."""
        name = {"depth": "depth.parquet", "gaps": "gaps.parquet", "raw": "1-1.seg.zst"}.get(kind, f"{kind}.json")
        return (self.partition(day).path(kind) / name).as_posix()

    def write(self, day: date) -> None:
        for kind in ("depth", "gaps", "certificate", "raw"):
            file = self.lake / self.path(kind, day)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(f"{kind} of {day}".encode())
        self.reseal(day)

    def reseal(self, day: date = DAYS[0]) -> None:
        """A new generation of the manifest over the files that are here now."""
        partition = self.partition(day)
        before = load_manifest(self.lake, partition) or Manifest(day.isoformat(), "lab1", 0, "r1", (), ())
        files = tuple(
            describe_file(self.lake, path, 1)
            for kind in ("depth", "gaps", "certificate", "raw")
            for path in sorted((self.lake / partition.path(kind)).iterdir())
        )
        write_manifest(self.lake, partition, replace(before, generation=before.generation + 1, files=files))

    def retries(self, total: float = 900.0) -> Retries:
        """Whose pauses are only noted."""
        return Retries(total, self.waited.append)

    def upload(self, *partitions: Partition, total: float = 900.0) -> list[DayOutcome]:
        uploader = Uploader(self.lake, self.receipts, self.bucket, self.retries(total))
        return uploader.upload(list(partitions) or None)


@pytest.fixture
def host(tmp_path: Path, bucket: Bucket) -> Host:
    return Host(tmp_path, bucket)
