"""What site.yml made in the account, and what the uploader put into its bucket, asked of AWS itself."""

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.config.settings import UploadSettings
from harvester.lake.manifest import FileEntry
from runbook.aws import environment
from runbook.aws.teardown import plan
from runbook.pull import bucket, receipt
from runbook.pull.bucket import BucketTransport
from runbook.pull.pull import Silent

UPLOADED_WITHIN_SECONDS = 60


def examine(root: Path, day: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Resources by kind, and for the files of a day's manifest how many the bucket holds with the same hash.

    Raises HarvesterError when the uploader does not bring the day to its end.
    """
    here = environment.load(root, None)
    with environment.reaching(here) as account:
        kinds = Counter(one.kind for one in plan(here.account, here.names, account))
        bucket = here.names.bucket(account)
        upload = UploadSettings(bucket=bucket, region=here.names.region)
        hosts = wait_for_manifest(upload, day)
        verified = sum(_count_verified(host, files) for host in hosts)
    return {
        "account": account,
        "resources": dict(sorted(kinds.items())),
        "bucket": bucket,
        "objects": len(files),
        "verified": verified,
    }


def find_delivery(root: Path, day: str) -> dict[str, Any]:
    """The price feed's files of a day in the account's bucket: tables by symbol, and raw answers."""
    here = environment.load(root, None)
    with environment.reaching(here) as account:
        s3, name = here.account.client("s3"), here.names.bucket(account)
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=name, Prefix="analytics/").get("Contents", ())]
        raw = s3.list_objects_v2(Bucket=name, Prefix=f"Raw data/Prices/{day}/").get("KeyCount", 0)
    year, month, of_month = day.split("-")
    part = f"/year={year}/month={month}/day={of_month}/"
    tables = sorted(key for key in keys if part in key)
    return {"tables": tables, "raw": raw}


def wait_for_manifest(upload: UploadSettings, day: str) -> list[BucketTransport]:
    """The hosts' parts of the bucket once the day's manifest is up, which comes last. HarvesterError after a while."""
    deadline = time.monotonic() + UPLOADED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        lake = bucket.open_lake(upload)
        found = lake.manifests()
        if any(f"/date={day}/" in path for manifests in found.values() for path in manifests):
            return [connect() for connect in bucket.connections(lake)]
        time.sleep(0.5)
    raise HarvesterError(
        f"s3://{upload.bucket} has no manifest of {day} after {UPLOADED_WITHIN_SECONDS} s. "
        "`./inv logs --unit harvester-upload` says why."
    )


def _count_verified(host: BucketTransport, files: list[dict[str, Any]]) -> int:
    """How many of the files of a manifest the bucket has with the size and the hash that it states."""
    wanted = [FileEntry(file["path"], file["bytes"], file["sha256"], file["rows"]) for file in files]
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        fetched = [file for file, trouble in host.fetch(wanted, Path(folder), Silent()) if trouble is None]
        return sum(receipt.holds(Path(folder) / file.path, file) for file in fetched)
