"""Manifests of hosts, checked before a pull relies on them."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file, sync_directory
from harvester.lake.layout import BUILT, MANIFEST, MANIFEST_NAME, PARTITION, RAW, Partition
from harvester.lake.manifest import SELF, FileEntry, Manifest, former_paths, load_manifest, parse_manifest, read_earlier
from runbook.pull.store import writing

KINDS = frozenset({*BUILT, RAW})
FILE_NAME = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DayManifest:
    """The manifest of one day of one host, with the very bytes it was read from."""

    path: str
    partition: Partition
    manifest: Manifest
    content: bytes

    @property
    def date(self) -> date:
        return self.partition.date

    @property
    def host(self) -> str:
        return self.partition.host

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return self.manifest.files


def kind_of(file: FileEntry) -> str:
    """depth, gaps, raw, certificate and so on: the first part of the path."""
    return file.path.split("/", 1)[0]


def parse(content: bytes, path: str) -> DayManifest:
    """A manifest from its bytes and its path in the lake.

    HarvesterError when it is cut short, altered, or names anything but plain files of its own day.
    """
    partition = _partition_of(path)
    try:
        manifest = parse_manifest(content, partition)
        for file in manifest.files:
            _check(file)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refuse(path, str(error)) from error
    return DayManifest(path, partition, manifest, content)


def _partition_of(path: str) -> Partition:
    """The day and host of a manifest's path, which the other side named: only the layout's own path will do."""
    place = PARTITION.match(PurePosixPath(path).parent.as_posix().partition("/")[2])
    try:
        partition = Partition(date.fromisoformat(place[1]), place[2]) if place else None
    except ValueError:
        partition = None
    if partition is None or path != (partition.path(MANIFEST) / MANIFEST_NAME).as_posix():
        raise _refuse(path, "it does not lie where the layout puts manifests")
    return partition


def install(day: DayManifest, lake: Path) -> None:
    """Put a manifest beside its files; done last, so that a manifest here means that its files are here.

    The one before it stays under its number.
    """
    target = lake / day.path
    if target.exists():
        if target.read_bytes() == day.content:
            return
        before = _generation(lake, day.partition)
        kept = target.with_name(f"manifest-{before}.json")
        if before and not kept.exists():
            os.link(target, kept)
            sync_directory(target.parent)
    with writing(target):
        replace_file(target, day.content)


def is_former(day: DayManifest, lake: Path) -> bool:
    """Whether a later build of the day is here already, as after a pull from the host when the bucket lags behind."""
    path = lake / day.path
    if day.manifest.generation >= _generation(lake, day.partition):
        return False
    kept = path.with_name(f"manifest-{day.manifest.generation}.json")
    if kept.exists() and kept.read_bytes() == day.content:
        return True
    here = [load_manifest(lake, day.partition), *read_earlier(lake, day.partition)]
    return json.loads(day.content)[SELF] in {manifest.supersedes for manifest in here if manifest}


def former_files(lake: Path, partition: Partition, is_ours: Callable[[str], object]) -> list[Path]:
    """Files of former builds that lie beside those of the manifest in force; none while it lacks a table.

    `is_ours` says of a path, relative to the lake, whether a pull has brought it.
    """
    try:
        manifest = load_manifest(lake, partition)
    except HarvesterError:
        return []  # verify-data tells
    tables = manifest.built if manifest else []
    if manifest is None or not all((lake / entry.path).exists() for entry in tables):
        return []
    listed = {entry.path for entry in manifest.files}
    found = [path for kind in sorted(KINDS) for path in (lake / partition.path(kind)).glob("[!.]*")]
    others = {path.relative_to(lake).as_posix(): path for path in sorted(found)}
    former = former_paths(lake, partition) if others.keys() - listed else set()
    return [path for name, path in others.items() if name not in listed and (name in former or is_ours(name))]


def _generation(lake: Path, partition: Partition) -> int:
    try:
        manifest = load_manifest(lake, partition)
    except HarvesterError:
        return 0  # what is here is damaged, and is not worth keeping beside the host's
    return manifest.generation if manifest else 0


def _check(file: FileEntry) -> None:
    """What another machine wrote becomes a path here only when it is plainly one of ours."""
    if kind_of(file) not in KINDS or not FILE_NAME.fullmatch(file.path.rsplit("/", 1)[-1]):
        raise ValueError(f"it lists {file.path[:120]!r}, which is no file of a lake")
    if type(file.bytes) is not int or file.bytes < 0 or not SHA256.fullmatch(file.sha256):
        raise ValueError(f"size or hash of {file.path} is not one")


def _refuse(path: str, why: str) -> HarvesterError:
    return HarvesterError(
        f"{path} is not a usable manifest: {why}. Nothing of that day was taken from it. Run `harvester verify` where "
        "it came from and do what that says; then `./inv pull-data` downloads it."
    )
