"""What S3 answers when it does not do what was asked: worth another try, or a matter for a person.

Codes: Amazon S3 API reference, "Error responses".
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from harvester.base.errors import HarvesterError

TRANSIENT = frozenset(
    {
        "400",  # all that the answer to HEAD tells of a RequestTimeout
        "BadDigest", "ConditionalRequestConflict", "IncompleteBody", "InternalError", "InvalidPart", "NoSuchUpload",
        "OperationAborted", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
        "ThrottlingException", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch",
    }
)  # fmt: skip
TAKEN = frozenset({"PreconditionFailed", "412"})
ABSENT = frozenset({"NoSuchKey", "404"})
ADVICE = (
    ({"AccessDenied", "403"}, "The credentials here do not allow this. It needs s3:PutObject to upload, s3:GetObject "
     "to verify, s3:ListBucket and s3:GetObject to pull; on a host they come from the instance's role."),
    ({"NoSuchBucket"}, "There is no such bucket. Correct upload.bucket in harvester_settings, or run site.yml."),
    ({"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"},
     "The bucket is in another region. Correct upload.region in harvester_settings."),
    ({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"},
     "The credentials are not valid, or no longer. Log in to AWS again; on a host, look at the instance's role."),
    ({"RequestTimeTooSkewed"}, "The clock here is more than 15 minutes off. Correct it; `chronyc tracking` shows it."),
)  # fmt: skip


class BucketError(HarvesterError):
    """S3 refused, for a reason that asking again does not change."""


class TransientError(BucketError):
    """S3 could not be asked, or could not answer; asking again may help."""


class TakenError(BucketError):
    """There is an object under the key already, or another one than expected."""


class AbsentError(BucketError):
    """There is no object under the key."""


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn whatever the SDK raises about `place`, such as s3://bucket/key, into one of the errors above."""
    try:
        yield
    except ClientError as error:
        raise explain(str(error.response.get("Error", {}).get("Code", "")), str(error), place) from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise BucketError(
            f"{place}: {error}. On a host the instance's role gives them; elsewhere set AWS_PROFILE or log in to AWS."
        ) from None
    except NoRegionError:
        raise BucketError(f"{place}: no AWS region is known. Set upload.region in harvester_settings.") from None
    except (ConnectionError, HTTPClientError, CredentialRetrievalError, ResponseParserError, OSError) as error:
        raise TransientError(f"{place}: {error}. Is the network up? It is tried again.") from None
    except BotoCoreError as error:
        raise BucketError(f"{place}: {error}") from None


def explain(code: str, message: str, place: str) -> BucketError:
    """The error for an answer of S3; `code` is its own, or the HTTP status where the answer has no body."""
    if code in TAKEN:
        return TakenError(f"{place}: another object is there already.")
    if code in ABSENT:
        return AbsentError(f"{place}: there is no such object.")
    if code in TRANSIENT or code.startswith("5"):
        return TransientError(f"{place}: {message}. It is tried again.")
    advice = next((text for codes, text in ADVICE if code in codes), "Look up this code in the S3 documentation.")
    return BucketError(f"{place}: {message}. {advice}")
