"""A backup of a database in the account's bucket."""

import hashlib
from datetime import date
from pathlib import Path

from tests.aws.account import NAMES, Cloud

from harvester.database.manifests import Backup, dump_path, keep
from lab.aws.server import ACCOUNT


def upload_backup(place: Cloud, folder: Path) -> None:
    """A full backup of a database: its manifest, and bytes that are no dump, for PostgreSQL is a stand-in here."""
    path, dump = dump_path("full", date(2026, 11, 20)), b"a dump"
    (folder / path).parent.mkdir()
    (folder / path).write_bytes(dump)
    keep(
        folder,
        Backup(
            kind="full", day=date(2026, 11, 20), since=date(2026, 11, 20), path=path, bytes=len(dump),
            sha256=hashlib.sha256(dump).hexdigest(), database="mydb", server="17.5", program="17.5",
            made_at="2026-11-20T11:00:00+00:00", tables=(),
        ),
    )  # fmt: skip
    for file in (found for found in folder.rglob("*") if found.is_file()):
        key = f"database/{file.relative_to(folder)}"
        place.client("s3").put_object(Bucket=NAMES.bucket(ACCOUNT), Key=key, Body=file.read_bytes(), IfNoneMatch="*")
