"""Backups of which a part is lacking, without a database: what proves one, what a kill left, what follows what."""

import os
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.recorder.test_dues_backups import MONDAY, Make, at, back_up, deliver, make

from harvester.database.chain import chain, without_hole
from harvester.database.copies import remove_left, remove_old, rows_from, unproven
from harvester.database.manifests import dump_path, find, keep, log_path, manifest_path

__all__ = ["make"]
LATE = MONDAY + timedelta(days=30)


@pytest.mark.parametrize("path", [dump_path, manifest_path])
def test_a_place_that_lacks_a_dump_or_its_manifest_proves_no_backup(make: Make, path: object) -> None:
    assert callable(path)
    settings = make()
    backup = back_up(settings, "daily", MONDAY)
    deliver(settings, backup, without=path("daily", MONDAY))
    assert remove_old(settings, LATE) == [] and unproven(settings, LATE) == [backup.path]
    if path is manifest_path:
        assert rows_from(settings, MONDAY + timedelta(days=1)) == MONDAY
    deliver(settings, backup)
    assert rows_from(settings, MONDAY + timedelta(days=1)) == MONDAY + timedelta(days=1)
    assert unproven(settings, LATE) == [] and remove_old(settings, LATE) == [backup.path]


def test_a_dump_without_its_manifest_goes_after_as_many_days_with_its_log(make: Make) -> None:
    """A kill comes between the dump and its manifest, or between the removal of the one and of the other."""
    settings = make(keep_local_days=3)
    left = [back_up(settings, "daily", MONDAY), back_up(settings, "full", MONDAY)]
    whole = back_up(settings, "daily", MONDAY + timedelta(days=1))
    for backup in left:
        (settings.folder / manifest_path(*backup.name)).unlink()
    for dump in settings.folder.rglob("*.dump.gz"):
        os.utime(dump, ns=(at(MONDAY, "23:59"),) * 2)
    assert remove_left(settings, MONDAY + timedelta(days=2)) == []
    assert remove_left(settings, MONDAY - timedelta(days=9)) == [], "a clock that was set back"
    assert remove_left(settings, MONDAY + timedelta(days=3)) == [backup.path for backup in left]
    there = {path.relative_to(settings.folder).as_posix() for path in settings.folder.rglob("*") if path.is_file()}
    assert there >= {whole.path, manifest_path(*whole.name), log_path(*whole.name)}
    assert not there & {path(*backup.name) for backup in left for path in (dump_path, log_path)}


def test_what_follows_a_full_backup_ends_with_the_day_that_is_asked_for_whichever_way_it_is_found(make: Make) -> None:
    settings = make()
    week = [MONDAY + timedelta(days=number) for number in range(5)]
    back_up(settings, "full", week[0])
    for day in week[1:]:
        back_up(settings, "daily", day)
    for last, until in enumerate(week):
        wanted = [dump_path("full", week[0]), *(dump_path("daily", day) for day in week[1 : last + 1])]
        for way in (chain, without_hole):
            assert [backup.path for backup in way(find(settings.folder), until)] == wanted, (way.__name__, until)


def test_what_was_made_after_a_full_backup_follows_it_also_on_its_day_and_what_was_made_before_does_not(
    make: Make,
) -> None:
    """At 16:00 each: the daily one of Monday before the full one, that of Tuesday after it, on one day."""
    settings = make()
    tuesday, wednesday = (MONDAY + timedelta(days=number) for number in (1, 2))
    back_up(settings, "daily", MONDAY)
    back_up(settings, "daily", tuesday)
    back_up(settings, "daily", wednesday)
    for hour, follows in (("09", [tuesday, wednesday]), ("17", [wednesday])):
        keep(settings.folder, replace(back_up(settings, "full", tuesday), made_at=f"{tuesday}T{hour}:00:00+05:30"))
        wanted = [dump_path("full", tuesday), *(dump_path("daily", day) for day in follows)]
        for way in (chain, without_hole):
            assert [backup.path for backup in way(find(settings.folder), wednesday)] == wanted, (way.__name__, hour)
