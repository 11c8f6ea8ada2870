"""Whether this machine can restore the backups of databases that it fetched, and which it alone should fetch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.database.manifests import find
from harvester.database.programs import choose
from runbook.database.place import BackupStore
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.fleet.inventory import Host


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


def check_unplaced(hosts: Sequence[Host], store_root: Path) -> Iterator[Finding]:
    """Hosts whose backups go to no bucket: what was pulled of them is the only copy elsewhere."""
    stated = [(host, host.variables.get("database_backup") or {}) for host in hosts]
    unplaced = ", ".join(host.name for host, given in stated if given and not given.get("place"))
    if not unplaced:
        return
    where = f"the database of {unplaced} has no bucket (database_backup.place)"
    try:
        backups = find(BackupStore(store_root / "database").lake)
    except HarvesterError as error:
        yield fail("backups elsewhere", str(error), "Move the file away.")
        return
    if backups:
        yield ok("backups elsewhere", f"{where}; the newest here is {backups[-1].path}")
    else:
        yield warn(
            "backups elsewhere",
            f"{where}, and none of its backups is here",
            "Run ./inv pull-database, each week at least.",
        )
