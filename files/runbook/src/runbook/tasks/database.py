"""The database's backups: merged into the one here, or restored beside it."""

from typing import TYPE_CHECKING

from invoke.context import Context

from harvester.base.errors import ConfigError
from runbook.tasks.here import hosts_of, store_at
from runbook.tasks.options import OUTPUT, WHERE, operator

if TYPE_CHECKING:
    from runbook.database.place import BackupStore, Place
    from runbook.database.pull import Pulled, Target

PLACE = {
    "place": "s3://name/prefix/ that the backups are in (default: what the inventory says; without a bucket, the host)",
    "database": "database here, by libpq's environment and ~/.pgpass (default: of the name that it has on the host)",
}
LOCAL = ("refuse", "keep", "overwrite")


@operator(
    full="begin with the newest full backup: for a database that is new, or lacks days",
    dry_run="count what would change, and change nothing",
    local="rows of your own under numbers that the server gave to others: refuse (default), keep or overwrite",
    add_columns="add the columns that the server has and this database lacks",
    **PLACE,
    **OUTPUT,
    **WHERE,
)
def pull_database(
    _: Context,
    full: bool = False,
    dry_run: bool = False,
    local: str = "refuse",
    add_columns: bool = False,
    place: str | None = None,
    database: str | None = None,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Fetch the backups of a host's database that are not here yet, verified, and merge them into the one here.

    Each is merged in one transaction, or refused as a whole; a second run changes nothing.
    """
    from harvester.database.merge import Rules
    from runbook.console.terminal import PullBar
    from runbook.database.pull import pull

    if local not in LOCAL:
        raise ConfigError(f"--local {local!r} is none of {', '.join(LOCAL)}.")
    rules = Rules(local=local, add_columns=add_columns, dry_run=dry_run)
    source, target, store = _choose(place, database, output, inventory, limit)
    with PullBar() as bar:
        pulled = pull(source, target, store, rules, bar, full=full)
    _show(pulled, dry_run=dry_run)


@operator(to="day, YYYY-MM-DD: the database as it was backed up then, or last before it", **PLACE, **OUTPUT, **WHERE)
def restore(
    _: Context,
    to: str,
    place: str | None = None,
    database: str | None = None,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Make a database anew of its backups up to a day, and give it the name; the one of before stays, renamed."""
    from harvester.base.clock import parse_date
    from runbook.console.terminal import PullBar, console
    from runbook.database.pull import restore_to

    day = parse_date(to, "--to")
    source, target, store = _choose(place, database, output, inventory, limit)
    with PullBar() as bar:
        restored = restore_to(source, target, store, day, bar)
    out = console()
    out.print(f"{target.database} is made of {', '.join(restored.paths)}.", markup=False)
    if restored.before:
        out.print(f"The database of before is called {restored.before}; drop it when you are sure.", markup=False)


def _choose(
    place: str | None, database: str | None, output: str, inventory: str | None, limit: str | None
) -> "tuple[Place, Target, BackupStore]":
    """Where from and where to; the inventory is not asked where both are named."""
    from contextlib import nullcontext

    from harvester.database.server import Server
    from runbook.database.place import BackupStore, choose_place, settings_of
    from runbook.database.pull import Target
    from runbook.fleet.environment import environment_of

    root = store_at(output).root
    hosts = [] if place and database else hosts_of(inventory, limit, named=True)
    name = database or settings_of(hosts).database
    with environment_of(hosts[0]) if hosts else nullcontext():
        source = choose_place(hosts, place)
    return source, Target(Server(), name), BackupStore(root / "database")


def _show(pulled: "Pulled", *, dry_run: bool) -> None:
    """A table for each backup that was merged."""
    from runbook.console.terminal import console, table

    out = console()
    columns = ("table", "inserted#", "updated#", "unchanged#", "refused#")
    for backup, results in pulled.merged:
        rows = [(each.name, each.inserted, each.updated, each.unchanged, each.refused) for each in results]
        title = f"{backup.path}{': what would be merged' if dry_run else ''}"
        out.print(table(title, columns, rows))
        for each in results:
            for note in each.notes:
                out.print(f"{each.name}: {note}", markup=False)
    for sentence in pulled.left:
        out.print(sentence, markup=False)
    merged = len(pulled.merged)
    out.print(f"{pulled.there} backups in {pulled.place}, {pulled.fetched} fetched, {merged} merged.", markup=False)
