"""Backups to their place: each dump once, read back by its checksum, and its manifest after it."""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from harvester.config.database import DatabaseSettings
from harvester.database.manifests import Backup, find, log_path, manifest_path
from harvester.deliver.protocol import Item, ItemError, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, save
from harvester.lake.layout import Partition
from harvester.upload.bucket import Bucket, open_client
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.retries import Retries
from harvester.upload.sending import describe, put_new, read_back
from harvester.upload.trouble import Words

WORDS = Words(
    bucket="database_backup's place",
    region="database_backup's region",
    rights="s3:PutObject and s3:GetObject below the place",
)
TYPES = {".gz": "application/gzip", ".json": "application/json", ".log": "text/plain; charset=utf-8"}


class BackupBucket(Bucket):
    """Objects below the place of the backups."""

    words = WORDS


@dataclass(frozen=True)
class FileItem(Item):
    """A file of the folder of backups."""

    source: Path


class BackupDelivery:
    """Delivers the backups of days. What is delivered once is never replaced."""

    def __init__(self, settings: DatabaseSettings, retries: Retries) -> None:
        self._settings, self._retries = settings, retries

    @cached_property
    def _bucket(self) -> BackupBucket:
        """Opened when something is brought: most runs find nothing."""
        endpoint = self._settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        client = open_client(self._settings.region, endpoint)
        return BackupBucket(client, self._settings.bucket, self._settings.prefix)

    def plan(self, day: Partition) -> Plan[FileItem]:
        """The dumps of a day that are complete here; their manifests come after them, and last what is said of them.

        So no log ever holds up a backup.
        """
        backups = [backup for backup in find(self._settings.folder) if backup.day == day.date]
        manifests = [self._file(manifest_path(*backup.name)) for backup in backups]
        logs = [
            self._file(log) for backup in backups if (self._settings.folder / (log := log_path(*backup.name))).exists()
        ]
        content = json.dumps([[item.path, item.sha256] for item in manifests])
        dumps = [
            FileItem(backup.path, backup.bytes, backup.sha256, self._settings.folder / backup.path)
            for backup in backups
        ]
        return Plan(seal=hashlib.sha256(content.encode()).hexdigest(), items=dumps, last=(*manifests, *logs))

    def put(self, item: FileItem) -> Fingerprint:
        """Put a file where nothing is yet. Raises ItemError where the file here is not what its manifest says."""
        try:
            with item.source.open("rb") as source:
                content = take(source, self._bucket.sizes)
                if (content.size, content.sha256) != (item.bytes, item.sha256):
                    raise ItemError(
                        f"{item.source}: the file is not what its manifest says, so it was not delivered. Remove it"
                        " with its manifest, and make the backup again."
                    )
                headers = {"ContentType": TYPES[item.source.suffix]}
                put_new(self._bucket, self._retries, item.path, source, content, **headers)
        except OSError as error:
            raise ItemError(f"{item.source}: cannot be read ({error.strerror}). Correct its owner or mode.") from error
        return content

    def verify(self, item: FileItem, sent: Fingerprint) -> VerifiedObject:
        """The object by the bucket's own checksum."""
        seen = read_back(self._bucket, self._retries, item.path, sent)
        return describe(item, self._bucket.key(item.path), seen)

    def receipt(self, day: Partition) -> DayReceipt:
        return load(self._settings.receipts, day, self._settings.home)

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self._settings.receipts, day, receipt)

    def _file(self, path: str) -> FileItem:
        """A small file as it is here."""
        source = self._settings.folder / path
        try:
            content = source.read_bytes()
        except OSError as error:
            raise ItemError(f"{source}: cannot be read ({error.strerror}). Correct its owner or mode.") from error
        return FileItem(path, len(content), hashlib.sha256(content).hexdigest(), source)


def receipt_of(settings: DatabaseSettings, day: date) -> DayReceipt:
    """What the place was seen to hold of a day, or a laptop has; empty where nothing is known."""
    return load(settings.receipts, Partition(day, settings.host_id), settings.home)


def is_proven(settings: DatabaseSettings, backup: Backup) -> bool:
    """Whether the place was seen to hold a backup, its manifest included; without a bucket, whether a laptop has it."""
    receipt = receipt_of(settings, backup.day)
    return receipt.covers(backup.path, backup.sha256) and manifest_path(*backup.name) in receipt.files


def newest_proven(settings: DatabaseSettings, before: date) -> date | None:
    """The last day before this one whose daily backup the place was seen to hold, or a laptop has."""
    days = []
    for path in settings.receipts.glob(f"*_{settings.host_id}.json"):
        try:
            day = date.fromisoformat(path.name.partition("_")[0])
        except ValueError:
            continue
        if day < before and manifest_path("daily", day) in receipt_of(settings, day).files:
            days.append(day)
    return max(days, default=None)
