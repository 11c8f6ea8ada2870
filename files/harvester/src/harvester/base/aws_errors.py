"""What an error of AWS means: one list of codes for all that call it, and what a person does about each.

Needs the standard library alone, because the functions carry this file in their archives; so botocore's exceptions are
known by the names of their classes.
"""

from typing import Any

CODES = {
    "denied": {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException",
               "UnauthorizedOperation"},
    "invalid": {"AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch",
                "UnrecognizedClientException"},
    "expired": {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"},
    "clock": {"RequestExpired", "RequestTimeTooSkewed"},
    "region": {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"},
    "throttled": {"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
                  "TooManyUpdates"},
    "missing": {"404", "NoSuchKey", "ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"},
}  # fmt: skip
CLASSES = {
    "no_credentials": {"NoCredentialsError", "PartialCredentialsError"},
    "region": {"InvalidRegionError", "NoRegionError"},
    "network": {"ConnectionError", "HTTPClientError", "CredentialRetrievalError", "OSError", "ResponseParserError"},
}
SIGN_IN = "Log in to AWS, or set AWS_PROFILE; on a host the instance's role gives the credentials."


def code_of(error: BaseException) -> str:
    """AWS's own code, such as AccessDenied; empty where AWS did not answer."""
    response: Any = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def cause_of(error: BaseException) -> str:
    """A key of CODES or CLASSES, or "other"."""
    if code := code_of(error):
        return cause_of_code(code)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return next((cause for cause, names in CLASSES.items() if names & kinds), "other")


def cause_of_code(code: str) -> str:
    """The same for AWS's code alone."""
    return next((cause for cause, codes in CODES.items() if code in codes), "other")


def advise(cause: str, *, service: str, rights: str, region: str) -> str:
    """What a person does about it; `rights` are the actions that are needed, `region` is the setting that names it."""
    return {
        "denied": f"The credentials here do not allow this. It needs {rights}; on a host the instance's role has it:"
        " run site.yml.",
        "no_credentials": SIGN_IN,
        "invalid": f"The credentials are not valid. {SIGN_IN}",
        "expired": f"The credentials are not valid any more. {SIGN_IN}",
        "clock": "The clock here is off. Correct it; `chronyc tracking` shows it.",
        "region": f"Correct {region} in harvester_settings: the region is not known, or is another one.",
        "throttled": "The account calls AWS too often; the next minute may do.",
        "network": "Is the network up? The next minute may do.",
    }.get(cause, f"Look up this code in the {service} documentation.")
