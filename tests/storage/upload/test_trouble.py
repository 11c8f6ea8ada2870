"""Each answer of S3: worth another try, an object that is there or not, or a matter for a person, with the advice."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from harvester.upload.trouble import AbsentError, BucketError, TakenError, TransientError, explain, explained

PLACE = "s3://b/lake/depth"
AGAIN = (
    "400", "500", "503", "BadDigest", "ConditionalRequestConflict", "IncompleteBody", "InternalError", "InvalidPart",
    "NoSuchUpload", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
    "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch",
)  # fmt: skip


@pytest.mark.parametrize("code", AGAIN)
def test_what_may_pass_is_tried_again(code: str) -> None:
    error = explain(code, f"An error occurred ({code})", PLACE)
    assert type(error) is TransientError
    assert str(error) == f"{PLACE}: An error occurred ({code}). It is tried again."


@pytest.mark.parametrize("code", ["412", "PreconditionFailed"])
def test_an_object_that_is_there_is_neither_a_fault_nor_tried_again(code: str) -> None:
    error = explain(code, "At least one of the preconditions failed", PLACE)
    assert type(error) is TakenError
    assert str(error) == f"{PLACE}: another object is there already."


@pytest.mark.parametrize("code", ["404", "NoSuchKey"])
def test_an_object_that_is_not_there_is_told_apart(code: str) -> None:
    error = explain(code, "Not Found", PLACE)
    assert type(error) is AbsentError
    assert str(error) == f"{PLACE}: there is no such object."


def test_a_bucket_that_is_not_there_is_for_a_person() -> None:
    error = explain("NoSuchBucket", "The specified bucket does not exist", PLACE)
    assert type(error) is BucketError
    assert str(error) == (
        f"{PLACE}: The specified bucket does not exist. There is no such bucket. Correct upload.bucket in"
        " harvester_settings, or run site.yml."
    )


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("403", "It needs s3:PutObject to upload, s3:GetObject to verify"),
        ("AccessDenied", "s3:ListBucket and s3:GetObject to pull; on a host the instance's role has it"),
        ("PermanentRedirect", "Correct upload.region in harvester_settings"),
        ("ExpiredToken", "The credentials are not valid any more"),
        ("NewSinceThen", "Look up this code in the S3 documentation."),
        ("", "Look up this code in the S3 documentation."),
    ],
)
def test_a_refusal_for_good_says_what_to_do(code: str, advice: str) -> None:
    error = explain(code, "as told", PLACE)
    assert type(error) is BucketError
    assert str(error).startswith(f"{PLACE}: as told. ") and advice in str(error)


def client_error(response: dict[str, object]) -> ClientError:
    return ClientError(response, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (client_error({"Error": {"Code": "SlowDown", "Message": "less"}}), TransientError, "(SlowDown) when calling"),
        (client_error({"Error": {"Code": 412}}), TakenError, "another object"),
        (client_error({}), BucketError, "An error occurred (Unknown) when calling the PutObject operation: Unknown"),
        (EndpointConnectionError(endpoint_url="http://s3"), TransientError, "Could not connect to the endpoint URL"),
        (ResponseParserError("no XML"), TransientError, "no XML. It is tried again."),
        (ConnectionResetError("reset"), TransientError, "reset. It is tried again."),
        (NoCredentialsError(), BucketError, "Log in to AWS"),
        (ParamValidationError(report="a parameter"), BucketError, "a parameter"),
        (BotoCoreError(), BucketError, "S3 documentation"),
    ],
)
def test_whatever_the_sdk_raises_becomes_one_of_ours(raised: Exception, kind: type[BucketError], said: str) -> None:
    with pytest.raises(BucketError) as caught, explained(PLACE):
        raise raised
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"{PLACE}: ") and said in str(caught.value)
    assert caught.value.__cause__ is None, "no traceback of the SDK behind it"


def test_what_is_no_answer_of_s3_passes() -> None:
    with pytest.raises(KeyError), explained(PLACE):
        raise KeyError("a defect of ours")
    with explained(PLACE):
        pass
