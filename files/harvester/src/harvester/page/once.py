"""Links and logins that were used. Each counts once, also when two requests come at the same moment."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from harvester.base.clock import NS_PER_SECOND
from harvester.tokens.aws_stores import open_client
from harvester.tokens.stores import StoreError


class Once(Protocol):
    """A set of names to which each is added once. Names are of the form link-<id>."""

    def claim(self, name: str, ends_ns: int) -> bool:
        """Add the name; False when it is there already. It may be forgotten after `ends_ns`. Raises StoreError."""
        ...

    def is_claimed(self, name: str) -> bool:
        """Whether the name was added. Raises StoreError."""
        ...

    def release(self, name: str) -> None:
        """Take the name out again. Raises StoreError."""
        ...

    def tidy(self, now_ns: int) -> None:
        """Take out the names whose end has passed. Raises StoreError."""
        ...


class SsmOnce:
    """A parameter for each name, created without overwriting: SSM lets one win. `path` ends in a slash."""

    def __init__(self, path: str, region: str | None = None, client: Any = None) -> None:
        self._path = path
        self._client = client or open_client("ssm", region)

    def claim(self, name: str, ends_ns: int) -> bool:
        value = f"{ends_ns // NS_PER_SECOND}.{secrets.token_hex(8)}"
        if self._call("put_parameter", Name=self._path + name, Value=value, Type="String", Overwrite=False):
            return True
        # boto3 asks again when an answer is lost: then the one that was there first may be our own.
        return self._read(name) == value

    def is_claimed(self, name: str) -> bool:
        return self._read(name) is not None

    def release(self, name: str) -> None:
        self._call("delete_parameter", Name=self._path + name)

    def tidy(self, now_ns: int) -> None:
        for parameter in self._listed():
            if int(parameter["Value"].partition(".")[0]) * NS_PER_SECOND < now_ns:
                self._call("delete_parameter", Name=parameter["Name"])

    def _listed(self) -> list[dict[str, str]]:
        """All of them: SSM gives ten at a time, and at times an empty page before the last."""
        found: list[dict[str, str]] = []
        with _explained():
            for page in self._client.get_paginator("get_parameters_by_path").paginate(Path=self._path):
                found += page["Parameters"]
        return found

    def _read(self, name: str) -> str | None:
        found: list[dict[str, str]] = []
        self._call("get_parameter", found, Name=self._path + name)
        return found[0]["Value"] if found else None

    def _call(self, operation: str, found: list[dict[str, str]] | None = None, **arguments: Any) -> bool:
        """False where it exists already, or does not exist."""
        with _explained():
            try:
                answer = getattr(self._client, operation)(**arguments)
            except (self._client.exceptions.ParameterAlreadyExists, self._client.exceptions.ParameterNotFound):
                return False
        if found is not None:
            found.append(answer["Parameter"])
        return True


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"SSM does not say whether this link was used: {error}") from None


class FolderOnce:
    """A file for each name, created exclusively."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def claim(self, name: str, ends_ns: int) -> bool:
        try:
            descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(str(ends_ns // NS_PER_SECOND))
        return True

    def is_claimed(self, name: str) -> bool:
        return (self._folder / name).exists()

    def release(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def tidy(self, now_ns: int) -> None:
        for path in self._folder.iterdir():
            with contextlib.suppress(ValueError, OSError):
                if int(path.read_text("ascii")) * NS_PER_SECOND < now_ns:
                    path.unlink()


class Budget:
    """Limits each address to `per_minute` requests a minute; the MOST addresses seen last are remembered."""

    MOST = 1_000

    def __init__(self, per_minute: int = 20) -> None:
        self._per_minute = per_minute
        self._seen: dict[str, tuple[float, float]] = {}

    def allows(self, address: str) -> bool:
        """Count a request of the address; False when it is over the limit."""
        now = time.monotonic()
        left, at = self._seen.pop(address, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - at) * self._per_minute / 60)
        allowed = left >= 1
        self._seen[address] = (left - 1 if allowed else left, now)
        if len(self._seen) > self.MOST:
            del self._seen[next(iter(self._seen))]
        return allowed
