"""Which bucket the hosts of an inventory upload to."""

from collections.abc import Iterable
from typing import Any

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config.settings import UploadSettings
from runbook.fleet.inventory import Host


def find_bucket(hosts: Iterable[Host], bucket: str | None) -> UploadSettings:
    """The bucket of --bucket, else that of the inventory. Raises ConfigError when there is none, or more than one."""
    if bucket:
        name, _, prefix = bucket.removeprefix("s3://").partition("/")
        stated = {"bucket": name} | ({"prefix": prefix} if prefix else {})
        return parse_upload(stated, "--bucket")
    found = [host.settings.get("upload") or {} for host in hosts]
    different = [row for number, row in enumerate(found) if row not in found[:number]]
    if len(different) != 1 or not different[0].get("bucket"):
        raise ConfigError(
            "The inventory names no bucket (harvester_settings.upload.bucket), or several. Name one with --bucket."
        )
    return parse_upload(different[0], "harvester_settings.upload")


def parse_upload(stated: dict[str, Any], where: str) -> UploadSettings:
    """The settings of the copy in S3 as they are stated in `where`. Raises ConfigError."""
    try:
        return validate(UploadSettings, stated)
    except Refused as refused:
        raise ConfigError(f"{where}: {refused}") from None
