"""harvester deliver: the broker's candles to the places that the settings name, in their layouts."""

import argparse
import json
from datetime import date

from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import HarvesterError
from harvester.commands.delivery_news import tell_success
from harvester.config.deliveries import PRICE_FEED, choose
from harvester.config.settings import Settings
from harvester.deliver.protocol import DayOutcome
from harvester.metrics.cloudwatch import open_client, publish
from harvester.metrics.measure import Metric
from harvester.price_feed.feed import DayResult, PriceFeed
from harvester.price_feed.place import open_place

METRICS = {"expected": "BarsExpected", "missing": "BarsMissing", "rejected": "BarsRejected", "revised": "BarsRevised"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the delivery of this name alone; default: all")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--date", metavar="YYYY-MM-DD", help="this day as it is here now; default: today")
    choice.add_argument(
        "--due", action="store_true", help="for the timer: closed days not delivered yet, and today once it has settled"
    )
    parser.add_argument("--json", action="store_true", help="print what was done with each day, as a list in JSON")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Deliver; nothing to do where no delivery is configured."""
    day = parse_date(args.date, "--date") if args.date else None
    results: list[DayResult] = []
    clock = SystemClock()
    for each in (chosen := choose(settings.deliveries, PRICE_FEED, args.name)):
        feed = PriceFeed(settings, each, open_place(each), clock)
        results += (done := _deliver_days(feed, settings, day, due=args.due))
        for result in done:
            if result.outcome.new and result.outcome.put:
                tell_success(settings, each, f"The price feed is delivered\n{_say(result, feed.home)}", clock.wall_ns())
        if not args.json:
            _report(done, feed.home)
    if args.json:
        print(json.dumps([result.describe() for result in results], indent=1))
    elif not chosen:
        print("No price feed is configured (deliveries), so nothing is delivered.")
    if problems := [problem for result in results for problem in result.outcome.problems]:
        raise HarvesterError("\n".join([*problems, "The next run goes on with what is lacking."]))
    return 0


def _deliver_days(feed: PriceFeed, settings: Settings, day: date | None, *, due: bool) -> list[DayResult]:
    results = []
    for partition in feed.due() if due else [feed.partition(day)]:
        results.append(result := feed.deliver_day(partition))
        if result.outcome.new and settings.metrics.environment:
            _count(settings, settings.metrics.environment, result.receipt.counts)
    return results


def _count(settings: Settings, environment: str, counts: dict[str, int]) -> None:
    """Publish what bars the day has. A day is delivered without that as well."""
    metrics = [Metric(name, counts[key], "Count") for key, name in METRICS.items()]
    try:
        client = open_client(settings.metrics.region, settings.metrics.endpoint_url)
        publish(client, environment, settings.host_id, metrics)
    except HarvesterError as error:
        print(f"not counted in CloudWatch: {error}")


def _say(result: DayResult, home: str) -> str:
    outcome, said = result.outcome, result.describe()
    state = "complete" if outcome.complete else f"not complete, {len(outcome.problems)} problems"
    return (
        f"{said['date']}: {state}, {outcome.put} of {said['symbols_processed']} files verified in {home};"
        f" {said['total_records']} bars, {said.get('missing', 0)} missing, {said.get('revised', 0)} revised"
    )


def _report(results: list[DayResult], home: str) -> None:
    """One line for each day that something happened to, and one for all the rest."""
    for result in results:
        outcome = result.outcome
        if outcome.left_out:
            print(f"{outcome.partition.date}: {outcome.left_out}, so nothing is delivered.")
        elif outcome.new or outcome.problems:
            print(_say(result, home))
    complete: list[DayOutcome] = [result.outcome for result in results if result.outcome.complete]
    print(f"{len(complete)} of {len(results)} days are complete in {home}")
