"""The copies on the host: what may go, and from which day on the next backup must have rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.config.database import DatabaseSettings
from harvester.database.delivery import is_proven, newest_proven
from harvester.database.manifests import DUMP, STEMS, find, log_path, manifest_path

UNPROVEN_DAYS, UNPULLED_DAYS = 3, 7
"""After so many days a backup that the bucket was not seen to hold, or no laptop has, is named by every run."""


def remove_old(settings: DatabaseSettings, today: date) -> list[str]:
    """Delete copies that are old enough and proven elsewhere, and return their paths. Raises HarvesterError.

    The newest full backup stays: the restore test begins with it.
    """
    removed = []
    backups = find(settings.folder)
    newest_full = next((backup for backup in reversed(backups) if backup.kind == "full"), None)
    for backup in backups:
        is_young = (today - backup.day).days < settings.keep_local_days
        if is_young or backup is newest_full or not is_proven(settings, backup):
            continue
        with _removing():
            # The manifest first: a dump without one is no backup.
            for path in (manifest_path(*backup.name), backup.path, log_path(*backup.name)):
                (settings.folder / path).unlink(missing_ok=True)
        removed.append(backup.path)
    return removed


def remove_left(settings: DatabaseSettings, today: date) -> list[str]:
    """Delete dumps without a manifest that were written as long ago, and return their paths. Raises HarvesterError.

    A backup was killed between the two, or `remove_old` was. No backup counts such a dump, so later ones have its rows.
    """
    removed = []
    for stem in STEMS.values():
        for dump in sorted(settings.folder.glob(f"{stem}*{DUMP}")):
            name = dump.relative_to(settings.folder).as_posix().removesuffix(DUMP)
            with _removing():
                written = to_local(dump.stat().st_mtime_ns).date()
                if (settings.folder / f"{name}.json").exists() or (today - written).days < settings.keep_local_days:
                    continue
                for path in (dump, settings.folder / f"{name}.log"):
                    path.unlink(missing_ok=True)
            removed.append(f"{name}{DUMP}")
    return removed


@contextmanager
def _removing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HarvesterError(
            f"{error.filename}: the copy cannot be removed ({error.strerror}). Correct the folder's owner."
        ) from error


def unproven(settings: DatabaseSettings, today: date) -> list[str]:
    """Backups that wait for the bucket for days, or without one for a laptop."""
    limit = UNPROVEN_DAYS if settings.place else UNPULLED_DAYS
    return [
        backup.path
        for backup in find(settings.folder)
        if (today - backup.day).days >= limit and not is_proven(settings, backup)
    ]


def rows_from(settings: DatabaseSettings, day: date) -> date:
    """The CURRENT_DATE of a day's rows: the day, or the one after the last that the bucket has, whichever is earlier.

    So no row is ever in no backup, however many days failed. Where the bucket has none, and none waits here, it is the
    day; the full backup has what is older. Without a bucket those here count: they stay until a laptop has them.
    """
    waiting = [backup for backup in find(settings.folder) if backup.kind == "daily" and backup.day < day]
    last = newest_proven(settings, day)
    if not settings.place:
        last = max([*([last] if last else []), *(backup.day for backup in waiting)], default=None)
    if last is not None:
        return min(day, last + timedelta(days=1))
    return min([day, *(backup.since for backup in waiting)])
