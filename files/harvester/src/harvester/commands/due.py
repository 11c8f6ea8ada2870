"""harvester due: what was due on a day, and what became of it."""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import NamedTuple

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.config.file import find_settings
from harvester.dues import wording
from harvester.dues.due import WRONG, Entry, Source
from harvester.dues.host import LOOK_BACK, ask_systemd, days_until, sources_of
from harvester.dues.judge import is_settled, judge_again, ledger_of
from harvester.dues.settled import read_settled, settle
from harvester.health.installed import find_installed
from harvester.jobs.model import load_jobs
from harvester.workers.source import worker_sources

SOURCE, CAUSE = "dues", "daily"


class _Host(NamedTuple):
    host: str
    data_dir: Path
    inbox: Path
    daily: bool
    calendar: TradingCalendar
    sources: list[Source]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="date in the market; default: today there")
    parser.add_argument("--json", action="store_true", help="print one JSON object; times are wall ns")
    parser.add_argument(
        "--settle", action="store_true", help="for the timer: write down the days that are over, and tell of each once"
    )


def run(args: argparse.Namespace, _: object) -> int:
    """0 when nothing is missing, else 3. Raises ConfigError where this is no host of ours."""
    if args.settle and (args.date or args.json):
        raise ConfigError("--settle goes without --date and --json: it finds the days itself, for a timer.")
    now_ns = SystemClock().wall_ns()
    today, host = to_local(now_ns).date(), _find_host(args.config)
    if args.settle:
        return _settle(host, today, now_ns)
    day = parse_date(args.date, "--date") if args.date else today
    if not host.calendar.knows(day):
        raise HarvesterError(
            f"{day}: what was due is unknown: the calendar's facts are of {host.calendar.valid_from} to"
            f" {host.calendar.valid_until}. Name another --date."
        )
    settled = read_settled(host.data_dir, day)
    entries = judge_again(host.sources, settled.entries, now_ns) if settled else ledger_of(host.sources, day, now_ns)
    if args.json:
        rows = [wording.describe(entry) for entry in entries]
        print(json.dumps({"host": host.host, "date": str(day), "settled": settled is not None, "entries": rows}))
    else:
        print(f"{day}: {wording.count(entries)}{', settled' if settled else ''}")
        print("\n".join(wording.lines(entries)))
    return UnhealthyError.exit_code if any(entry.state in WRONG for entry in entries) else 0


def _find_host(config: Path | None) -> _Host:
    settings, installed = find_settings(config), find_installed()
    here = settings or installed
    if here is None:
        raise ConfigError("There is no host's configuration here, so nothing is due. Name one with --config.")
    calendar = TradingCalendar.load(settings.calendar.file if settings else None)
    jobs = load_jobs()
    sources = [*sources_of(here.data_dir, settings, calendar, jobs, ask_systemd(jobs)), *worker_sources()]
    return _Host(here.host_id, here.data_dir, here.alerts.inbox, here.alerts.daily, calendar, sources)


def _settle(host: _Host, today: date, now_ns: int) -> int:
    """Write down each day of which nothing waits any more, the oldest first, and hand in its message where wanted."""
    for day in days_until(today, LOOK_BACK):
        if settled := read_settled(host.data_dir, day):
            entries = judge_again(host.sources, settled.entries, now_ns)
            if entries != settled.entries:
                print(settle(host.data_dir, day, host.host, entries, now_ns))
            continue
        entries = ledger_of(host.sources, day, now_ns)
        if not entries or not is_settled(entries):
            continue
        # Told first: a run that dies between tells it again, and never not at all.
        if host.daily:
            _tell(host, day, entries)
        print(settle(host.data_dir, day, host.host, entries, now_ns))
    return 0


def _tell(host: _Host, day: date, entries: list[Entry]) -> None:
    title, body = wording.daily_message(day, entries)
    post(host.inbox, Notice(Severity.INFO, f"{CAUSE} {day}", SOURCE, host.host, f"{title}\n{body}"))
