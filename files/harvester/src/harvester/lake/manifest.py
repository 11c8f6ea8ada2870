"""The manifest of a day: each file with size, hash and rows, and a hash over the manifest itself. It is written last.

Records of what clean-up deleted lie beside it, so that verify knows why a listed file is missing.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file, write_new
from harvester.base.market import MARKETS, NSE, MarketName, in_force
from harvester.base.release import release_id
from harvester.lake.layout import BUILT, FOLDERS, MANIFEST, SCHEMA_VERSION, Partition, table_of

MANIFEST_FORMAT, REMOVALS_FORMAT = 2, 1
FORMER_FORMAT, FORMER_SCHEMA = 1, 2
"""The format of before December 2026, which has no `schema`, and the schema of all its tables."""
SELF = "self_sha256"


@dataclass(frozen=True)
class FileEntry:
    """A file of the lake; `path` is relative to the lake. `rows` are records in an archived segment."""

    path: str
    bytes: int
    sha256: str
    rows: int

    @property
    def folder(self) -> str:
        """The first part of the path."""
        return self.path.split("/", 1)[0]


@dataclass(frozen=True)
class SegmentEntry:
    """A journal segment that went into the day: size and hash of its uncompressed bytes."""

    name: str
    bytes: int
    sha256: str
    records: int


@dataclass(frozen=True)
class Manifest:
    """The files of a day. `generation` counts the builds that changed something, from 1."""

    date: str
    host: str
    generation: int
    built_by: str
    files: tuple[FileEntry, ...]
    segments: tuple[SegmentEntry, ...]
    supersedes: str | None = None
    """Self hash of the manifest before this one, which lies beside it under its number."""
    schema: int = SCHEMA_VERSION
    """The version of the tables' columns."""
    market: MarketName = NSE.name
    """The market whose dates, times and currency the day has. A manifest that names none is of NSE."""

    def find(self, kind: str) -> list[FileEntry]:
        """The files of one kind, such as "depth" or "raw"; none of a table that the day's schema does not know."""
        return [entry for entry in self.files if table_of(entry.folder) == kind]

    @property
    def built(self) -> list[FileEntry]:
        """All but the archived segments."""
        return [entry for entry in self.files if entry.folder in BUILT]


class NewerSchemaError(HarvesterError):
    """A day that a newer release closed, with a schema, or of a market, that this one does not know."""

    def __init__(self, path: Path | PurePosixPath, schema: object, market: object = NSE.name) -> None:
        why = f"schema {str(schema)[:20]}, and this one reads up to {SCHEMA_VERSION}"
        if market not in MARKETS:
            why = f"market {str(market)[:20]}, and this one knows {', '.join(MARKETS)}"
        super().__init__(
            f"{path}: a newer release closed the day ({why}). Update Alpha Harvester here, then run the command again."
        )


class DamagedManifestError(HarvesterError):
    """`what` is the message without the remedy, which is another where the lake was pulled to."""

    def __init__(self, path: Path, partition: Partition, why: str) -> None:
        self.what = f"{path}: the manifest cannot be trusted ({why}). Nothing that it lists is deleted or replaced."
        super().__init__(
            f"{self.what} Restore it from its other copy, or move it away and run harvester close --date"
            f" {partition.date}, which builds the day again."
        )


def hash_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def describe_file(lake: Path, path: Path, rows: int, sha256: str = "") -> FileEntry:
    """The entry of a file that lies in the lake; `sha256` where it is known already. Raises OSError."""
    size, digest = (path.stat().st_size, sha256) if sha256 else hash_file(path)
    return FileEntry(path.relative_to(lake).as_posix(), size, digest, rows)


def make_manifest(
    partition: Partition,
    generation: int,
    files: Iterable[FileEntry],
    segments: Iterable[SegmentEntry],
    supersedes: str | None = None,
) -> Manifest:
    """That of a day which this release builds, in the market in force."""
    return Manifest(
        date=partition.date.isoformat(),
        host=partition.host,
        generation=generation,
        built_by=release_id(),
        files=tuple(files),
        segments=tuple(segments),
        supersedes=supersedes,
        market=in_force().name,
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """The file's bytes: JSON with the hash of its canonical form without that hash."""
    value: dict[str, Any] = {"format": MANIFEST_FORMAT, **asdict(manifest)}
    if manifest.market == NSE.name:
        del value["market"]  # releases of before there was another market read it
    return (json.dumps({**value, SELF: self_hash(value)}, indent=1) + "\n").encode()


def self_hash(value: dict[str, Any]) -> str:
    """SHA-256 of the JSON with sorted keys, without spaces, in ASCII."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def load_manifest(lake: Path, partition: Partition) -> Manifest | None:
    """The manifest in force, None when the day has none. Raises HarvesterError when it is damaged or unreadable."""
    path = lake / partition.manifest
    try:
        return parse_manifest(path.read_bytes(), partition)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HarvesterError(
            f"{path}: the manifest cannot be read ({error.strerror}). Correct its owner and mode."
        ) from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedManifestError(path, partition, str(error)) from error


def read_earlier(lake: Path, partition: Partition) -> list[Manifest]:
    """The manifests of former generations that lie beside the one in force; those that cannot be read are left out."""
    found = []
    for path in sorted((lake / partition.path(MANIFEST)).glob("manifest-*.json")):
        with suppress(OSError, KeyError, TypeError, ValueError, RecursionError, NewerSchemaError):
            found.append(parse_manifest(path.read_bytes(), partition))
    return found


def former_paths(lake: Path, partition: Partition) -> set[str]:
    """The files that former generations of the day listed."""
    return {entry.path for manifest in read_earlier(lake, partition) for entry in manifest.files}


def self_hash_of(lake: Path, partition: Partition) -> str:
    """The self hash of the manifest in force, which `load_manifest` has accepted."""
    return str(json.loads((lake / partition.manifest).read_bytes())[SELF])


def parse_manifest(data: bytes, partition: Partition) -> Manifest:
    """Check everything about a manifest's bytes.

    Raises KeyError, TypeError or ValueError saying what is wrong; NewerSchemaError for that of a newer release.
    """
    value = json.loads(data)
    if not isinstance(value, dict):
        raise TypeError("it is not a JSON object")
    claimed = value.pop(SELF)
    if claimed != self_hash(value):
        raise ValueError("its own hash does not match")
    _check_format(value, partition)
    if (value["date"], value["host"]) != (partition.date.isoformat(), partition.host):
        raise ValueError("it is of another day or host")
    files = tuple(FileEntry(**entry) for entry in value.pop("files"))
    for entry in files:
        _check_path(entry.path, partition)
    return Manifest(files=files, segments=tuple(SegmentEntry(**entry) for entry in value.pop("segments")), **value)


def _check_format(value: dict[str, Any], partition: Partition) -> None:
    """Take the format out; `schema` is there afterwards. Raises NewerSchemaError, KeyError or ValueError."""
    form = value.pop("format")
    if form == FORMER_FORMAT:
        value["schema"] = FORMER_SCHEMA
    elif type(form) is int and form > MANIFEST_FORMAT:
        raise NewerSchemaError(partition.manifest, value.get("schema"))
    elif form != MANIFEST_FORMAT:
        raise ValueError("it has another format than this release reads")
    elif type(value["schema"]) is int and value["schema"] > SCHEMA_VERSION:
        raise NewerSchemaError(partition.manifest, value["schema"])
    elif value["schema"] not in FOLDERS:
        raise ValueError(f"it states the schema {str(value['schema'])[:20]!r}, which there never was")
    if value.get("market", NSE.name) not in MARKETS:
        raise NewerSchemaError(partition.manifest, value["schema"], value["market"])


def _check_path(path: str, partition: Partition) -> None:
    """Raises ValueError for a path outside the partition."""
    pure = PurePosixPath(path)
    kind = pure.parts[0] if pure.parts else ""
    inside = len(pure.parts) == 4 and pure.parent == PurePosixPath(partition.path(kind).as_posix())
    if not inside or ".." in pure.parts or pure.as_posix() != path:
        raise ValueError(f"it lists {path!r}, which is not in its partition")


def write_manifest(lake: Path, partition: Partition, manifest: Manifest) -> Path:
    """Put the manifest in force, atomically and durably; the one before stays as manifest-<generation>.json."""
    path = lake / partition.manifest
    make_directory(path.parent)
    kept = path.with_name(f"manifest-{manifest.generation - 1}.json")
    if path.exists() and not kept.exists():
        os.link(path, kept)
    replace_file(path, encode_manifest(manifest), 0o640)
    return path


def read_removals(lake: Path, partition: Partition) -> list[FileEntry]:
    """All files of the day that clean-up was allowed to delete. Raises HarvesterError for a damaged record."""
    entries = []
    for path in sorted((lake / partition.path(MANIFEST)).glob("removed-*.json")):
        try:
            entries += [FileEntry(**entry) for entry in json.loads(path.read_bytes())["files"]]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise HarvesterError(
                f"{path}: the record of a clean-up cannot be read ({error}). Restore it from a backup, or move it away:"
                " the files it names then count as missing."
            ) from error
    return entries


def write_removals(lake: Path, partition: Partition, entries: list[FileEntry], receipt_sha256: str) -> None:
    """Record, durably, which files clean-up is about to delete and by which receipt. Raises OSError."""
    directory = lake / partition.path(MANIFEST)
    path = next(path for n in count(1) if not (path := directory / f"removed-{n}.json").exists())
    files = [asdict(entry) for entry in entries]
    value = {"format": REMOVALS_FORMAT, "receipt_sha256": receipt_sha256, "files": files}
    write_new(path, (json.dumps(value, indent=1) + "\n").encode())
