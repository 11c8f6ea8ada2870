"""What AWS and its SDK say, as the one paragraph that a person reads: what happened, and what to do next."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from runbook.fleet.trouble import (
    EXPIRED_LOGIN,
    NO_CREDENTIALS,
    NO_PROFILE,
    QUOTAS,
    explain,
    explain_code,
    explain_result,
)

REFUSED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: ec2:RunInstances on resource: "
    "arn:aws:ec2:ap-south-1:123456789012:instance/* because no identity-based policy allows the action"
)
MAY_NOT = (
    "arn:aws:iam::123456789012:user/me may not call ec2:RunInstances on arn:aws:ec2:ap-south-1:123456789012:instance/*."
    " Have the account's administrator allow it (README of inventory/aws lists what is needed), then run the same"
    " command again: it goes on."
)
CONCURRENCY = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its"
    " minimum value of [10]."
)
WHERE = " Is aws_account_region a region of AWS, such as ap-south-1, and is the network up?"
EXPIRED = EXPIRED_LOGIN.format(profile=" --profile work")


def client_error(code: str, message: str = "no", operation: str = "RunInstances") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Unanswered(BotoCoreError):  # type: ignore[misc]
    """An error of botocore that has no paragraph of its own."""

    fmt = "  it was\n long:  {words}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), NO_CREDENTIALS),
        (PartialCredentialsError(provider="env", cred_var="secret"), NO_CREDENTIALS),
        (CredentialRetrievalError(provider="process", error_msg="x"), NO_CREDENTIALS),
        (SSOTokenLoadError(error_msg="x"), EXPIRED),
        (UnauthorizedSSOTokenError(), EXPIRED),
        (TokenRetrievalError(provider="sso", error_msg="x"), EXPIRED),
        (ProfileNotFound(profile="x"), f"The config profile (x) could not be found. {NO_PROFILE}"),
        (
            EndpointConnectionError(endpoint_url="https://ec2.mumbai.amazonaws.com/"),
            f'Could not connect to the endpoint URL: "https://ec2.mumbai.amazonaws.com/".{WHERE}',
        ),
        (ConnectTimeoutError(endpoint_url="https://x"), f'Connect timeout on endpoint URL: "https://x".{WHERE}'),
        (NoRegionError(), f"You must specify a region.{WHERE}"),
        (
            InvalidRegionError(region_name="-"),
            f"Provided region_name '-' doesn't match a supported format.{WHERE}",
        ),
        (client_error("ExpiredToken"), EXPIRED),
        (client_error("UnauthorizedOperation", REFUSED), MAY_NOT),
        (client_error("SomethingNew", " what\nit says. "), "AWS refused RunInstances with SomethingNew: what it says."),
        (ClientError({}, "RunInstances"), "AWS refused RunInstances with no code: ."),
        (
            ResponseParserError("Unable to parse <html>"),
            "What answered is not AWS: a proxy, or a login page of this network, perhaps. Look there, then try again.",
        ),
        (Unanswered(words="x" * 400), f"it was long: {'x' * 400}"[:300]),
        (ValueError("of ours. ."), "of ours"),
    ],
)
def test_an_error_of_the_sdk_becomes_one_paragraph(error: Exception, said: str) -> None:
    assert explain(error, "work") == said


@pytest.mark.parametrize(
    ("code", "message", "operation", "said"),
    [
        ("ExpiredToken", "x", "", EXPIRED_LOGIN.format(profile="")),
        (
            "InvalidClientTokenId", "x", "",
            "AWS does not know this access key. Is it deleted? Look with `aws sts get-caller-identity`.",
        ),
        (
            "AccessDenied", "Access Denied", "PutObject",
            "This login may not call PutObject. Have the account's administrator allow it (README of inventory/aws"
            " lists what is needed), then run the same command again: it goes on.",
        ),
        (
            "AccessDenied", "Access Denied", "",
            "This login may not call this action. Have the account's administrator allow it (README of inventory/aws"
            " lists what is needed), then run the same command again: it goes on.",
        ),
        (
            "OptInRequired", "x", "",
            "This region is not switched on in the account. Switch it on in the console, or choose ap-south-1.",
        ),
        (
            "BucketAlreadyExists", "The name\nis taken.", "CreateBucket",
            "The bucket's name is taken by another account: The name is taken. Bucket names are shared by the whole"
            " world; put a name of your own in aws_account_bucket, then run it again.",
        ),
        (
            "InvalidParameterValueException", CONCURRENCY, "PutFunctionConcurrency",
            "The account may run too few functions at a time to reserve some for the token page: new accounts have 10."
            " Ask for more in the console under Service Quotas (Lambda, concurrent executions), or set"
            " aws_functions_page_concurrency: 0; then run it again.",
        ),
        (
            "RequestLimitExceeded", "x", "RunInstances",
            "AWS asks for slower calls at RunInstances, even after retries. Run it again: it goes on.",
        ),
        ("Throttling", "x", "", "AWS asks for slower calls at a call, even after retries. Run it again: it goes on."),
        ("", "it says", "", "AWS refused a call with no code: it says."),
        ("New", "y" * 400, "Act", f"AWS refused Act with New: {'y' * 300}."),
    ],
)  # fmt: skip
def test_a_code_of_aws_becomes_one_paragraph(code: str, message: str, operation: str, said: str) -> None:
    assert explain_code(code, message, operation) == said


@pytest.mark.parametrize(("code", "also_login"), [("RequestTimeTooSkewed", False), ("RequestExpired", True)])
def test_a_clock_that_is_off_is_no_expired_login(code: str, also_login: bool) -> None:
    said = explain_code(code, "x")

    assert said.startswith("This call is signed with another time than AWS's own. Is the clock of this machine right?")
    assert ("aws sso login" in said) is also_login


@pytest.mark.parametrize("code", QUOTAS)
@pytest.mark.parametrize("operation", ["", "RunInstances"])
def test_a_quota_that_is_used_up_is_named_with_where_to_ask_for_more(code: str, operation: str) -> None:
    assert explain_code(code, "You have 0.", operation) == (
        f"AWS refuses {operation or 'this'}: {QUOTAS[code]} of the account is used up (You have 0). Ask for more in"
        " the console under Service Quotas, or remove what is not needed, then run it again: it goes on."
    )


def denied_words() -> str:
    return (
        "Failed to create: An error occurred (UnauthorizedOperation) when calling the RunInstances operation: "
        + REFUSED
    )


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            {"results": [{"changed": True}, {"failed": True, "msg": denied_words()}, {"failed": True, "msg": "x"}]},
            MAY_NOT,
        ),
        ({"msg": "of all", "results": [{"changed": True}, "no mapping"]}, "of all"),
        (
            {"msg": "x", "error": {"code": "SomethingNew", "message": "You have 0"}},
            "AWS refused a call with SomethingNew: You have 0.",
        ),
        ({"msg": "x", "error": {"code": "SomethingNew"}}, "AWS refused a call with SomethingNew: ."),
        ({"msg": "of\n it", "error": {"message": "without a code"}}, "of it"),
        ({"msg": "of it", "error": "no mapping"}, "of it"),
        (
            {"msg": "An error occurred (New) when calling the Act operation (reached 4 retries): of\n AWS"},
            "AWS refused Act with New: of AWS.",
        ),
        ({"msg": "Couldn't connect to AWS: Unable to locate credentials"}, NO_CREDENTIALS),
        ({"msg": "Error loading SSO Token"}, EXPIRED_LOGIN.format(profile="")),
        ({"msg": "Token has expired and refresh from sso failed"}, EXPIRED_LOGIN.format(profile="")),
        (
            {"msg": "The config profile (x) could\n not be found"},
            f"The config profile (x) could not be found. {NO_PROFILE}",
        ),
        ({}, "no reason was given"),
    ],
)
def test_a_failed_module_of_a_collection_is_explained_too(result: dict[str, object], said: str) -> None:
    assert explain_result(result) == said


def test_a_failed_command_of_ours_is_explained_by_its_own_words() -> None:
    failed = {"msg": "non-zero return code", "rc": 1}
    traceback = "Traceback (most recent call last):\n  File x\nKeyError: 'us_equity'\n"

    assert explain_result(failed | {"stderr": "harvester_market is 'uk'.\n Write one.\n"}) == (
        "harvester_market is 'uk'. Write one."
    )
    assert explain_result(failed | {"stderr": traceback}) == "KeyError: 'us_equity'"
    assert explain_result(failed | {"stderr": ""}) == "non-zero return code"
    assert explain_result({"msg": "a module's", "rc": 0, "stderr": "a warning"}) == "a module's"
