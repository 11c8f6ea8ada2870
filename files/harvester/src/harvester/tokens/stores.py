"""Where a secret is kept, behind one interface: a value, a version that names it, and the version before for undo.

Here the interface and the private file; `aws_stores` has SSM and Secrets Manager, `places` opens a store by its name.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.base.redaction import Secret

MAX_BYTES = 65_536


class StoredToken(NamedTuple):
    """What a store holds: the value, a version that names it without revealing it, and when it was written."""

    value: Secret
    version: str
    written_ns: int | None = None


class StoredVersion(NamedTuple):
    """What a store says of what it holds without giving the value away."""

    version: str
    written_ns: int | None


class StoreError(HarvesterError):
    """The store could not be asked; asking again later may help."""


class DeniedError(StoreError):
    """The store does not let this user do that."""


class TokenStore(Protocol):
    """A place from which one token is read."""

    def read(self) -> StoredToken | None:
        """The token, or None where none has been stored yet. Raises StoreError."""
        ...


class Store(TokenStore, Protocol):
    """A place that keeps versions of one secret."""

    @property
    def place(self) -> str:
        """How a person names it; no secret."""
        ...

    def look(self) -> StoredVersion | None:
        """What is stored, without its value where the store can tell so; None where nothing is. Raises StoreError."""
        ...

    def write(self, value: Secret) -> str:
        """Store a new version beside the ones before; its name. Raises StoreError: nothing has changed then."""
        ...

    def previous(self) -> StoredToken | None:
        """The last value that was another than the present one, or None. Raises StoreError."""
        ...

    def undo(self) -> str:
        """Make the previous value the present one, and the other way round; the version in force then.

        Raises StoreError when there is none, or the store cannot be asked.
        """
        ...


class FileStore:
    """A file with the bare value, mode 0600 or stricter. Its version is the start of the value's SHA-256.

    The value before is beside it, under the same name with `.previous`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._previous = path.with_name(f"{path.name}.previous")

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> StoredToken | None:
        return self._read(self._path)

    def look(self) -> StoredVersion | None:
        stored = self.read()
        return StoredVersion(stored.version, stored.written_ns) if stored else None

    def previous(self) -> StoredToken | None:
        return self._read(self._previous)

    def write(self, value: Secret) -> str:
        before = self.read()
        if before and before.value.get_secret_value() != value.get_secret_value():
            _replace(self._previous, before.value)
        _replace(self._path, value)
        return file_version(value)

    def undo(self) -> str:
        previous = self.previous()
        if previous is None:
            raise nothing_before(self.place)
        return self.write(previous.value)

    def _read(self, path: Path) -> StoredToken | None:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES)
                written_ns = os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"{path}: the file cannot be read ({error.strerror}). It must belong to the user that reads it, for a"
                " token the token agent's, mode 0600."
            ) from error
        value = Secret(content.decode("utf-8", "replace").strip())
        return StoredToken(value, file_version(value), written_ns) if value.get_secret_value() else None


def _replace(path: Path, value: Secret) -> None:
    try:
        replace_file(path, value.get_secret_value() + "\n", 0o600)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Its directory must exist and be this user's, with"
            " space left."
        ) from error


def file_version(value: Secret) -> str:
    """How a file store names a value: the first 8 hex digits of its SHA-256."""
    return f"file:{hashlib.sha256(value.get_secret_value().encode()).hexdigest()[:8]}"


def nothing_before(place: str) -> StoreError:
    """What an undo says where there is nothing to go back to."""
    return StoreError(f"{place}: no earlier version is kept, so there is nothing to go back to.")
