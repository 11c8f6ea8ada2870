"""harvester deliver-rows: bars and their indicators, and tables of the lake, as rows of databases."""

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.child import ask
from harvester.base.clock import SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import MARKETS
from harvester.base.redaction import Secret, register_secret
from harvester.base.systemd import Notifier
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import POSTGRES, DeliverySettings, choose
from harvester.config.file import settings_path
from harvester.config.settings import Settings
from harvester.health.live_rows import live_folder
from harvester.postgres.columns import layout_of
from harvester.postgres.live import Keeper, LiveDelivery
from harvester.postgres.place import Database, address_of, owner_of
from harvester.postgres.trouble import DatabaseError
from harvester.tokens.places import open_place, storing

if TYPE_CHECKING:
    from harvester.postgres.feed import DayResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the delivery of this name alone; default: all")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--date", metavar="YYYY-MM-DD", help="this day as it is here now; default: today")
    choice.add_argument(
        "--due", action="store_true", help="for the timer: closed days not delivered yet, and today once it has settled"
    )
    choice.add_argument("--live", action="store_true", help="for the service: each bar as it ends, until stopped")
    choice.add_argument("--dsn", action="store_true", help="for the service: hand over the stored DSN through a pipe")
    parser.add_argument(
        "--compare", action="store_true", help="bring nothing: read a day's rows from the database, and compare them"
    )
    parser.add_argument("--json", action="store_true", help="print what was done with each day, as a list in JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Deliver; nothing to do where no delivery to a database is configured."""
    if args.compare and (args.due or args.live or args.dsn):
        raise ConfigError(
            "--compare goes with --date, --name and --json alone: it looks at one day, and brings nothing."
        )
    chosen = choose(settings.deliveries, POSTGRES, args.name)
    if args.dsn:
        return _hand_over(chosen)
    if args.compare:
        return _compare(args, settings, chosen)
    if args.live:
        return _run_live(args, settings, chosen)
    return _run_days(args, settings, chosen)


def read_secret(delivery: DeliverySettings) -> Secret:
    """The stored DSN. Raises HarvesterError."""
    store = open_place(delivery.place, delivery.region)
    stored = store.read()
    if stored is None:
        raise ConfigError(
            f"{delivery.place}: no DSN is stored there. Store one: {storing('postgres-dsn', store, 'harvester-rows')}"
        )
    register_secret(stored.value)
    return stored.value


def _hand_over(chosen: tuple[DeliverySettings, ...]) -> int:
    """To the service, which itself has no room for the SDK."""
    if sys.stdout.isatty() or len(chosen) != 1:
        raise ConfigError("--dsn is for the service: it hands a secret to a pipe, of the one delivery of --name.")
    print(json.dumps(read_secret(chosen[0]).get_secret_value()))
    return 0


def _run_live(args: argparse.Namespace, settings: Settings, chosen: tuple[DeliverySettings, ...]) -> int:
    live = [each for each in chosen if each.live]
    if not live:
        print("No delivery to a database is live (deliveries), so nothing is delivered.")
        return 0
    (delivery,) = live  # the settings refuse two
    clock, notifier, stop = SystemClock(), Notifier(), threading.Event()
    tables = tuple(layout_of(table) for table in delivery.row_tables)

    def open_database() -> Database:
        if delivery.place.startswith("file:"):
            secret = read_secret(delivery)
        else:
            words = ["deliver-rows", "--dsn", "--name", delivery.name, "--config", str(settings_path(args.config))]
            register_secret(secret := Secret(ask(words)))
        return Database(address_of(delivery, secret), owner_of(settings, delivery), tables)

    def calendar() -> TradingCalendar:
        return TradingCalendar.load(settings.calendar.file)

    zone = calendar()
    service = LiveDelivery(settings, delivery, calendar, open_database, clock)
    keeper = Keeper(service, live_folder(settings, delivery.name), clock, partial(_tell, settings, delivery.name))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    notifier.ready(f"delivers {delivery.name}")
    while not stop.wait(keeper.turn(zone.trading_date(clock.wall_ns()))):
        notifier.alive(service.state.problem[:200] or f"bars of {service.state.date} go to {service.state.home}")
    service.forget()
    notifier.stopping("asked to stop")
    return 0


def _tell(settings: Settings, name: str, problem: str) -> None:
    """Hand in a notice that bars do not reach the database, or that they do again."""
    said = f"bars do not reach the database of {name}: {problem}" if problem else f"bars reach the database of {name}"
    severity = Severity.WARNING if problem else Severity.CLEAR
    try:
        post(settings.alerts.inbox, Notice(severity, "rows", f"delivery {name}", settings.host_id, said))
    except HarvesterError as error:
        print(error, file=sys.stderr, flush=True)


def _run_days(args: argparse.Namespace, settings: Settings, chosen: tuple[DeliverySettings, ...]) -> int:
    from harvester.postgres.days import layouts_of
    from harvester.postgres.feed import DayResult, RowFeed

    day = parse_date(args.date, "--date") if args.date else None
    results: list[DayResult] = []
    unreached: list[str] = []
    for each in chosen:
        address = address_of(each, read_secret(each))
        with Database(address, owner_of(settings, each), layouts_of(each, MARKETS[settings.market])) as place:
            feed = RowFeed(settings, each, place, SystemClock())
            try:
                for partition in feed.due() if args.due else [feed.partition(day)]:
                    results.append(result := feed.deliver_day(partition))
                    if not args.json:
                        _report(result, feed.home)
            except DatabaseError as error:  # another delivery's database may well be there
                unreached.append(str(error))
    if args.json:
        print(json.dumps([result.describe() for result in results], indent=1))
    elif not chosen:
        print("No delivery to a database is configured (deliveries), so nothing is delivered.")
    if problems := [*unreached, *(problem for result in results for problem in result.outcome.problems)]:
        raise HarvesterError("\n".join([*problems, "The next run goes on with what is lacking."]))
    return 0


def _compare(args: argparse.Namespace, settings: Settings, chosen: tuple[DeliverySettings, ...]) -> int:
    from harvester.postgres.days import layouts_of
    from harvester.postgres.feed import RowFeed

    day = parse_date(args.date, "--date") if args.date else None
    found = []
    for each in chosen:
        address = address_of(each, read_secret(each))
        tables = layouts_of(each, MARKETS[settings.market])
        with Database(address, owner_of(settings, each), tables, is_read=True) as place:
            feed = RowFeed(settings, each, place, SystemClock())
            found.append(feed.compare_day(feed.partition(day)))
    if args.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
    else:
        for compared in found:
            said = compared.left_out or f"{compared.equal} of {compared.rows} rows are the same"
            print(f"{compared.date}: {said} in {compared.place}")
    if any(compared.equal < compared.rows for compared in found):
        raise HarvesterError(
            "not every row is there as it is here. Look at what else writes there; --date brings them."
        )
    return 0


def _report(result: "DayResult", home: str) -> None:
    outcome, said = result.outcome, result.describe()
    if outcome.left_out:
        print(f"{said['date']}: {outcome.left_out}, so nothing is delivered.")
    elif outcome.complete and not outcome.new:
        print(f"{said['date']}: complete in {home}")
    else:
        state = "complete" if outcome.complete else f"not complete, {len(outcome.problems)} problems"
        print(
            f"{said['date']}: {state}, {said.get('records', 0)} rows of {len(said['symbols'])} symbols verified in"
            f" {home}; {', '.join(said['tables'])}"
        )
