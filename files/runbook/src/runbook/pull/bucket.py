"""A host's lake as it lies in a bucket, read as a pull reads a host: only days whose manifest is up are there."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import IO, TypeVar

from harvester.base.errors import ConfigError
from harvester.config.settings import UploadSettings
from harvester.lake.layout import MANIFEST, MANIFEST_NAME
from harvester.upload.bucket import open_client
from harvester.upload.retries import Retries
from harvester.upload.trouble import AbsentError, BucketError, TakenError, TransientError
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull.objects import WORKERS, Found, Objects

Result = TypeVar("Result")
NUMBERED = re.compile(
    rf"^(?P<folder>{MANIFEST}/date=\d{{4}}-\d{{2}}-\d{{2}}/host=(?P<host>[a-z0-9-]+))/manifest-(?P<number>[1-9]\d{{0,8}})\.json$"
)
PATIENCE_SECONDS = 300.0


class BucketLake:
    """The lake in a bucket: what its manifests and its listing say, each asked once."""

    def __init__(self, objects: Objects, patience: Retries | None = None) -> None:
        self.objects, self.patience = objects, patience or Retries(PATIENCE_SECONDS)
        self._files: dict[str, Found] | None = None
        self._asking = threading.Lock()

    def manifests(self) -> dict[str, dict[str, Found]]:
        """By host: the newest manifest of each day, under the path that it has on the host. Raises RemoteError."""
        newest: dict[str, tuple[int, str, Found]] = {}
        for found in self.ask(lambda: self.objects.list(f"{MANIFEST}/")):
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
                self._files = {found.path: found for found in self.ask(self.objects.list)}
            return self._files

    def ask(self, action: Callable[[], Result]) -> Result:
        """The action's result, tried again where that may help. Raises RemoteError."""
        try:
            return self.patience.retry(action)
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
            return dict(zip(wanted, pool.map(self._read, wanted), strict=True))

    def list_files(self) -> dict[str, int]:
        part = f"/host={self.host}/"
        return {path: found.bytes for path, found in self._lake.files().items() if part in path}

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[IO[bytes]]:
        found = self._lake.files().get(path)
        objects = self._lake.objects
        answer = self._lake.ask(lambda: objects.start(path, offset, found.etag if found else None))
        try:
            with objects.reading(path, answer) as body:
                yield body
        except TransientError as error:
            raise RemoteError(str(error)) from None

    def close(self) -> None:
        """The connections are shared with the other hosts of the bucket."""

    def _read(self, path: str) -> bytes:
        found, objects = self._manifests[path], self._lake.objects

        def read() -> bytes:
            with objects.reading(found.path, objects.start(found.path, 0, found.etag)) as body:
                return body.read()

        return self._lake.ask(read)


def open_lake(upload: UploadSettings) -> BucketLake:
    """The lake in the bucket that the settings name, with the credentials here. Raises BucketError."""
    endpoint = upload.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    return BucketLake(Objects(open_client(upload.region, endpoint), str(upload.bucket), upload.prefix))


def connections(lake: BucketLake, hosts: str | None = None) -> list[Callable[[], BucketTransport]]:
    """How to read each host's part; `hosts` is a shell pattern for their names. ConfigError when there is none."""
    parts = {host: manifests for host, manifests in lake.manifests().items() if fnmatchcase(host, hosts or "*")}
    if not parts:
        which = f"no host like {hosts!r}" if hosts else "no closed day"
        raise ConfigError(
            f"{lake.objects.home} holds {which}. `harvester upload` on a host says what it uploaded and why not;"
            " --from host pulls over SSH."
        )
    return [partial(BucketTransport, host, lake, manifests) for host, manifests in parts.items()]
