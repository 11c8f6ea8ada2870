"""Whether this machine can restore the backups of databases that it fetched."""

from collections.abc import Iterator
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.database.manifests import find
from harvester.database.programs import choose
from runbook.database.place import BackupStore
from runbook.doctor.finding import Finding, fail, ok


def check_backups(store_root: Path) -> Iterator[Finding]:
    """pg_restore beside the newest dump that was fetched; nothing where none was."""
    store = BackupStore(store_root / "database")
    try:
        backups = find(store.lake)
        if backups:
            program = choose("pg_restore", backups[-1].major, backups[-1].path)
            yield ok(
                "backups", f"pg_restore {program.version} reads {backups[-1].path} (PostgreSQL {backups[-1].major})"
            )
    except HarvesterError as error:
        said, _, remedy = str(error).partition(". ")
        yield fail("backups", said, remedy)
