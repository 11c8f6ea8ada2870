"""harvester database: backups of a PostgreSQL database, their delivery, and the test that they can be restored."""

import argparse
import sys
from datetime import date, time, timedelta
from pathlib import Path

import msgspec

from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import to_local
from harvester.config.database import DatabaseSettings, find_database
from harvester.database.copies import remove_left, remove_old, rows_from, unproven
from harvester.database.delivery import BackupDelivery
from harvester.database.full import back_up_all, back_up_day
from harvester.database.manifests import Backup, Kind, find, load
from harvester.database.pulled import note_copies
from harvester.database.restore_test import run_restore_test
from harvester.database.server import read_password, server_of
from harvester.deliver.run import deliver
from harvester.lake.layout import Partition
from harvester.upload.retries import Retries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    daily = actions.add_parser("daily", help="back up the rows of a day")
    full = actions.add_parser("full", help="back up the whole database")
    for action in (daily, full):
        action.add_argument(
            "--date", metavar="YYYY-MM-DD", help="the day that it is called by; default: the one whose time it is"
        )
    actions.add_parser("deliver", help="bring backups to the bucket, and read them back")
    actions.add_parser("restore-test", help="restore what the bucket has into a database of its own, and count")
    actions.add_parser(
        "pulled", help="note what a laptop has of the backups of a host without a bucket (standard input)"
    )
    check = actions.add_parser("check", help="check settings, and print them with every default")
    check.add_argument("file", type=Path, metavar="FILE", help="JSON object as database_backup of the inventory")
    check.add_argument("--password-file", type=Path, metavar="FILE", help="check the password in it as well")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises ConfigError where no database is backed up here, HarvesterError for what failed."""
    if args.action == "check":
        return _check(args.file, args.password_file)
    settings = find_database()
    if settings is None:
        raise ConfigError("No database is backed up here: set database_backup in the inventory, and run ./inv deploy.")
    today = to_local(SystemClock().wall_ns()).date()
    if args.action == "deliver":
        _deliver(settings)
    elif args.action == "pulled":
        print(f"{note_copies(settings, sys.stdin.buffer.read())} backups here are on the laptop as well")
    elif args.action == "restore-test":
        _test(settings, today)
    else:
        kind: Kind = "daily" if args.action == "daily" else "full"
        day = parse_date(args.date, "--date") if args.date else _day_of(settings, kind)
        _back_up(settings, kind, day, today)
    return 0


def _check(file: Path, password_file: Path | None) -> int:
    checked = find_database(file)
    assert checked is not None  # noqa: S101  # a file that is named and is not there is refused
    if password_file:
        read_password(password_file.expanduser(), checked)
    print(msgspec.json.encode(checked, enc_hook=str).decode())
    return 0


def _day_of(settings: DatabaseSettings, kind: Kind) -> date:
    """Today on the market's clock; before the daily backup's time yesterday: a host that slept makes up for it."""
    now = to_local(SystemClock().wall_ns())
    early = kind == "daily" and now.time() < time.fromisoformat(settings.export_at)
    return now.date() - timedelta(days=1) if early else now.date()


def _back_up(settings: DatabaseSettings, kind: Kind, day: date, today: date) -> None:
    for path in remove_old(settings, today):
        has = "the bucket" if settings.place else "a laptop"
        print(f"{path}: {has} has it, and {settings.keep_local_days} days are over; the copy here is removed.")
    for path in remove_left(settings, today):
        print(f"{path}: its backup did not end, so it has no manifest; it is removed, and later backups have its rows.")
    if there := load(settings.folder, kind, day):
        print(f"{there.path} is there already, made at {there.made_at}.")
    elif kind == "daily":
        for backup in back_up_day(server_of(settings), settings, day, rows_from(settings, day)):
            print(describe(backup))
    else:
        print(describe(back_up_all(server_of(settings), settings, settings.folder, day)))
    waiting = unproven(settings, today)
    if waiting and not settings.place:
        raise HarvesterError(
            f"{', '.join(waiting)}: no laptop has pulled them for a week, and there is no bucket. They stay here, on"
            " the disk of this host alone. Run ./inv pull-database."
        )
    if waiting:
        raise HarvesterError(
            f"{', '.join(waiting)}: the bucket was not seen to hold them for days. They stay here. Look at what"
            " `harvester database deliver` says."
        )


def _deliver(settings: DatabaseSettings) -> None:
    if not settings.place:
        raise ConfigError(
            "The backups of this host have no bucket (database_backup.place). ./inv pull-database takes them."
        )
    delivery = BackupDelivery(settings, Retries())
    days = sorted({backup.day for backup in find(settings.folder)})
    outcomes = [deliver(delivery, Partition(day, settings.host_id)) for day in days]
    for outcome in outcomes:
        if outcome.new:
            print(f"{outcome.partition.date}: {outcome.put} dumps verified in {settings.place}, {outcome.bytes} bytes")
    print(f"{sum(outcome.complete for outcome in outcomes)} of {len(outcomes)} days are complete in {settings.place}")
    if problems := [problem for outcome in outcomes for problem in outcome.problems]:
        raise HarvesterError("\n".join([*problems, "The next run goes on with what is lacking."]))


def _test(settings: DatabaseSettings, today: date) -> None:
    tested = run_restore_test(server_of(settings), settings, today, lambda path: print(path, file=sys.stderr))
    print(
        f"restored and compared: {', '.join(tested.paths)}; {tested.tables} tables, {tested.rows} rows in the full one"
    )


def describe(backup: Backup) -> str:
    """A backup in a line."""
    rows = ", ".join(f"{table.name} {table.rows}" for table in backup.tables)
    since = f" since {backup.since}" if backup.since != backup.day else ""
    return f"{backup.path}: {backup.bytes} bytes, PostgreSQL {backup.server}; rows{since}: {rows}"
