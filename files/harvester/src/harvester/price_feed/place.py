"""The feed's bucket: what the uploader may do, and besides, below analytics/ alone, list and delete."""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harvester.base.errors import HarvesterError
from harvester.price_feed.layout import ANALYTICS
from harvester.upload.bucket import Bucket, open_client
from harvester.upload.trouble import Words, explained

if TYPE_CHECKING:  # functions carry this file without what settings need
    from harvester.config.deliveries import DeliverySettings

WORDS = Words(
    bucket="the delivery's place",
    region="the delivery's region",
    rights="s3:PutObject, s3:GetObject, s3:ListBucket and, for what a correction supersedes, s3:DeleteObject",
)


class FeedBucket(Bucket):
    """Objects below the place, named by their keys there."""

    words = WORDS

    def list(self, folder: str) -> Iterator[str]:
        """What lies in a folder. Raises TransientError, BucketError."""
        with explained(self.place(f"{folder}/"), self.words):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=self.key(f"{folder}/")
            )
            for page in pages:
                yield from (found["Key"].removeprefix(self.prefix) for found in page.get("Contents", ()))

    def read(self, path: str) -> bytes:
        """The content of an object. Raises AbsentError, TransientError, BucketError."""
        with explained(self.place(path), self.words):
            content: bytes = self.client.get_object(Bucket=self.name, Key=self.key(path))["Body"].read()
            return content

    def delete(self, path: str) -> None:
        """Delete what was superseded; a bucket with versions keeps it. Raises TransientError, BucketError."""
        if not path.startswith(f"{ANALYTICS}/"):
            raise HarvesterError(
                f"{self.place(path)}: a delivery deletes below {ANALYTICS}/ alone. Report this defect."
            )
        with explained(self.place(path), self.words):
            self.client.delete_object(Bucket=self.name, Key=self.key(path))


class _Late:
    """A client that is made when it is first asked for something: most runs find nothing to bring."""

    def __init__(self, settings: "DeliverySettings") -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Any:
        endpoint = self._settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        return open_client(self._settings.region, endpoint)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def open_place(settings: "DeliverySettings") -> FeedBucket:
    """The bucket of a delivery."""
    return FeedBucket(_Late(settings), settings.bucket, settings.prefix)
