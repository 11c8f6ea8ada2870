"""The mailbox behind a place of the settings."""

from pathlib import Path

from harvester.workers.mailbox import FolderMailbox, Mailbox
from harvester.workers.rclone import Rclone, RcloneMailbox
from harvester.workers.settings import RcloneSettings


def open_mailbox(place: str, rclone: RcloneSettings, region: str | None = None) -> Mailbox:
    """/folder, s3://bucket/prefix or remote:folder. Nothing is asked of it yet. `region` is of buckets."""
    if place.startswith("/"):
        return FolderMailbox(Path(place))
    if place.startswith("s3://"):
        # botocore takes 28 MiB, which a host of 512 MiB spends on a bucket alone.
        from harvester.tokens.aws_stores import open_client
        from harvester.workers.bucket import BucketMailbox

        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        return BucketMailbox(open_client("s3", region), bucket, prefix)
    return RcloneMailbox(place, Rclone(rclone.program, rclone.config))
