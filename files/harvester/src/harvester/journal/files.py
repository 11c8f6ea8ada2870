"""The few file operations on which durability rests."""

import errno
import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make names created, renamed or removed in `directory` survive a power cut. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Create `directory` and its missing parents, durably. Raises OSError."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=0o750, exist_ok=True)
    sync_directory(directory.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however short the single writes are. Raises OSError; a part may be written then."""
    written = os.write(descriptor, data)
    if written == len(data):
        return
    view = memoryview(data)[written:]
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path, data: bytes) -> None:
    """Create `path` with `data`, durably and whole or not at all. Raises OSError; FileExistsError when it is there."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    publish(temporary, path)


def publish(temporary: Path, path: Path) -> None:
    """Give a synced file its final name, durably. Raises FileExistsError rather than overwrite one.

    The caller holds the lock of the tree, so that nothing appears between the look and the rename.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, "a file is never overwritten", str(path))
    temporary.rename(path)
    sync_directory(path.parent)
