"""Files under their final names: whole, synced, never over another one, by one changer of the lake at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, publish, sync_directory
from harvester.lake.layout import BUILT, CERTIFICATE, LOCK_NAME, SUPERSEDED, Partition
from harvester.lake.manifest import FileEntry, Manifest, describe_file, hash_file


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """Hold the lake for this process. Raises HarvesterError when another one does, or when it cannot be written."""
    path = lake / LOCK_NAME
    try:
        make_directory(lake)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the lake cannot be written ({error.strerror}). Run the command as the user that owns the lake."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HarvesterError(
            f"{path}: another close or clean-up is at work here. Run the command again later."
        ) from None
    else:
        yield
    finally:
        os.close(descriptor)


def temporary_for(lake: Path, partition: Partition, kind: str) -> Path:
    """Where to write the file of a kind before it is placed: hidden, in its final folder, which is created."""
    directory = lake / partition.path(kind)
    make_directory(directory)
    return directory / f".{kind}{'.json' if kind == CERTIFICATE else '.parquet'}.tmp"


def place(lake: Path, temporary: Path, rows: int) -> FileEntry:
    """Sync a file, give it its final name and describe it; `temporary` is of `temporary_for`. Raises OSError.

    When another file has the name, it is name-2, name-3 and so on. A file with the same content is used instead.
    """
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    entry = describe_file(lake, temporary, rows)
    path = final = temporary.with_name(temporary.stem[1:])
    for number in count(2):
        if not path.exists():
            publish(temporary, path)
            break
        if hash_file(path) == (entry.bytes, entry.sha256):
            temporary.unlink()
            break
        path = final.with_stem(f"{final.stem}-{number}")
    return replace(entry, path=path.relative_to(lake).as_posix())


def set_superseded_aside(lake: Path, manifest: Manifest, partition: Partition) -> None:
    """Move built files that the manifest does not list to superseded/, where no engine looks for a table."""
    listed = {entry.path for entry in manifest.files}
    for kind in BUILT:
        directory = lake / partition.path(kind)
        for path in sorted(directory.glob("*")):
            if path.name.startswith(".") or path.relative_to(lake).as_posix() in listed:
                continue
            aside = lake / SUPERSEDED / partition.path(kind) / path.name
            make_directory(aside.parent)
            names = chain([aside], (aside.with_name(f"{path.name}.{number}") for number in count(2)))
            publish(path, next(name for name in names if not name.exists()))
            sync_directory(directory)
