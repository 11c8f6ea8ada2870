"""Files that are whole or not there, whenever the power goes."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def sync_directory(directory: Path) -> None:
    """Make names created, renamed or removed in `directory` survive a power cut. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path, mode: int | None = None, *, synced: bool = True) -> Iterator[BinaryIO]:
    """Write a file that appears under its name at the end, in one step, or not at all: a power cut sees no part of it.

    Nothing that was written stays behind when it fails. Without `mode` the umask decides. `synced=False` is for /run,
    which no power cut survives. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # from a process that died, and had the same number
        descriptor = os.open(temporary, CREATE, 0o666 if mode is None else mode)
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)  # whatever the umask says
            yield file
            file.flush()
            if synced:
                os.fsync(descriptor)
        temporary.replace(path)
        if synced:
            sync_directory(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: str | bytes, mode: int | None = None, *, synced: bool = True) -> None:
    """Replace a file's content by `replacing`. Raises OSError."""
    with replacing(path, mode, synced=synced) as file:
        file.write(content.encode() if isinstance(content, str) else content)


Identity = tuple[int, ...]
"""Device, inode, size, and the times of the last write and the last change in ns, of a file."""


def identity_of(path: Path) -> Identity:
    """The same as long as nobody writes to the file, renames, links or replaces it. Raises OSError."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_still(path: Path, identity: Identity) -> bool:
    """Whether the file is there, and nobody has touched it since it was identified so."""
    with contextlib.suppress(OSError):
        return identity_of(path) == identity
    return False


def make_directory(directory: Path, mode: int = 0o750) -> None:
    """Create `directory` and its missing parents, durably. Raises OSError."""
    if directory.is_dir():
        return
    make_directory(directory.parent, mode)
    directory.mkdir(mode=mode, exist_ok=True)
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
