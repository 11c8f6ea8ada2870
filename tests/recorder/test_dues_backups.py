"""What becomes of a database's backups, without a database: when one is due, what meets it, what may go, what waits."""

import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.database import DatabaseSettings, parse_database
from harvester.database import making
from harvester.database.copies import remove_old, rows_from, unproven
from harvester.database.dumps import Written
from harvester.database.log import BackupLog
from harvester.database.manifests import Backup, Kind, dump_path, find, keep, log_path, manifest_path
from harvester.database.programs import Program
from harvester.database.pulled import note_copies, say_copies
from harvester.deliver.receipts import DayReceipt, VerifiedObject, save
from harvester.dues.backups import BackupSource
from harvester.dues.due import UnseenError
from harvester.dues.host import Seen, sources_of
from harvester.dues.judge import ledger_of, overdue
from harvester.health.units import how_to_run
from harvester.jobs.model import JobsFile
from harvester.jobs.records import SINCE
from harvester.lake.layout import Partition

PLACE = "s3://b-bucket/database/"
HOUR_NS = 3600 * NS_PER_SECOND
DAY_NS = 24 * HOUR_NS
SUNDAY, MONDAY = DAY - timedelta(days=1), DAY
Make = Callable[..., DatabaseSettings]


def hours(day: date) -> tuple[int, int] | None:
    """The market trades on weekdays."""
    return (midnight_ns(day) + 9 * HOUR_NS, midnight_ns(day) + 15 * HOUR_NS) if day.weekday() < 5 else None


def at(day: date, clock: str) -> int:
    hour, minute = map(int, clock.split(":"))
    return midnight_ns(day) + hour * HOUR_NS + minute * 60 * NS_PER_SECOND


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Settings of a host with or without a bucket."""

    def settings(**changes: object) -> DatabaseSettings:
        plain = {"database": "trading", "data_dir": str(tmp_path), "host_id": "h1", "tables": [{"name": "s.t"}]}
        return parse_database({**plain, "place": PLACE, **changes}, "a test")

    for job in ("database-daily", "database-full"):
        folder = tmp_path / "jobs" / job
        folder.mkdir(parents=True)
        (folder / SINCE).touch()
        os.utime(folder / SINCE, (1, 1))
    return settings


def back_up(
    settings: DatabaseSettings, kind: Kind, day: date, sha256: str = "a" * 64, since: date | None = None
) -> Backup:
    """A complete backup of that day, made at 16:00."""
    path = dump_path(kind, day)
    backup = Backup(
        kind=kind, day=day, since=since or day, path=path, bytes=4, sha256=sha256, database="trading", server="16",
        program="16.1", made_at=f"{day}T16:00:00+05:30", tables=(),
    )  # fmt: skip
    (settings.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (settings.folder / path).write_bytes(b"dump")
    (settings.folder / log_path(kind, day)).write_bytes(b"log")
    keep(settings.folder, backup)
    os.utime(settings.folder / manifest_path(kind, day), ns=(at(day, "17:00"),) * 2)
    return backup


def deliver(settings: DatabaseSettings, *backups: Backup, home: str = PLACE, without: str = "") -> None:
    """The place was seen to hold these of one day, at 18:00 in India; `without`: a path that it lacks."""
    day = backups[0].day
    seen = f"{day}T12:30:00+00:00"
    receipt = DayReceipt(str(day), settings.host_id, home)
    for backup in backups:
        for path, sha256 in ((backup.path, backup.sha256), (manifest_path(*backup.name), "m" * 64)):
            if path != without:
                receipt.files[path] = VerifiedObject(path, 4, sha256, path, sha256, "", None, seen)
    save(settings.receipts, Partition(day, settings.host_id), receipt)


def states(settings: DatabaseSettings, day: date, now_ns: int) -> list[tuple[str, str, str, bool]]:
    entries = ledger_of([BackupSource(settings, hours)], day, now_ns)
    return [(entry.due.name, entry.state, entry.cause, entry.told) for entry in entries]


def test_when_each_is_due_until_when_and_what_brings_it(make: Make) -> None:
    source = BackupSource(make(days="every", export_at="23:30", full_at="Mon 04:15"), hours)

    full, daily = source.declare(MONDAY)

    assert (full.name, full.due_ns, full.by_ns) == ("full", at(MONDAY, "04:15"), at(MONDAY, "04:15") + 6 * DAY_NS)
    assert (daily.name, daily.due_ns, daily.by_ns) == ("daily", at(MONDAY, "23:30"), at(MONDAY, "26:30"))
    assert {(each.kind, each.period) for each in (full, daily)} == {("backup", str(MONDAY))}
    assert {each.remedy for each in (full, daily)} == {how_to_run("harvester-deliver-database")}
    assert {each.proof for each in (full, daily)} == {"the receipt of its dump and manifest"}
    alone = BackupSource(make(place=None, full_at="Mon 04:15"), hours).declare(MONDAY)
    assert [each.remedy for each in alone] == [
        how_to_run(f"harvester-job-database-{kind}") for kind in ("full", "daily")
    ]
    assert {each.proof for each in alone} == {"its dump and manifest on the host"}


@pytest.mark.parametrize("day", [MONDAY + timedelta(days=number) for number in range(7)])
def test_the_full_one_is_due_on_its_day_of_the_week_alone(make: Make, day: date) -> None:
    for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        dues = BackupSource(make(full_at=f"{name} 16:30"), hours).declare(day)
        assert ("full" in {due.name for due in dues}) == (day.weekday() == number)
        assert ("daily" in {due.name for due in dues}) == (day.weekday() < 5)


def test_each_is_due_since_its_own_job_was_put_on_the_host(make: Make, tmp_path: Path) -> None:
    source = BackupSource(make(days="every", full_at="Mon 16:00"), hours)
    for job, late in (("daily", 0), ("full", 1)):
        os.utime(tmp_path / "jobs" / f"database-{job}" / SINCE, ns=(0, at(MONDAY, "16:00") + late))

    assert [due.name for due in source.declare(MONDAY)] == ["daily"]


@pytest.mark.parametrize(
    ("lacking", "state"),
    [
        ("", "met"),
        ("daily/incremental_2026-11-23.dump.gz", "missing"),
        ("daily/incremental_2026-11-23.json", "missing"),
    ],
)
def test_a_backup_is_met_by_a_receipt_of_the_place_that_names_dump_and_manifest(
    make: Make, lacking: str, state: str
) -> None:
    settings = make()
    deliver(settings, back_up(settings, "daily", MONDAY), without=lacking)

    [(_, found, cause, told)] = states(settings, MONDAY, at(MONDAY, "23:00"))
    made = "daily/incremental_2026-11-23.dump.gz is made, and the bucket was not seen to hold it"
    assert (found, cause, told) == (state, made if lacking else "", False)


def test_a_receipt_of_another_place_meets_nothing_and_a_backup_that_was_not_made_is_told_by_its_job(make: Make) -> None:
    settings = make()
    deliver(settings, back_up(settings, "daily", MONDAY), home="s3://former/")
    assert [each[1] for each in states(settings, MONDAY, at(MONDAY, "23:00"))] == ["missing"]

    (settings.folder / manifest_path("daily", MONDAY)).unlink()
    [(_, state, cause, told)] = states(settings, MONDAY, at(MONDAY, "23:00"))
    assert (state, told) == ("missing", True)
    assert cause == "daily/incremental_2026-11-23.dump.gz was not made: see the job database-daily"
    assert overdue([BackupSource(settings, hours)], [MONDAY], at(MONDAY, "23:00")) == []


@pytest.mark.parametrize("place", [PLACE, None])
@pytest.mark.parametrize(("days", "is_met"), [(-1, False), (0, True), (6, True), (7, False)])
def test_a_full_one_may_be_made_up_for_within_its_week_and_a_daily_one_on_its_day(
    make: Make, place: str | None, days: int, *, is_met: bool
) -> None:
    settings = make(place=place, days="every")
    for kind, due_on in (("full", SUNDAY), ("daily", MONDAY)):
        made = back_up(settings, kind, due_on + timedelta(days=days))  # type: ignore[arg-type]
        if place:
            deliver(settings, made)
        found = {name: state for name, state, _, _ in states(settings, due_on, at(SUNDAY, "17:00") + 30 * DAY_NS)}
        assert (found[kind] in ("met", "late")) == (is_met if kind == "full" else days == 0), kind


def test_without_a_bucket_one_is_met_where_it_lies_here_whole_or_a_laptop_has_it(make: Make) -> None:
    settings = make(place=None)

    def judged() -> tuple[str, str, bool]:
        [(_, state, cause, told)] = states(settings, MONDAY, at(MONDAY, "23:00"))
        return state, cause, told

    lacking = ("missing", "daily/incremental_2026-11-23.dump.gz was not made: see the job database-daily", True)
    assert judged() == lacking
    backup = back_up(settings, "daily", MONDAY)
    assert judged() == ("met", "", False)
    assert note_copies(settings, say_copies([backup])) == 1
    for path in (backup.path, manifest_path("daily", MONDAY)):
        (settings.folder / path).unlink()
        assert judged() == ("met", "", False), "the laptop has it"
    [receipt] = settings.receipts.iterdir()
    receipt.unlink()
    assert judged() == lacking


def test_a_dump_without_its_manifest_and_a_manifest_without_its_dump_are_no_backup(make: Make) -> None:
    settings = make(place=None)
    for gone in (dump_path("daily", MONDAY), manifest_path("daily", MONDAY)):
        back_up(settings, "daily", MONDAY)
        (settings.folder / gone).unlink()
        assert [each[1] for each in states(settings, MONDAY, at(MONDAY, "23:00"))] == ["missing"]


def test_a_folder_that_cannot_be_looked_at_is_unknown(make: Make) -> None:
    settings = make(place=None)
    settings.folder.parent.mkdir(exist_ok=True)
    settings.folder.write_bytes(b"a file")
    [due] = BackupSource(settings, hours).declare(MONDAY)

    with pytest.raises(UnseenError, match=r"cannot be looked at \(Not a directory\)"):
        BackupSource(settings, hours).find(due)


def test_a_manifest_that_cannot_be_looked_at_is_no_backup_that_was_not_made(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where who asks has no right to the folder."""
    settings, exists = make(), Path.exists

    def look(path: Path) -> bool:
        if path.is_relative_to(settings.folder):
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    [due] = BackupSource(settings, hours).declare(MONDAY)
    monkeypatch.setattr(Path, "exists", look)
    with pytest.raises(UnseenError) as error:
        BackupSource(settings, hours).find(due)

    path = settings.folder / manifest_path("daily", MONDAY)
    assert str(error.value) == f"{path}: cannot be looked at (Permission denied)."


@pytest.mark.parametrize("place", [PLACE, None])
def test_a_copy_goes_when_it_is_old_and_proven_and_the_newest_full_one_stays(make: Make, place: str | None) -> None:
    settings = make(place=place, keep_local_days=3)
    made = [back_up(settings, "full", SUNDAY - timedelta(days=7)), back_up(settings, "full", SUNDAY)]
    made += [back_up(settings, "daily", MONDAY + timedelta(days=number)) for number in range(3)]
    for backup in made[:-1]:
        deliver(settings, backup, home=place or "laptop")

    today = MONDAY + timedelta(days=3)
    assert unproven(settings, today) == [], "of yesterday"
    assert remove_old(settings, today) == [made[0].path, made[2].path], "three days old, and no younger"
    assert remove_old(settings, today + timedelta(days=90)) == [made[3].path]
    assert unproven(settings, today + timedelta(days=90)) == [made[4].path]
    left = sorted(path.relative_to(settings.folder).as_posix() for path in settings.folder.rglob("*.*"))
    assert left == sorted(
        path(*each.name) for each in (made[1], made[4]) for path in (dump_path, manifest_path, log_path)
    )


@pytest.mark.parametrize(("place", "days"), [(PLACE, 3), (None, 7)])
def test_what_waits_is_named_from_its_day_on(make: Make, place: str | None, days: int) -> None:
    settings = make(place=place)
    backup = back_up(settings, "daily", MONDAY)

    assert unproven(settings, MONDAY + timedelta(days=days - 1)) == []
    assert unproven(settings, MONDAY + timedelta(days=days)) == [backup.path]


def test_a_backup_that_was_made_again_is_proven_anew(make: Make) -> None:
    """The name is that of before, and the bytes are others: what a laptop said of the former ones proves nothing."""
    settings = make(place=None)
    first = back_up(settings, "daily", MONDAY)
    assert note_copies(settings, say_copies([first])) == 1
    second = back_up(settings, "daily", MONDAY, sha256="b" * 64)
    late = MONDAY + timedelta(days=30)

    assert note_copies(settings, say_copies([first])) == 0
    assert (unproven(settings, late), remove_old(settings, late)) == ([second.path], [])
    assert note_copies(settings, say_copies([second])) == 1
    assert (unproven(settings, late), remove_old(settings, late)) == ([], [second.path])


@pytest.mark.parametrize("place", [PLACE, None])
def test_rows_begin_after_the_last_day_that_is_elsewhere_so_that_none_is_in_no_backup(
    make: Make, place: str | None
) -> None:
    settings, today = make(place=place), MONDAY + timedelta(days=4)
    assert rows_from(settings, today) == today, "nothing is known of days before"

    back_up(settings, "full", SUNDAY)
    assert rows_from(settings, today) == today, "a full one is no day's rows"
    waiting = back_up(settings, "daily", MONDAY + timedelta(days=2), since=MONDAY)
    assert rows_from(settings, today) == (MONDAY if place else MONDAY + timedelta(days=3))
    deliver(settings, waiting, home=place or "laptop")
    assert rows_from(settings, today) == MONDAY + timedelta(days=3)
    deliver(settings, back_up(settings, "daily", today), home=place or "laptop")
    assert rows_from(settings, today) == MONDAY + timedelta(days=3), "of the day itself nothing is over"
    assert rows_from(settings, today + timedelta(days=1)) == today + timedelta(days=1)


def test_a_host_has_its_backups_among_what_is_due_until_they_are_taken_out_of_the_inventory(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    its_job = validate(JobsFile, {"jobs": [{"name": "database-daily", "when": "16:00", "command": ["/bin/true"]}]})

    def kinds(jobs: JobsFile) -> list[str]:
        return [each.kind for each in sources_of(tmp_path, None, TradingCalendar.load(), jobs, Seen(None, None))]

    file = tmp_path / "database.json"
    monkeypatch.setenv("HARVESTER_DATABASE", str(file))
    assert "backup" not in kinds(its_job)
    file.write_text(json.dumps({"database": "trading", "tables": [{"name": "s.t"}], "data_dir": str(tmp_path)}))
    assert "backup" in kinds(its_job)
    assert "backup" not in kinds(JobsFile()), "its settings stay on the host, and its jobs do not"


@pytest.mark.parametrize("steps", range(3))
def test_a_removal_that_ends_at_any_step_leaves_no_manifest_without_its_dump(
    make: Make, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each later run would take that backup for one that can be restored."""
    settings = make()
    deliver(settings, back_up(settings, "daily", MONDAY))
    unlink, done = Path.unlink, list[Path]()

    def dies(path: Path, *, missing_ok: bool = False) -> None:
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(path)
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", dies)
        remove_old(settings, MONDAY + timedelta(days=90))

    assert [each.path for each in find(settings.folder) if not (settings.folder / each.path).exists()] == []
    assert remove_old(settings, MONDAY + timedelta(days=90)) == ([] if steps else [dump_path("daily", MONDAY)])


def test_a_dump_waits_for_a_lock_as_many_milliseconds_as_the_settings_have_seconds_a_thousand_times(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A number is milliseconds: https://www.postgresql.org/docs/current/app-pgdump.html, --lock-wait-timeout."""
    asked: list[str] = []

    def write(_: Program, __: object, ___: str, options: list[str], ____: Path) -> Written:
        asked.extend(options)
        return Written(1, "a" * 64)

    monkeypatch.setattr(making, "write_dump", write)
    nobody: Any = None
    program, log = Program(Path("pg_dump"), 16, "16.1"), BackupLog(tmp_path / "log")
    settings = make(lock_seconds=30)
    begun = making.Making(nobody, settings, tmp_path, "daily", MONDAY, nobody, "16", program, "UTF8", log)

    begun.dump()

    assert "--lock-wait-timeout=30000" in asked
