"""harvester job: run a job of this host once, close the record of a run, or check a list of jobs."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.alerts.rules import UNIT_FAILED
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import replace_file
from harvester.base.logs import configure_logs
from harvester.base.market import MARKETS, enter, to_local
from harvester.base.validation import Refused, validate
from harvester.calendar import TradingCalendar
from harvester.config.file import find_settings
from harvester.dues.host import hours_by
from harvester.health.installed import Installed, find_installed
from harvester.health.units import how_to_run
from harvester.jobs.ask import is_due
from harvester.jobs.listing import list_jobs
from harvester.jobs.model import BUILT_IN, Job, JobsFile, load_jobs
from harvester.jobs.plan import plan_units
from harvester.jobs.records import JOBS, Record, Records
from harvester.jobs.run import INVOCATION, run_job
from harvester.jobs.unit import close_record, ended_well

TOLD = "told"
"""In the unit's folder in /run: the invocation of which people were told. report-failure reads it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run a job now, prove and record it")
    run.add_argument("name", metavar="NAME")
    run.add_argument("--if-due", action="store_true", help="for a timer that goes by the market: only when it is due")
    ended = actions.add_parser("ended", help="for its unit: record a run that could not do so itself, and tell of it")
    ended.add_argument("name", metavar="NAME")
    now = actions.add_parser("now", help="have the next start of its unit run it, whatever its times say; as root")
    now.add_argument("name", metavar="NAME")
    actions.add_parser("list", help="print each job with its last record and next start, as JSON")
    check = actions.add_parser("check", help="check a list of jobs, and print what the role makes of it")
    check.add_argument("file", type=Path, metavar="FILE", help="JSON object with jobs, and settings of the recorder")
    check.add_argument("--calendar", type=Path, metavar="FILE", help="trading calendar; default: the package's")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises ConfigError for a job that is not here and a list that is refused, HarvesterError where a run failed."""
    configure_logs(debug=args.debug)
    if args.action == "check":
        print(json.dumps(_check(args.file, args.calendar)))
        return 0
    installed = find_installed()
    if installed is None:
        raise ConfigError(f"{sys.prefix}: no release of a host, so there are no jobs here. Deploy it first.")
    if args.action == "ended":
        return _ended(installed, args.name)
    if args.action == "list":
        print(json.dumps(list_jobs(installed, load_jobs(), SystemClock().wall_ns())))
        return 0
    job = load_jobs().find(args.name)
    return _ask_for(installed, job) if args.action == "now" else _run(args, installed, job)


def _check(path: Path, calendar: Path | None) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_bytes())
        settings = data.pop("settings", None) or {}
        jobs = validate(JobsFile, data)
        if settings.get("market") in MARKETS:
            enter(settings["market"])  # times of day are its
    except Refused as refused:
        raise ConfigError(f"The jobs are refused:\n{refused}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: the jobs cannot be read ({error}). It must hold a JSON object with jobs."
        ) from error
    return plan_units(jobs, TradingCalendar.load(calendar), settings, to_local(SystemClock().wall_ns()).date())


def _run(args: argparse.Namespace, installed: Installed, job: Job) -> int:
    records, clock = Records(installed.data_dir / JOBS / job.name), SystemClock()
    try:
        asked = records.take_asked(clock.wall_ns())
        if args.if_due and not asked and not _is_due(args.config, job, records, clock.wall_ns()):
            print(f"{job.name} is not due now.")
            return 0
        record = run_job(job, records, clock)
    except OSError as error:
        raise HarvesterError(
            f"{error.filename}: the record of {job.name} cannot be kept ({error.strerror}). Free disk space, or"
            " correct the owner of that folder."
        ) from error
    if record.result != "ok":
        raise HarvesterError(f"{job.name}: {record.result}: {record.cause}. {how_to_run(job.unit)}")
    print(f"{job.name}: ok{': ' if record.proof else ''}{record.proof}")
    return 0


def _ask_for(installed: Installed, job: Job) -> int:
    try:
        Records(installed.data_dir / JOBS / job.name).ask(SystemClock().wall_ns())
    except OSError as error:
        raise HarvesterError(
            f"{error.filename}: that {job.name} is asked for cannot be noted ({error.strerror}). Be root on the"
            " host, who may write there."
        ) from error
    print(f"{job.name} runs at the next start of {job.unit}.service.")
    return 0


def _is_due(config: Path | None, job: Job, records: Records, now_ns: int) -> bool:
    settings = find_settings(config)
    calendar = TradingCalendar.load(settings.calendar.file if settings else None)
    return is_due(job, records, hours_by(settings, calendar), now_ns)


def _ended(installed: Installed, name: str) -> int:
    """Of a built-in job people are told by its unit's own way."""
    records, now_ns = Records(installed.data_dir / JOBS / name), SystemClock().wall_ns()
    try:
        record = close_record(records, os.environ, now_ns) or _last(records, now_ns)
        other = records.running()
    except OSError as error:
        raise HarvesterError(f"{error.filename}: the record of {name} cannot be closed ({error.strerror}).") from error
    if name in BUILT_IN or ended_well(os.environ):
        return 0
    job = load_jobs().find(name)
    nothing = "another run of it was at work" if other else "it has left no record"
    _tell(installed, job, record.cause if record else nothing)
    return 0


def _last(records: Records, now_ns: int) -> Record | None:
    """The record of this invocation, which the run wrote itself."""
    day = to_local(now_ns).date()
    found = [each for each in records.read(day.fromordinal(day.toordinal() - 1), day)]
    mine = [each for each in found if each.invocation == os.environ.get(INVOCATION)]
    return mine[-1] if mine else None


def _tell(installed: Installed, job: Job, why: str) -> None:
    """Hand in the notice, and say so to report-failure, which would tell less of the same."""
    severity = Severity[job.on_failure.upper()]
    source, text = f"{job.unit}.service", f"The job {job.name} failed\n{why}"
    post(installed.alerts.inbox, Notice(severity, UNIT_FAILED, source, installed.host_id, text, how_to_run(job.unit)))
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        replace_file(Path(folder) / TOLD, os.environ.get(INVOCATION, ""), 0o640, synced=False)
