"""The attestation for clean-up, `<data_dir>/uploads/attested.json`, beside the receipts of the upload.

Clean-up, which has no network, does not accept the receipts. For ten minutes it accepts the attestation: the removable
files of the lake that were in the bucket, each asked for.
"""

from collections.abc import Iterator
from pathlib import Path

from harvester.deliver.receipts import FORMAT, write
from harvester.lake.cleanup import removable
from harvester.lake.layout import find_partitions
from harvester.lake.manifest import FileEntry, load_manifest
from harvester.upload.bucket import Bucket, matches
from harvester.upload.fingerprint import take_file
from harvester.upload.retries import Retries
from harvester.upload.trouble import AbsentError

ATTESTED_NAME = "attested.json"


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
