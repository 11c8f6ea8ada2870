"""Where a pull reads from: the hosts of an inventory, or the bucket that they upload to."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config.settings import DATA_DIR, UploadSettings
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.pull.rsync import SshTransport
from runbook.pull.transport import LocalTransport, Transport

Connect = Callable[[], Transport]


def lake_of(host: Host) -> str:
    """Where the lake lies on a host: under the data directory that its settings name, or their default."""
    stated = host.settings.get("data_dir") or DATA_DIR
    return f"{stated}/lake"


def connect_to(host: Host) -> Connect:
    """How to open a host's lake: by SSH, or directly where the inventory says that the host is this machine."""
    if host.variables.get("ansible_connection") == "local":
        return partial(LocalTransport, host.name, Path(lake_of(host)))
    return partial(SshTransport, host, lake_of(host))


def choose(source: str, bucket: str | None, limit: str | None, hosts: Callable[[], Sequence[Host]]) -> list[Connect]:
    """What to pull from: the inventory's hosts, or their parts of a bucket, where `limit` is a pattern of host names.

    The inventory is not asked where a bucket is named: what is in it may be of hosts that are long gone. Raises
    ConfigError for a source that there is not.
    """
    if source == "host" and bucket is None:
        return [connect_to(host) for host in hosts()]
    if source != "s3":
        raise ConfigError(f"--from {source!r} is none of host and s3. A --bucket needs --from s3.")
    from runbook.pull.bucket import connections, open_lake

    known = [] if bucket else hosts()
    with environment_of(known[0]) if known else nullcontext():
        lake = open_lake(find_bucket(known, bucket))
    return [*connections(lake, limit)]


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
