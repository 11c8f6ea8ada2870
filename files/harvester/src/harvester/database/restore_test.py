"""The restore test: what the bucket was seen to hold is restored into a database of its own, counted, and dropped."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from harvester.base.errors import HarvesterError
from harvester.config.database import DatabaseSettings
from harvester.database.chain import without_hole
from harvester.database.delivery import is_proven
from harvester.database.dumps import SpoiledError, check_hash
from harvester.database.loading import load_rows
from harvester.database.manifests import Backup, find
from harvester.database.merge import Rules, merge
from harvester.database.restore import drop, restore
from harvester.database.server import Server

SCRATCH = "_restore_test"


@dataclass(frozen=True)
class Tested:
    """What was restored: the backups, tables and rows."""

    paths: tuple[str, ...]
    tables: int
    rows: int


def run_restore_test(
    server: Server, settings: DatabaseSettings, day: date, say: Callable[[str], None] = lambda _: None
) -> Tested:
    """Test the newest full backup and what follows it. Raises HarvesterError saying what cannot be restored.

    By their receipts the bucket holds the very bytes that are tested; what is not there yet is left to the next test.
    Without a bucket all that lies here is tested.
    """
    here = find(settings.folder)
    tested = [backup for backup in here if not settings.place or is_proven(settings, backup)]
    if here and settings.place and not any(backup.kind == "full" for backup in tested):
        raise HarvesterError(
            f"{settings.folder}: of no full backup here the bucket was seen to hold it, so it would be no test of what"
            " is there. Run `harvester database deliver`, and this again."
        )
    backups = without_hole(tested, day)
    for backup in backups:
        check_hash(settings.folder / backup.path, backup.bytes, backup.sha256)
    scratch = f"{settings.database}{SCRATCH}"
    restore(server, scratch, settings.folder, backups, say)
    try:
        _merge_again(server, scratch, settings, backups[-1])
    finally:
        drop(server, scratch)
    return Tested(
        tuple(backup.path for backup in backups), len(backups[0].tables), sum(table.rows for table in backups[0].tables)
    )


def _merge_again(server: Server, scratch: str, settings: DatabaseSettings, backup: Backup) -> None:
    """A backup that is merged already changes nothing: its rows are there, each with its values."""
    if backup.kind == "full":
        return
    with server.connect(scratch, autocommit=True) as connection:
        load_rows(server, scratch, connection, settings.folder, backup)
        results = merge(connection, backup, Rules(local="overwrite", dry_run=True))
    if changed := [result.name for result in results if result.inserted or result.updated]:
        raise SpoiledError(
            f"{backup.path}: merged into a restored database, its rows of {', '.join(changed)} are not all there."
            " Report this defect; the dump itself is whole."
        )
