"""harvester so-far: what today has so far as tables, in a folder of its own."""

import argparse
from pathlib import Path

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.lake.close import expect_day
from harvester.lake.layout import Partition
from harvester.lake.manifest import load_manifest
from harvester.lake.so_far import build_so_far


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="a folder that is new, or empty")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Build it, and say until when it goes."""
    calendar = TradingCalendar.load(settings.calendar.file)
    partition = Partition(to_local(SystemClock().wall_ns()).date(), settings.host_id)
    if load_manifest(settings.lake_dir, partition):
        print(f"{partition.date} is closed: read it in {settings.lake_dir}.")
        return 0
    try:
        until_ns = build_so_far(
            journal=settings.journal_dir,
            lake=settings.lake_dir,
            target=args.output,
            partition=partition,
            expectation=expect_day(settings, calendar, partition.date),
        )
    except OSError as error:
        raise HarvesterError(
            f"{error.filename or args.output}: {error.strerror}. Name a folder that this user, the lake's owner, may"
            " write, on a disk with space, with --output."
        ) from error
    if until_ns is None:
        print(f"{partition.date}: nothing of a session is sealed yet. Ask again in some minutes.")
        return 0
    print(f"{partition.date} so far, until {to_local(until_ns):%H:%M:%S %Z}: {args.output}. It is not closed.")
    return 0
