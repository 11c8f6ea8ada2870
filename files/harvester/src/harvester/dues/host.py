"""The sources of this host, from its configuration, its list of jobs and what systemd says."""

import json
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.config.database import find_database
from harvester.config.segments import calendars_of, hours_of
from harvester.config.settings import CalendarSettings, Settings
from harvester.dues.backups import DAILY, BackupSource
from harvester.dues.deliveries import DeliverySource
from harvester.dues.due import WRONG, Source
from harvester.dues.feeds import FeedSource
from harvester.dues.jobs import JobFacts, JobSource, Up
from harvester.dues.judge import ledger_of, overdue
from harvester.dues.uploads import UploadSource
from harvester.health.facts import Overdue, Unit
from harvester.health.systemd import SystemdError, look_at_units
from harvester.health.units import how_to_run
from harvester.jobs.builtin import BUILT_IN, BuiltIn
from harvester.jobs.model import Job, JobsFile, load_jobs
from harvester.jobs.records import JOBS
from harvester.jobs.schedule import Hours

log = structlog.get_logger()
SECONDS = 20
LOOK_BACK = 8
"""Days: what is due once a week is among them."""
ENDLESS_NS = 2**63 - 1


class Seen(NamedTuple):
    """What was asked of systemd: the jobs' timers, and when the host ran. None: it could not be asked."""

    timers: dict[str, Unit] | None
    up: list[Up] | None


def hours_by(settings: Settings | None, calendar: TradingCalendar) -> Callable[[date], Hours | None]:
    """The hours of a day on this host: of what it records, or of NSE cash where it records nothing."""
    calendars = calendars_of(settings, calendar) if settings else [calendar]
    phases = settings.calendar.phases if settings else CalendarSettings().phases
    return lambda day: hours_of(calendars, day, phases)


def sources_of(
    data_dir: Path, settings: Settings | None, calendar: TradingCalendar, jobs: JobsFile, seen: Seen
) -> list[Source]:
    """All that is due here; a host without a configuration of a recorder has jobs alone."""
    hours = hours_by(settings, calendar)
    facts = [_own(job) for job in jobs.jobs]
    if settings:
        facts += [_builtin(each) for each in BUILT_IN if settings.upload.bucket or not each.only_with_bucket]
    sources: list[Source] = [JobSource(facts, data_dir / JOBS, hours, timers=seen.timers, up=seen.up)]
    if settings:
        sources.append(FeedSource(settings.feeds, settings.lake_dir, settings.host_id, hours))
        if settings.upload.bucket:
            sources.append(UploadSource(data_dir, settings.host_id, hours))
        sources += _deliveries(settings, hours)
    # What was taken out of the inventory has no jobs any more, and its settings stay.
    is_backed_up = any(job.name == DAILY for job in jobs.jobs)
    if is_backed_up and (database := find_database()):
        sources.append(BackupSource(database, hours))
    return sources


def find_overdue(data_dir: Path, settings: Settings | None, calendar: TradingCalendar, now_ns: int) -> list[Overdue]:
    """What people must hear of from the ledger alone, of today and the week before. Raises HarvesterError."""
    jobs = load_jobs()
    sources = sources_of(data_dir, settings, calendar, jobs, ask_systemd(jobs))
    found = overdue(sources, days_until(to_local(now_ns).date(), LOOK_BACK), now_ns)
    return [Overdue(each.due.kind, each.due.name, each.due.due_ns, each.cause, each.due.remedy) for each in found]


def find_undelivered(settings: Settings | None, calendar: TradingCalendar, now_ns: int) -> list[str]:
    """Deliveries of today and yesterday that are not made: waiting, missing, or nobody knows. Raises HarvesterError.

    Each as its name and day. An evening, and a session, may go on over midnight.
    """
    sources = _deliveries(settings, hours_by(settings, calendar)) if settings else []
    days = days_until(to_local(now_ns).date(), 2)
    entries = [entry for day in days for entry in ledger_of(sources, day, now_ns)]
    return [f"{each.due.name} {each.due.period}" for each in entries if each.state in ("waiting", *WRONG)]


def _deliveries(settings: Settings, hours: Callable[[date], Hours | None]) -> list[Source]:
    return [DeliverySource(settings, hours, kind) for kind in sorted({each.kind for each in settings.deliveries})]


def ask_systemd(jobs: JobsFile) -> Seen:
    """Look at the timers of the jobs, and at the boots that journald knows."""
    names = [f"{job.unit}.timer" for job in jobs.jobs] + [f"{each.unit}.timer" for each in BUILT_IN]
    try:
        timers = look_at_units(names)
    except SystemdError as error:
        log.warning("timers_unseen", detail=str(error))
        timers = None
    return Seen(timers, _boots())


def _boots() -> list[Up] | None:
    """When the host ran, by journald's first and last entry of each boot; the last one lasts."""
    command = ["journalctl", "--list-boots", "--output=json", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        rows = json.loads(done.stdout) if done.returncode == 0 else []
        spans = [(int(row["first_entry"]) * 1000, int(row["last_entry"]) * 1000) for row in rows]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        log.warning("boots_unseen", detail=type(error).__name__)
        return None
    if not spans:
        return None
    return [*sorted(spans[:-1]), (spans[-1][0], ENDLESS_NS)]


def _own(job: Job) -> JobFacts:
    proof = f"{job.proof.file}" if job.proof and job.proof.file else "its proof" if job.proof else "it ended with 0"
    return JobFacts(
        name=job.name,
        schedule=job.when.schedule,
        trading_days=job.trading_days,
        within_ns=job.within_seconds * NS_PER_SECOND,
        proof=proof,
        unit=job.unit,
        remedy=how_to_run(job.unit),
    )


def _builtin(job: BuiltIn) -> JobFacts:
    return JobFacts(
        name=job.name,
        schedule=job.schedule,
        trading_days=job.trading_days,
        within_ns=job.within_seconds * NS_PER_SECOND,
        proof="its record",
        unit=job.unit,
        remedy=how_to_run(job.unit),
        tells=False,  # the list of what must be true knows closed days, the bucket, and units that failed
    )


def days_until(day: date, count: int) -> list[date]:
    """So many days, the last of which is this one, the oldest first."""
    return [date.fromordinal(day.toordinal() - back) for back in reversed(range(count))]
