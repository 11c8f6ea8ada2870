"""A host's lake as it lies in a bucket, read as a pull reads a host: only days whose manifest is up are there.

Needs s3:ListBucket and s3:GetObject, no more.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import IO, Any, TypeVar

from harvester.base.errors import ConfigError
from harvester.config.settings import UploadSettings
from harvester.lake.layout import MANIFEST, MANIFEST_NAME
from harvester.upload.bucket import open_client
from harvester.upload.patience import Patience
from harvester.upload.trouble import AbsentError, BucketError, TakenError, TransientError, explained
from runbook.fleet.ssh import RemoteError, UnreachableError

Result = TypeVar("Result")
NUMBERED = re.compile(
    rf"^(?P<folder>{MANIFEST}/date=\d{{4}}-\d{{2}}-\d{{2}}/host=(?P<host>[a-z0-9-]+))/manifest-(?P<number>[1-9]\d{{0,8}})\.json$"
)
PATIENCE_SECONDS = 300.0
WORKERS = 8


@dataclass(frozen=True)
class Found:
    """An object of a listing; `path` is its key without the prefix."""

    path: str
    bytes: int
    etag: str


class BucketLake:
    """The lake below one prefix of a bucket: what its manifests and its listing say, each asked once."""

    def __init__(self, client: Any, bucket: str, prefix: str, patience: Patience | None = None) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self.home = f"s3://{bucket}/{prefix}"
        self._patience = patience or Patience(PATIENCE_SECONDS)
        self._files: dict[str, Found] | None = None
        self._asking = threading.Lock()

    def manifests(self) -> dict[str, dict[str, Found]]:
        """By host: the newest manifest of each day, under the path that it has on the host. Raises RemoteError."""
        newest: dict[str, tuple[int, str, Found]] = {}
        for found in self._ask(partial(self._list, f"{MANIFEST}/")):
            match = NUMBERED.match(found.path)
            if match and int(match["number"]) > newest.get(match["folder"], (0,))[0]:
                newest[match["folder"]] = (int(match["number"]), match["host"], found)
        hosts: dict[str, dict[str, Found]] = {}
        for folder, (_, host, found) in sorted(newest.items()):
            hosts.setdefault(host, {})[f"{folder}/{MANIFEST_NAME}"] = found
        return hosts

    def files(self) -> dict[str, Found]:
        """Everything below the prefix, by path. Raises RemoteError."""
        with self._asking:
            if self._files is None:
                self._files = {found.path: found for found in self._ask(self._list)}
            return self._files

    def read(self, found: Found) -> bytes:
        """The whole of a small object. Raises RemoteError."""

        def whole() -> bytes:
            with explained(self.home + found.path), closing(self._get(found.path, 0, found.etag)) as body:
                return bytes(body.read())

        return self._ask(whole)

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[IO[bytes]]:
        """The bytes of an object from `offset` on, if it is still the one of the listing. Raises RemoteError."""
        found = self.files().get(path)
        body = self._ask(partial(self._get, path, offset, found.etag if found else None))
        try:
            with explained(self.home + path), closing(body):
                yield body
        except TransientError as error:
            raise RemoteError(f"{error} Pull again to continue.") from None

    def _list(self, below: str = "") -> list[Found]:
        """Every object whose path begins with `below`. Raises BucketError, also for a listing that ends too early."""
        found: dict[str, Found] = {}
        with explained(self.home):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{below}"):
                rows = page.get("Contents", [])
                if page.get("KeyCount", len(rows)) != len(rows):
                    raise TransientError(f"{self.home}: a listing has other rows than it says. It is tried again.")
                if page.get("IsTruncated") and not page.get("NextContinuationToken"):
                    raise TransientError(f"{self.home}: a listing ends before its end. It is tried again.")
                for row in rows:
                    path = row["Key"].removeprefix(self._prefix)
                    found[path] = Found(path, int(row["Size"]), row["ETag"])
        return list(found.values())

    def _get(self, path: str, offset: int, etag: str | None) -> Any:
        """The body of an object from `offset` on. Raises BucketError; TakenError when the object is another one."""
        conditions = ({"Range": f"bytes={offset}-"} if offset else {}) | ({"IfMatch": etag} if etag else {})
        with explained(self.home + path):
            return self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{path}", **conditions)["Body"]

    def _ask(self, action: Callable[[], Result]) -> Result:
        """The action's result, tried again where that may help. Raises RemoteError."""
        try:
            return self._patience.retry(action)
        except TakenError as error:
            raise RemoteError(
                f"{error} It was replaced while it was being read, and nothing of ours replaces an object: look at its"
                " versions and at who may write to the bucket, then pull again."
            ) from None
        except AbsentError as error:
            raise RemoteError(f"{error} Its manifest lists it: look at the object's versions.") from None
        except BucketError as error:
            raise UnreachableError(str(error)) from None


class BucketTransport:
    """One host's part of a bucket; several files are fetched at a time."""

    workers = WORKERS

    def __init__(self, host: str, lake: BucketLake, manifests: dict[str, Found]) -> None:
        self.host = host
        self._lake, self._manifests = lake, manifests

    def list_manifests(self) -> list[str]:
        return sorted(self._manifests)

    def read_manifests(self, paths: Iterable[str]) -> dict[str, bytes]:
        wanted = [*paths]
        with ThreadPoolExecutor(WORKERS) as pool:
            contents = pool.map(lambda path: self._lake.read(self._manifests[path]), wanted)
            return dict(zip(wanted, contents, strict=True))

    def list_files(self) -> dict[str, int]:
        part = f"/host={self.host}/"
        return {path: found.bytes for path, found in self._lake.files().items() if part in path}

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[IO[bytes]]:
        with self._lake.open(path, offset) as body:
            yield body

    def close(self) -> None:
        """The connections are shared with the other hosts of the bucket."""


def open_lake(upload: UploadSettings) -> BucketLake:
    """The lake in the bucket that the settings name, with the credentials here. Raises BucketError."""
    endpoint = upload.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    return BucketLake(open_client(upload.region, endpoint), str(upload.bucket), upload.prefix)


def connections(lake: BucketLake, hosts: str | None = None) -> list[Callable[[], BucketTransport]]:
    """How to read each host's part; `hosts` is a shell pattern for their names. ConfigError when there is none."""
    parts = {host: manifests for host, manifests in lake.manifests().items() if fnmatchcase(host, hosts or "*")}
    if not parts:
        which = f"no host like {hosts!r}" if hosts else "no closed day"
        raise ConfigError(
            f"{lake.home} holds {which}. `harvester upload` on a host says what it uploaded and why not;"
            " --from host pulls over SSH."
        )
    return [partial(BucketTransport, host, lake, manifests) for host, manifests in parts.items()]
