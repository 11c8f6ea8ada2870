"""The files of a Drive: each has an id; names are not unique."""

import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
ROOT = "root-of-my-drive"
WRITABLE = ("name", "mimeType", "modifiedTime", "createdTime", "trashed", "description", "appProperties")


@dataclass
class File:
    """A file or folder, as Drive describes it."""

    id: str
    fields: dict[str, Any]
    parents: list[str]
    data: bytes = b""

    @property
    def is_folder(self) -> bool:
        return bool(self.fields["mimeType"] == FOLDER)

    def describe(self) -> dict[str, Any]:
        """The resource, as `files.get` gives it. Sizes are text."""
        described = {"kind": "drive#file", "id": self.id, "parents": self.parents, **self.fields}
        if not self.is_folder:
            digests = {"md5Checksum": hashlib.md5(self.data, usedforsecurity=False).hexdigest()}
            digests |= {"sha1Checksum": hashlib.sha1(self.data, usedforsecurity=False).hexdigest()}
            digests |= {"sha256Checksum": hashlib.sha256(self.data).hexdigest()}
            described |= {"size": str(len(self.data)), **digests}
        return described


@dataclass
class Files:
    """All of a Drive; one call at a time."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    _files: dict[str, File] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._files[ROOT] = File(ROOT, _fresh({"name": "My Drive", "mimeType": FOLDER}), [])

    def find(self, file_id: str) -> File | None:
        return self._files.get(ROOT if file_id == "root" else file_id)

    def all(self) -> list[File]:
        """Every file but the root, the oldest first."""
        return [file for file in self._files.values() if file.id != ROOT]

    def create(self, metadata: dict[str, Any], data: bytes) -> File:
        """A new one, also where there is one of this name. KeyError: a parent is not there."""
        parents = [self._files[ROOT if parent == "root" else parent].id for parent in metadata.get("parents") or [ROOT]]
        made = File(f"1Stand{next(self._numbers):027d}", _fresh(metadata), parents, data)
        self._files[made.id] = made
        return made

    def update(self, file: File, metadata: dict[str, Any], data: bytes | None) -> None:
        """Change it in place: the id stays."""
        file.fields |= {"modifiedTime": _now()} | {name: metadata[name] for name in WRITABLE if name in metadata}
        if data is not None:
            file.data = data

    def remove(self, file: File) -> None:
        """For good, with all that is inside."""
        for child in [each for each in self.all() if file.id in each.parents]:
            self.remove(child)
        self._files.pop(file.id, None)


def _fresh(metadata: dict[str, Any]) -> dict[str, Any]:
    given = {name: metadata[name] for name in WRITABLE if name in metadata}
    defaults = {"name": "Untitled", "mimeType": "application/octet-stream", "trashed": False}
    return {**defaults, "createdTime": _now(), "modifiedTime": _now(), **given}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
