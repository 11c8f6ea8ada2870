"""pull-database: what the place has and this database lacks, in order, each backup in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from harvester.base.errors import HarvesterError
from harvester.database import memory
from harvester.database.chain import chain, refuse_hole
from harvester.database.loading import load_rows
from harvester.database.manifests import Backup
from harvester.database.merge import Merged, Rules, merge
from harvester.database.programs import choose
from harvester.database.restore import drop, exists, restore, switch
from harvester.database.server import Server
from runbook.database.adopt import adopt_full, is_empty
from runbook.database.place import BackupStore, Place
from runbook.pull.transport import Progress

NEW = "_new"


@dataclass
class Pulled:
    """What a run did: each backup that was merged with what became of its rows."""

    place: str
    there: int = 0
    fetched: int = 0
    merged: list[tuple[Backup, list[Merged]]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Backups that were not needed, and why."""


@dataclass(frozen=True)
class Target:
    """The database that is merged into."""

    server: Server
    database: str


def pull(place: Place, target: Target, store: BackupStore, rules: Rules, progress: Progress, *, full: bool) -> Pulled:
    """Fetch and merge. Raises HarvesterError; what was merged until then stays, and the next run goes on after it."""
    progress.look(place.address)
    backups = place.backups(store)
    pulled = Pulled(place.address, there=len(backups))
    with store.locked():
        if full:
            _pull_full(place, target, store, rules, progress, backups, pulled)
        else:
            wanted = _wanted(target, backups, pulled)
            pulled.fetched = _fetch(place, wanted, store, progress)
            _merge_all(target, store, rules, wanted, pulled)
        if not rules.dry_run:
            place.confirm()
    return pulled


def _fetch(place: Place, wanted: Sequence[Backup], store: BackupStore, progress: Progress) -> int:
    for backup in wanted:
        choose("pg_restore", backup.major, backup.path)  # before anything is fetched
    return place.fetch(wanted, store, progress)


def _wanted(target: Target, backups: Sequence[Backup], pulled: Pulled) -> list[Backup]:
    """The daily backups after the newest that was merged. Raises HoleError where one is lacking between them."""
    if not exists(target.server, target.database):
        raise HarvesterError(
            f"There is no database {target.database} at {target.server.address}. --full makes it of the newest full"
            " backup; or name another one with --database."
        )
    with target.server.connect(target.database) as connection:
        memory.prepare(connection)
        done = {backup.path for backup in backups if memory.is_merged(connection, backup)}
        newest = memory.newest_merged(connection)
        connection.rollback()
    wanted = []
    last = newest[0] if newest else None
    for backup in backups:
        if backup.kind == "full" or backup.path in done:
            continue
        if newest and backup.made_at <= newest[1]:
            pulled.left.append(f"{backup.path}: older than what is merged, and its rows are in a later one")
            continue
        if last:
            refuse_hole(last, backup)
        wanted.append(backup)
        last = backup.day
    return wanted


def _merge_all(target: Target, store: BackupStore, rules: Rules, wanted: Sequence[Backup], pulled: Pulled) -> None:
    with target.server.connect(target.database, autocommit=True) as connection:
        for backup in wanted:
            load_rows(target.server, target.database, connection, store.lake, backup)
            pulled.merged.append((backup, merge(connection, backup, rules)))


def _pull_full(
    place: Place,
    target: Target,
    store: BackupStore,
    rules: Rules,
    progress: Progress,
    backups: Sequence[Backup],
    pulled: Pulled,
) -> None:
    """The newest full backup and what follows it: as a new database where there is none, else merged as well."""
    wanted = chain(backups, max((backup.day for backup in backups), default=date.min))
    pulled.fetched = _fetch(place, wanted, store, progress)
    base, *daily = wanted
    server, database = target.server, target.database
    if not exists(server, database) or is_empty(server, database, base):
        if rules.dry_run:
            pulled.left.append(f"{database} would be made of {base.path} and {len(daily)} backups after it")
            return
        restore(server, f"{database}{NEW}", store.lake, wanted)
        switch(server, database, f"{database}{NEW}")
        pulled.merged.append((base, [Merged(table.name, inserted=table.rows) for table in base.tables]))
        return
    scratch = f"{database}{NEW}"
    restore(server, scratch, store.lake, [base])
    try:
        pulled.merged.append((base, adopt_full(server, database, scratch, base, rules)))
    finally:
        drop(server, scratch)
    _merge_all(target, store, rules, daily, pulled)


@dataclass(frozen=True)
class Restored:
    """What was restored, and what the database of before is called now; empty: there was none."""

    paths: tuple[str, ...]
    before: str


def restore_to(place: Place, target: Target, store: BackupStore, day: date, progress: Progress) -> Restored:
    """Make the database as it was backed up on a day or before it, and give it the name. Raises HarvesterError."""
    progress.look(place.address)
    wanted = chain(place.backups(store), day)
    with store.locked():
        _fetch(place, wanted, store, progress)
        restore(target.server, f"{target.database}{NEW}", store.lake, wanted)
        before = switch(target.server, target.database, f"{target.database}{NEW}")
    return Restored(tuple(backup.path for backup in wanted), before)
