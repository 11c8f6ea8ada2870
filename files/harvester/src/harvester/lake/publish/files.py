"""Files under their final names: whole, synced, never over another one, by one changer of the lake at a time."""

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, publish, sync_directory
from harvester.lake.layout import BUILT, CERTIFICATE, LOCK_NAME, SUPERSEDED, Partition, built_name
from harvester.lake.manifest import FileEntry, Manifest, describe_file, hash_file, read_earlier


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


@dataclass(frozen=True)
class Names:
    """How the files of one build are called: a content that is listed already keeps its name."""

    generation: int
    kept: dict[tuple[str, str], str]
    """Path by kind and SHA-256 of the files that the manifest in force lists."""

    def path(self, folder: Path, sha256: str) -> Path:
        """The path of a built file of the folder of a kind and day; both are relative to the lake."""
        kind = folder.parts[0]
        kept = self.kept.get((kind, sha256))
        return Path(kept) if kept else folder / built_name(kind, self.generation, sha256)


def names_after(lake: Path, partition: Partition, before: Manifest | None) -> Names:
    """Names for the build that follows a manifest; one that had another content in a former generation is not kept.

    Such names are of releases up to November 2026: a bucket keeps the former content under that key for good.
    """
    if before is None:
        return Names(1, {})
    contents = defaultdict(set)
    for manifest in (*read_earlier(lake, partition), before):
        for entry in manifest.files:
            contents[entry.path].add(entry.sha256)
    kept = {(entry.folder, entry.sha256): entry.path for entry in before.built if len(contents[entry.path]) == 1}
    return Names(before.generation + 1, kept)


def place(lake: Path, temporary: Path, rows: int, names: Names, sha256: str = "") -> FileEntry:
    """Sync a file, give it its final name and describe it; `temporary` is of `temporary_for`. Raises OSError.

    `sha256` is its hash, where that has been computed already.

    A file with the same content is used instead; one under that name with another, which is damaged, is set aside.
    """
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    entry = describe_file(lake, temporary, rows, sha256)
    path = names.path(Path(entry.path).parent, entry.sha256)
    if (lake / path).exists() and hash_file(lake / path) == (entry.bytes, entry.sha256):
        temporary.unlink()
    else:
        if (lake / path).exists():
            _set_aside(lake, path)
        publish(temporary, lake / path)
    return replace(entry, path=path.as_posix())


def set_superseded_aside(lake: Path, manifest: Manifest, partition: Partition) -> None:
    """Move built files that the manifest does not list to superseded/, where no engine looks for a table."""
    listed = {entry.path for entry in manifest.files}
    for kind in BUILT:
        folder = partition.path(kind)
        try:
            names = sorted(path.name for path in (lake / folder).iterdir())
        except FileNotFoundError:
            continue
        for name in names:
            if not name.startswith(".") and (folder / name).as_posix() not in listed:
                _set_aside(lake, folder / name)


def _set_aside(lake: Path, path: Path) -> None:
    """Move a file to superseded/, where nothing is overwritten either."""
    aside = lake / SUPERSEDED / path
    make_directory(aside.parent)
    names = chain([aside], (aside.with_name(f"{path.name}.{number}") for number in count(2)))
    publish(lake / path, next(name for name in names if not name.exists()))
    sync_directory((lake / path).parent)
