"""harvester deliver-raw: the answers of the candle feed as they came, to the places that the settings name."""

import argparse
from datetime import timedelta

from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import HarvesterError
from harvester.commands.delivery_news import tell_success
from harvester.config.deliveries import PRICE_FEED, choose
from harvester.config.settings import Settings
from harvester.price_feed.folder import partition_of
from harvester.price_feed.place import open_place
from harvester.price_feed.raw import deliver_raw

LOOK_BACK_DAYS = 3
"""What the bucket could not take on the evening before goes on the next days."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="of the delivery of this name alone; default: all")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="of this day; default: today, and what is lacking")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Deliver what came since the last run; nothing to do where no delivery is configured."""
    clock = SystemClock()
    if args.date:
        days = [partition_of(settings, parse_date(args.date, "--date"), clock)]
    else:
        today = partition_of(settings, None, clock)
        days = [today._replace(date=today.date - timedelta(days=back)) for back in reversed(range(LOOK_BACK_DAYS + 1))]
    problems: list[str] = []
    for each in (chosen := choose(settings.deliveries, PRICE_FEED, args.name)):
        bucket = open_place(each)
        for day in days:
            outcome = deliver_raw(settings, each, bucket, day, clock)
            problems += outcome.problems
            if outcome.put:
                said = f"{outcome.put} raw files and {outcome.bytes} bytes verified in {bucket.home}"
                print(f"{day.date}: {said}")
                tell_success(settings, each, f"The candles of {day.date} came\n{said}", clock.wall_ns())
    if not chosen:
        print("No price feed is configured (deliveries), so nothing is delivered.")
    if problems:
        raise HarvesterError("\n".join([*problems, "The next run goes on with what is lacking."]))
    return 0
