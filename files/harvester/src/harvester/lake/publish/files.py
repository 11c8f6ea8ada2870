"""Files under their final names: whole, synced, and never over another one."""

import os
from itertools import count
from pathlib import Path

from harvester.base.files import make_directory, publish, sync_directory
from harvester.lake.layout import BUILT, SUPERSEDED, Partition
from harvester.lake.manifest import Manifest, hash_file


def temporary_for(lake: Path, partition: Partition, kind: str, name: str) -> Path:
    """Where to write a file before it is placed: hidden, in its final folder, which is created."""
    directory = lake / partition.path(kind)
    make_directory(directory)
    return directory / f".{name}.tmp"


def place(temporary: Path, name: str) -> Path:
    """Sync a file and give it `name`, or name-2, name-3 ... when another file has that; its path is returned.

    A file with the same content under one of these names is used instead. Raises OSError.
    """
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    content = hash_file(temporary)
    for number in count(1):
        stem, suffix = Path(name).stem, Path(name).suffix
        path = temporary.with_name(name if number == 1 else f"{stem}-{number}{suffix}")
        if not path.exists():
            publish(temporary, path)
            return path
        if hash_file(path) == content:
            temporary.unlink()
            return path
    raise AssertionError("count() does not end")


def set_superseded_aside(lake: Path, manifest: Manifest, partition: Partition) -> list[Path]:
    """Move built files that the manifest does not list out of the engines' sight; their new paths are returned."""
    listed = {entry.path for entry in manifest.files}
    moved = []
    for kind in BUILT:
        directory = lake / partition.path(kind)
        for path in sorted(directory.glob("*")):
            if path.name.startswith(".") or path.relative_to(lake).as_posix() in listed:
                continue
            moved.append(_move_aside(path, lake / SUPERSEDED / partition.path(kind)))
            sync_directory(directory)
    return moved


def _move_aside(path: Path, directory: Path) -> Path:
    make_directory(directory)
    number, target = 1, directory / path.name
    while target.exists():
        number += 1
        target = directory / f"{path.name}.{number}"
    publish(path, target)
    return target
