"""Objects that the uploader verified, day by day: they are not asked for again, and a person sees what is verified.

`<data_dir>/uploads/<date>_<host>.json`. Clean-up, which has no network, does not accept these. For ten minutes it
accepts the attestation, `attested.json`: the removable files of the lake that were in the bucket, each asked for.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.lake.cleanup import removable
from harvester.lake.layout import Partition, find_partitions
from harvester.lake.manifest import FileEntry, load_manifest
from harvester.upload.bucket import Bucket, matches
from harvester.upload.fingerprint import take_file
from harvester.upload.retries import Retries
from harvester.upload.trouble import AbsentError

FORMAT = 1
ATTESTED_NAME = "attested.json"


@dataclass(frozen=True)
class VerifiedObject:
    """One object as it was seen in the bucket; `checksum` is S3's own, in base64."""

    path: str
    bytes: int
    sha256: str
    key: str
    checksum: str
    etag: str
    version_id: str | None
    verified_at: str


@dataclass
class DayReceipt:
    """The verified objects of one day of one host. `manifest` is the self hash of the manifest that is up as well."""

    date: str
    host: str
    home: str
    manifest: str | None = None
    files: dict[str, VerifiedObject] = field(default_factory=dict)

    def covers(self, path: str, sha256: str) -> bool:
        """Whether this content of this file was verified."""
        return path in self.files and self.files[path].sha256 == sha256


def now() -> str:
    """The time as receipts state it: ISO, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def receipt_path(folder: Path, partition: Partition) -> Path:
    """Where the receipt of a day lies."""
    return folder / f"{partition.date.isoformat()}_{partition.host}.json"


def load(folder: Path, partition: Partition, home: str) -> DayReceipt:
    """The receipt of a day; an empty one when there is none, when it is of another place, or cannot be read.

    A receipt only saves work: without it everything is put again, and found to be there.
    """
    try:
        value = json.loads(receipt_path(folder, partition).read_bytes())
        if (value.pop("format"), value["home"]) == (FORMAT, home):
            files = {row["path"]: VerifiedObject(**row) for row in value.pop("files")}
            return DayReceipt(**value, files=files)
    except (OSError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        pass
    return DayReceipt(partition.date.isoformat(), partition.host, home)


def save(folder: Path, partition: Partition, receipt: DayReceipt) -> None:
    """Write a day's receipt. Raises HarvesterError when the folder cannot be written."""
    rows = [asdict(verified) for _, verified in sorted(receipt.files.items())]
    write(receipt_path(folder, partition), {"format": FORMAT, **asdict(receipt), "files": rows})


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace a receipt as a whole, durably. Raises HarvesterError when that is refused."""
    try:
        make_directory(path.parent)
        replace_file(path, json.dumps(content, indent=1) + "\n", 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the upload's receipt cannot be written ({error.strerror}). Run the command as the user that owns"
            f" {path.parent}; what is in the bucket stays, and is found there by the next run."
        ) from error


def attest(lake: Path, bucket: Bucket, retries: Retries) -> list[FileEntry]:
    """The removable files here whose objects have the content of the file now; one request a file.

    Raises HarvesterError when a manifest is damaged or the bucket cannot be asked.
    """
    return [entry for entry in _candidates(lake) if _is_there(lake / entry.path, entry, bucket, retries)]


def _candidates(lake: Path) -> Iterator[FileEntry]:
    for partition in find_partitions(lake):
        manifest = load_manifest(lake, partition)
        yield from (entry for entry in removable(manifest) if (lake / entry.path).exists()) if manifest else ()


def _is_there(path: Path, entry: FileEntry, bucket: Bucket, retries: Retries) -> bool:
    try:
        content = take_file(path, bucket.sizes)
        if (content.size, content.sha256) != (entry.bytes, entry.sha256):
            return False
        return matches(retries.retry(lambda: bucket.head(entry.path)), content)
    except (AbsentError, OSError):
        return False


def write_attested(folder: Path, host: str, bucket: Bucket, files: list[FileEntry], seen_from: str) -> Path:
    """Write the receipt that clean-up reads; `seen_from` is when the first request began. Returns its path."""
    path = folder / ATTESTED_NAME
    rows = [{"path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256} for entry in files]
    content = {"format": FORMAT, "host": host, "home": bucket.home, "verified_at": seen_from, "files": rows}
    write(path, content)
    return path
