"""What a backup holds: its manifest, a JSON file beside the dump, written after it and delivered last.

daily/incremental_YYYY-MM-DD.dump.gz   rows of a day, in the schema harvester_export; incremental_YYYY-MM-DD.json
weekly/full_YYYY-MM-DD.dump.gz         the whole database; full_YYYY-MM-DD.json
The same names with .log               what the runs that made it said; delivered after the manifest
"""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file

FORMAT = 1
Kind = Literal["daily", "full"]
STEMS: dict[Kind, str] = {"daily": "daily/incremental_", "full": "weekly/full_"}
DUMP = ".dump.gz"
MANIFEST = re.compile(r"^(?:daily/incremental|weekly/full)_(\d{4}-\d{2}-\d{2})\.json\Z")


NO_ENCODING = "SQL_ASCII"
"""PostgreSQL's name of a database's encoding that is none: any bytes are text there."""


class Column(msgspec.Struct, frozen=True):
    """A column and its type, as PostgreSQL spells it."""

    name: str
    type: Annotated[str, msgspec.Meta(pattern=r"""^[\w ",.()\[\]]{1,200}\Z""")]


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a backup. `digest` and `checksum` do not depend on the rows' order."""

    name: str
    """Schema and table on the server."""
    table: str
    """Its name in the dump's schema, of a daily backup."""
    rows: int
    digest: str
    checksum: str = ""
    """Where it is the same there, so are the rows; where it is not, the digest decides."""
    columns: tuple[Column, ...]
    merge: Literal["key", "replace_dates"] = "key"
    key: tuple[str, ...] = ()
    date: str | None = None

    @property
    def parts(self) -> tuple[str, str]:
        schema, _, table = self.name.partition(".")
        return schema, table


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest. `bytes` and `sha256` are of the dump as it lies there, compressed."""

    format: int = FORMAT
    kind: Kind
    day: date
    since: date
    """The CURRENT_DATE of its rows: the day itself, or an earlier one, where the bucket lacked backups."""
    path: str
    bytes: int
    sha256: str
    database: str
    server: str
    """Version of the server."""
    program: str
    """Version of pg_dump."""
    encoding: str = "UTF8"
    """Of the database. The dump is in UTF-8, but where that is NO_ENCODING, as it is there."""
    made_at: str
    tables: tuple[TableFacts, ...]

    @property
    def name(self) -> tuple[Kind, date]:
        """What its files are called by."""
        return self.kind, self.day

    @property
    def major(self) -> int:
        """The version of PostgreSQL that is needed to restore it."""
        return int(self.program.partition(".")[0])


def dump_path(kind: Kind, day: date) -> str:
    """Below the folder of backups, and below the place."""
    return f"{STEMS[kind]}{day.isoformat()}{DUMP}"


def manifest_path(kind: Kind, day: date) -> str:
    """The same of its manifest."""
    return f"{STEMS[kind]}{day.isoformat()}.json"


def log_path(kind: Kind, day: date) -> str:
    """The same of its log."""
    return f"{STEMS[kind]}{day.isoformat()}.log"


def is_manifest(path: str) -> bool:
    """Whether a path of the place is a manifest's."""
    return MANIFEST.match(path) is not None


def parse_backup(content: bytes, where: object) -> Backup:
    """Raises HarvesterError for what is no manifest of a backup."""
    try:
        backup = msgspec.json.decode(content, type=Backup)
        if backup.format != FORMAT or backup.path != dump_path(backup.kind, backup.day):
            raise ValueError(f"format {backup.format}, {backup.path}")
        return backup
    except (msgspec.MsgspecError, ValueError) as error:
        raise HarvesterError(
            f"{where}: this is no manifest of a backup that this release can read ({error}). It was left as it is;"
            " look at what wrote it, or use the release that did."
        ) from error


def keep(folder: Path, backup: Backup) -> None:
    """Write the manifest of a dump that is in the folder. Raises OSError."""
    content = msgspec.json.format(msgspec.json.encode(backup), indent=1)
    replace_file(folder / manifest_path(backup.kind, backup.day), content + b"\n", 0o640)


def load(folder: Path, kind: Kind, day: date) -> Backup | None:
    """The backup of that day, where it is complete. Raises HarvesterError."""
    path = folder / manifest_path(kind, day)
    try:
        return parse_backup(path.read_bytes(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HarvesterError(f"{path}: cannot be read ({error.strerror}). Correct its owner or mode.") from error


def find(folder: Path) -> list[Backup]:
    """The complete backups of a folder, in the order in which they were made. Raises HarvesterError."""
    found = []
    for kind, stem in STEMS.items():
        for path in folder.glob(f"{stem}*.json"):
            match = MANIFEST.match(path.relative_to(folder).as_posix())
            backup = load(folder, kind, date.fromisoformat(match[1])) if match else None
            found += [backup] if backup else []
    return sorted(found, key=lambda backup: backup.made_at)
