"""harvester build: while the day runs, do what of its close can be done already."""

import argparse

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.release import release_id
from harvester.calendar import TradingCalendar
from harvester.config.segments import busy_at
from harvester.config.settings import Settings
from harvester.lake.close import expect_day
from harvester.lake.layout import Partition
from harvester.lake.manifest import load_manifest
from harvester.lake.prepare import BUILT, build_parts
from harvester.lake.publish.archive import Form
from harvester.lake.slices import build_slices

RESERVES = 4
"""How many times the recorder's reserve of the disk stays free: health warns below two."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--due", action="store_true", help="for the timer: nothing while no session is open")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Archive and decode today's sealed segments, for the close to take over."""
    wall_ns = SystemClock().wall_ns()
    partition = Partition(to_local(wall_ns).date(), settings.host_id)
    calendar = TradingCalendar.load(settings.calendar.file)
    if args.due and busy_at(settings, calendar, wall_ns, 0) is None:
        print("No session is open: the close does the rest.")
        return 0
    if load_manifest(settings.lake_dir, partition):
        print(f"{partition.date} is closed.")
        return 0
    try:
        outcome, count = build_parts(
            journal=settings.journal_dir,
            lake=settings.lake_dir,
            partition=partition,
            release=release_id(),
            form=Form[settings.archive.upper()],
            reserve_bytes=RESERVES * settings.disk_reserve_bytes,
        )
        slices = 0
        if outcome == BUILT:
            slices = build_slices(
                journal=settings.journal_dir,
                lake=settings.lake_dir,
                partition=partition,
                release=release_id(),
                expectation=expect_day(settings, calendar, partition.date),
            )
    except OSError as error:
        raise HarvesterError(
            f"{partition.date}: {error.filename or 'a part of the day'}: {error.strerror}. Nothing is lost: the close"
            " does what is not here. Free disk space or correct owners and modes of the lake."
        ) from error
    if outcome == BUILT:
        made = f", {slices} slices of tables" if slices else ""
        print(f"{partition.date}: {count} segments became parts{made}.")
    else:
        print(f"{partition.date}: {outcome}; the close does what is not here.")
    return 0
