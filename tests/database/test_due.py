"""The bucket's copy of each backup is due, whatever became of the job that makes it."""

import os
from datetime import date, datetime, timedelta

from tests.database.world import MONDAY, World

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import INDIA
from harvester.dues.backups import BackupSource
from harvester.dues.judge import ledger_of

SUNDAY = MONDAY - timedelta(days=1)


def at(clock: str) -> int:
    """A moment of Monday in India."""
    return int(datetime.fromisoformat(f"{MONDAY}T{clock}").replace(tzinfo=INDIA).timestamp()) * NS_PER_SECOND


def hours(day: date) -> tuple[int, int] | None:
    """The market trades on weekdays."""
    return (at("09:15:00"), at("15:30:00")) if day.weekday() < 5 else None


def test_the_daily_one_is_due_on_trading_days_and_the_full_one_on_its_day_of_the_week(world: World) -> None:
    source = BackupSource(world.settings, hours)
    assert [(due.name, due.due_ns) for due in source.declare(MONDAY)] == [("daily", at("16:00:00"))]
    assert [due.name for due in source.declare(SUNDAY)] == ["full"]
    assert source.declare(SUNDAY, {"full"}) == []
    world.changes = {"days": "every"}
    assert [due.name for due in BackupSource(world.settings, hours).declare(SUNDAY)] == ["daily", "full"]


def test_a_full_one_that_a_host_makes_up_for_when_it_wakes_is_met(world: World) -> None:
    [due] = BackupSource(world.settings, hours).declare(SUNDAY)
    world.back_up_all(MONDAY)
    assert BackupSource(world.settings, hours).find(due).met_ns is None
    world.deliver()
    assert BackupSource(world.settings, hours).find(due).met_ns is not None


def test_it_is_met_by_the_receipt_and_by_nothing_less(world: World) -> None:
    source = BackupSource(world.settings, hours)

    def judged(clock: str) -> tuple[str, str, bool]:
        [entry] = ledger_of([source], MONDAY, at(clock))
        return entry.state, entry.cause, entry.told

    assert judged("18:59:00")[0] == "waiting"
    assert judged("19:01:00") == (
        "missing",
        "daily/incremental_2026-11-23.dump.gz was not made: see the job database-daily",
        True,
    )
    world.trade(MONDAY, 5)
    world.back_up(MONDAY)
    assert judged("19:01:00") == (
        "missing",
        "daily/incremental_2026-11-23.dump.gz is made, and the bucket was not seen to hold it",
        False,
    )
    world.deliver()
    state, _, _ = judged("19:01:00")
    assert state in ("met", "late")


def test_what_was_due_before_the_job_was_put_on_the_host_is_not(world: World) -> None:
    since = world.root / "jobs/database-daily/since"
    since.parent.mkdir(parents=True)
    since.touch()
    os.utime(since, ns=(0, at("16:00:01")))
    assert BackupSource(world.settings, hours).declare(MONDAY) == []
    os.utime(since, ns=(0, at("15:59:59")))
    assert [due.name for due in BackupSource(world.settings, hours).declare(MONDAY)] == ["daily"]
