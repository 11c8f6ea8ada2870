"""What S3 answers when it does not do what was asked: worth another try, or a matter for a person.

Codes: Amazon S3 API reference, "Error responses".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from harvester.base.aws_errors import advise, cause_of, cause_of_code
from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import ItemError

TRANSIENT = frozenset(
    {
        "400",  # all that the answer to HEAD tells of a RequestTimeout
        "BadDigest", "ConditionalRequestConflict", "IncompleteBody", "InternalError", "InvalidPart", "NoSuchUpload",
        "OperationAborted", "RequestTimeout", "ServiceUnavailable", "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)  # fmt: skip
TAKEN = frozenset({"PreconditionFailed", "412"})


class Words(NamedTuple):
    """What a sentence calls the settings of a bucket, and the rights on it."""

    bucket: str
    region: str
    rights: str


UPLOAD = Words(
    "upload.bucket",
    "upload.region",
    "s3:PutObject to upload, s3:GetObject to verify, s3:ListBucket and s3:GetObject to pull",
)


class BucketError(HarvesterError):
    """S3 refused, for a reason that asking again does not change."""


class TransientError(BucketError, ItemError):
    """S3 could not be asked, or could not answer; asking again may help."""


class TakenError(BucketError):
    """There is an object under the key already, or another one than expected."""


class AbsentError(BucketError, ItemError):
    """There is no object under the key."""


@contextmanager
def explained(place: str, words: Words = UPLOAD) -> Iterator[None]:
    """Turn whatever the SDK raises about `place`, such as s3://bucket/key, into one of the errors above."""
    try:
        yield
    except ClientError as error:
        raise explain(str(error.response.get("Error", {}).get("Code", "")), str(error), place, words) from None
    except (BotoCoreError, ResponseParserError, OSError) as error:
        raise _error(cause_of(error), str(error), place, words) from None


def explain(code: str, message: str, place: str, words: Words = UPLOAD) -> BucketError:
    """The error for an answer of S3; `code` is its own, or the HTTP status where the answer has no body."""
    if code in TAKEN:
        return TakenError(f"{place}: another object is there already.")
    if code == "NoSuchBucket":
        return BucketError(
            f"{place}: {message}. There is no such bucket. Correct {words.bucket} in harvester_settings, or run"
            " site.yml."
        )
    if code in TRANSIENT or code.startswith("5"):
        return TransientError(f"{place}: {message}. It is tried again.")
    return _error(cause_of_code(code), message, place, words)


def _error(cause: str, message: str, place: str, words: Words) -> BucketError:
    if cause == "missing":
        return AbsentError(f"{place}: there is no such object.")
    if cause in ("throttled", "network"):
        return TransientError(f"{place}: {message}. It is tried again.")
    return BucketError(f"{place}: {message}. {advise(cause, service='S3', rights=words.rights, region=words.region)}")
