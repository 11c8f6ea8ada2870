"""Which backups follow each other without a hole: a full one, and the rows of the days after it."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from harvester.base.errors import HarvesterError
from harvester.database.manifests import Backup


class HoleError(HarvesterError):
    """Between two backups there are days whose rows neither has."""


def chain(backups: Sequence[Backup], until: date) -> list[Backup]:
    """The newest full backup up to a day, and the daily ones after it. Raises HoleError, or where there is none."""
    full = next((each for each in reversed(in_order(backups)) if each.kind == "full" and each.day <= until), None)
    if full is None:
        days = ", ".join(str(each.day) for each in in_order(backups) if each.kind == "full") or "none"
        raise HarvesterError(f"There is no full backup of {until} or before it; there are: {days}.")
    after = [each for each in in_order(backups) if each.kind == "daily" and each.made_at > full.made_at]
    found = [full, *(each for each in after if each.day <= until)]
    for before, each in pairwise(found):
        refuse_hole(before.day, each)
    return found


def without_hole(backups: Sequence[Backup], until: date) -> list[Backup]:
    """The same as far as no day is lacking: copies of some days may be gone."""
    ordered = in_order(backups)
    full = chain([each for each in ordered if each.kind == "full"], until)[0]
    found = [full]
    for each in ordered:
        if each.kind == "daily" and each.made_at > full.made_at and each.day <= until:
            try:
                refuse_hole(found[-1].day, each)
            except HoleError:
                break
            found.append(each)
    return found


def refuse_hole(last: date, backup: Backup) -> None:
    """Raise HoleError where a daily backup does not go on where the one of `last` ended."""
    if backup.since > last + timedelta(days=1):
        raise HoleError(
            f"{backup.path} has the rows since {backup.since}, and the backup before it is of {last}: the rows between"
            " them are in neither. A full backup has them: --full."
        )


def in_order(backups: Sequence[Backup]) -> list[Backup]:
    """As they were made."""
    return sorted(backups, key=lambda backup: backup.made_at)
