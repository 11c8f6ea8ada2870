"""An object put where there is nothing yet, and what the bucket says of it afterwards."""

from collections.abc import Callable
from typing import IO

from harvester.deliver.protocol import ForeignError, Item
from harvester.deliver.receipts import VerifiedObject, now
from harvester.upload.bucket import Bucket, Stored, matches
from harvester.upload.fingerprint import Fingerprint
from harvester.upload.retries import Retries
from harvester.upload.trouble import TakenError

HEADS = 3  # an answer can be garbled on its way; an object does not change


class ForeignObjectError(TakenError, ForeignError):
    """The bucket holds something else under a key of ours."""


def put_new(
    bucket: Bucket, retries: Retries, path: str, source: IO[bytes], content: Fingerprint, **headers: object
) -> Stored | None:
    """Put an object; `headers` as the SDK calls them. Returns what the bucket said that it stored.

    None: it did not say. Whatever is there already is left; `read_back` tells.
    """

    def put() -> Stored | None:
        try:
            return bucket.put(path, source, content, **headers)
        except TakenError:
            return None  # an earlier try or run put it, or another host

    return retries.retry(put)


def read_back(
    bucket: Bucket,
    retries: Retries,
    path: str,
    content: Fingerprint,
    is_same: Callable[[Stored, Fingerprint], bool] = matches,
) -> Stored:
    """The object as it is stored. After a lost answer to a put, the next one finds our own object.

    Raises ForeignObjectError when it is another one, AbsentError, TransientError, BucketError.
    """
    for _ in range(HEADS):
        seen = retries.retry(lambda: bucket.head(path))
        if is_same(seen, content):
            return seen
    raise ForeignObjectError(
        f"{bucket.place(path)} is another object than the file here: {seen.bytes} bytes with SHA-256"
        f" {seen.checksum or 'unknown'}, and {content.size} bytes with {content.checksum} are expected. Nothing was"
        " overwritten and nothing goes from here."
    )


def describe(item: Item, key: str, seen: Stored) -> VerifiedObject:
    """What a receipt says of an item that was seen under a key."""
    return VerifiedObject(
        item.path, item.bytes, item.sha256, key, seen.checksum or "", seen.etag, seen.version_id, now()
    )
