"""harvester deliver-raw: the answers of the candle feed as they came, to the places that the settings name."""

import argparse

from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import HarvesterError
from harvester.config.settings import Settings
from harvester.price_feed.folder import partition_of
from harvester.price_feed.place import choose, open_place
from harvester.price_feed.raw import deliver_raw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="of the delivery of this name alone; default: all")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="of this day; default: today")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Deliver what came since the last run; nothing to do where no delivery is configured."""
    clock = SystemClock()
    partition = partition_of(settings, parse_date(args.date, "--date") if args.date else None, clock)
    problems: list[str] = []
    for each in choose(settings, args.name):
        bucket = open_place(each)
        outcome = deliver_raw(settings, each, bucket, partition, clock.mono_ns())
        problems += outcome.problems
        if outcome.put:
            print(f"{partition.date}: {outcome.put} raw files and {outcome.bytes} bytes verified in {bucket.home}")
    if not settings.deliveries:
        print("No delivery is configured (deliveries), so nothing is delivered.")
    if problems:
        raise HarvesterError("\n".join([*problems, "The next run goes on with what is lacking."]))
    return 0
