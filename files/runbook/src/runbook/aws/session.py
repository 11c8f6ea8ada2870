"""Clients of AWS for the operator's side, with the same profile, region and patience everywhere."""

import os
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

ATTEMPTS = 8
"""How often a call is tried when AWS throttles or stumbles; the waits between double."""
CONNECT_SECONDS = 10


class Account:
    """Gives boto3 clients; region, profile and endpoint come from the environment unless they are given."""

    def __init__(self, region: str | None = None, profile: str | None = None) -> None:
        self.region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        self.profile = profile or os.environ.get("AWS_PROFILE") or ""

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of that service. Raises botocore's errors for a profile or region that is not there."""
        from botocore.config import Config

        patience = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, connect_timeout=CONNECT_SECONDS)
        session = _session(self.profile, tuple(sorted(_aws_environment().items())))
        made = session.client(service, region_name=region or self.region or None, config=patience)
        if service == "s3control" and "AWS_ENDPOINT_URL" in os.environ:
            made.meta.events.register("request-created.s3-control", _without_the_account)
        return made


def _without_the_account(request: Any, **_: object) -> None:
    """The SDK puts the account before the name of every endpoint of S3 Control; a stand-in has one name."""
    url = urlsplit(request.url)
    request.url = url._replace(netloc=url.netloc.partition(".")[2]).geturl()


@lru_cache(maxsize=4)
def _session(profile: str, _: tuple[tuple[str, str], ...]) -> Any:
    """One session for each set of AWS_* variables: reading AWS's service descriptions takes most of its time."""
    import boto3

    return boto3.Session(profile_name=profile or None)


def _aws_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
