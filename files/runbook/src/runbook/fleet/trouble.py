"""AWS's errors in one paragraph: what happened, which action on which resource, and what to do next."""

import re
from collections.abc import Mapping
from typing import Any

from harvester.base.aws_errors import cause_of_code

QUOTAS = {
    "VcpuLimitExceeded": "the number of vCPUs (Running On-Demand Standard instances)",
    "InstanceLimitExceeded": "the number of instances",
    "AddressLimitExceeded": "the number of Elastic IP addresses",
    "TooManyBuckets": "the number of buckets",
    "LimitExceeded": "a quota",
    "LimitExceededException": "a quota",
    "ServiceQuotaExceededException": "a quota",
    "ResourceLimitExceeded": "a quota",
    "MaxSpotInstanceCountExceeded": "the number of spot instances",
    "VolumeLimitExceeded": "the size of all volumes",
    "SecurityGroupLimitExceeded": "the number of security groups",
}
ACTION = re.compile(r"not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z0-9]+)")
RESOURCE = re.compile(r"on resource:? (\S+)")
WHO = re.compile(r"User: (\S+)")
MAX_CHARACTERS = 300

NO_CREDENTIALS = (
    "No AWS credentials were found. Name your profile in aws_account_profile (./inv configure does), or log in with "
    "`aws configure sso` once and `aws sso login` each time; an access key in the environment works, too."
)
NO_PROFILE = "Correct aws_account_profile, or make the profile with `aws configure sso`."
EXPIRED_LOGIN = "The AWS login has expired. Run `aws sso login{profile}`, then the same command again: it goes on."

OTHER_TIME = (
    "This call is signed with another time than AWS's own. Is the clock of this machine right? Set it, best by NTP; "
    "then run the same command again: it goes on."
)
"""RequestExpired comes of an expired login as well: EC2 API reference, error codes."""


def failures() -> tuple[type[Exception], ...]:
    """What botocore raises when AWS cannot be asked, refuses, or something else answers in its place."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return BotoCoreError, ClientError, ResponseParserError


def explain(error: BaseException, profile: str = "") -> str:
    """One paragraph for an exception of botocore; any other exception's own words."""
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return NO_CREDENTIALS
    if "SSO" in kind or kind == "TokenRetrievalError":
        return EXPIRED_LOGIN.format(profile=f" --profile {profile}" if profile else "")
    if kind == "ProfileNotFound":
        return f"{_words(error)}. {NO_PROFILE}"
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "NoRegionError", "InvalidRegionError"):
        return f"{_words(error)}. Is aws_account_region a region of AWS, such as ap-south-1, and is the network up?"
    if kind == "ResponseParserError":
        return (
            "What answered is not AWS: a proxy, or a login page of this network, perhaps. Look there, then try again."
        )
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return explain_code(
            str(response.get("Error", {}).get("Code", "")),
            str(response.get("Error", {}).get("Message", "")),
            str(getattr(error, "operation_name", "")),
            profile,
        )
    return _words(error)


def explain_code(code: str, message: str, operation: str = "", profile: str = "") -> str:
    """One paragraph for AWS's error code and message."""
    words = " ".join(message.split())[:MAX_CHARACTERS].rstrip(". ")
    cause = cause_of_code(code)
    if cause == "denied":
        return _denied(words, operation)
    login = EXPIRED_LOGIN.format(profile=f" --profile {profile}" if profile else "")
    if cause == "expired":
        return login
    if cause == "clock":
        return f"{OTHER_TIME} {login}" if code == "RequestExpired" else OTHER_TIME
    if cause == "invalid":
        return "AWS does not know this access key. Is it deleted? Look with `aws sts get-caller-identity`."
    if code == "OptInRequired":
        return "This region is not switched on in the account. Switch it on in the console, or choose ap-south-1."
    if code == "BucketAlreadyExists":
        return (
            f"The bucket's name is taken by another account: {words}. Bucket names are shared by the whole world; put "
            "a name of your own in aws_account_bucket, then run it again."
        )
    if code in QUOTAS:
        return (
            f"AWS refuses {operation or 'this'}: {QUOTAS[code]} of the account is used up ({words}). Ask for more in "
            "the console under Service Quotas, or remove what is not needed, then run it again: it goes on."
        )
    if "UnreservedConcurrentExecution" in words:
        return (
            "The account may run too few functions at a time to reserve some for the token page: new accounts have 10. "
            "Ask for more in the console under Service Quotas (Lambda, concurrent executions), or set "
            "aws_functions_page_concurrency: 0; then run it again."
        )
    if cause == "throttled":
        return f"AWS asks for slower calls at {operation or 'a call'}, even after retries. Run it again: it goes on."
    return f"AWS refused {operation or 'a call'} with {code or 'no code'}: {words}."


def explain_result(result: Mapping[str, Any]) -> str:
    """One paragraph for the failed result of an Ansible module of amazon.aws or community.aws, or of ours."""
    items = [item for item in result.get("results", ()) if isinstance(item, Mapping) and item.get("failed")]
    if items:
        return explain_result(items[0])
    error = result.get("error")
    if isinstance(error, Mapping) and error.get("code"):
        return explain_code(str(error["code"]), str(error.get("message", "")))
    words = str(result.get("msg", "no reason was given"))
    code = re.search(r"An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: (.*)", words, re.DOTALL)
    if code:
        return explain_code(code[1], code[3], code[2])
    if "Unable to locate credentials" in words:
        return NO_CREDENTIALS
    if "SSO" in words or "from sso" in words:
        return EXPIRED_LOGIN.format(profile="")
    if "The config profile" in words:
        return f"{' '.join(words.split())}. {NO_PROFILE}"
    said = str(result.get("stderr", "")).strip()
    if result.get("rc") and said:  # a command of ours; of a traceback its end says what it was
        words = said.splitlines()[-1] if said.startswith("Traceback") else said
    return " ".join(words.split())


def _denied(words: str, operation: str) -> str:
    action, resource, who = ACTION.search(words), RESOURCE.search(words), WHO.search(words)
    return (
        f"{who[1] if who else 'This login'} may not call {action[1] if action else operation or 'this action'}"
        f"{f' on {resource[1]}' if resource else ''}. Have the account's administrator allow it (README of "
        "inventory/aws lists what is needed), then run the same command again: it goes on."
    )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:MAX_CHARACTERS].rstrip(". ")
