"""harvester backfill: order the broker's bars of days past, ask for them, and say what came."""

import argparse
import json
from typing import Any

from harvester.backfill.order import FIRST_DAY, Order, is_same, journal_of, load_order, make_order, save_order
from harvester.backfill.pace import Pace
from harvester.backfill.pending import pending_segments
from harvester.backfill.plan import calendars_of
from harvester.backfill.progress import load_progress
from harvester.backfill.summary import summarise
from harvester.backfill.work import ask, what_is_left
from harvester.base.clock import NS_PER_SECOND, SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.logs import configure_logs
from harvester.calendar import TradingCalendar
from harvester.config.file import config_hash, settings_path
from harvester.config.settings import Settings
from harvester.journal.lock import is_locked

NONE = "Nothing was ordered. Give an order first, with --since and --until."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="YYYY-MM-DD", help="first day of an order, which replaces the one before")
    parser.add_argument("--until", metavar="YYYY-MM-DD", help="its last day; default: yesterday in India")
    parser.add_argument("--resolution", default="5", help="minutes (5), seconds (30S), D, W or M; default: 5")
    parser.add_argument("--symbols", help="tickers, separated by commas; default: those whose candles are recorded")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--ask", action="store_true", help="for the unit: ask the broker for what the order lacks")
    choice.add_argument("--status", action="store_true", help="say how far it is, and what came, as JSON")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Order, ask, or say how far it is."""
    calendar = TradingCalendar.load(settings.calendar.file)
    if args.ask or args.status:
        if args.since or args.until or args.symbols:
            raise ConfigError("--ask and --status are about the order in force, and take no days or symbols.")
        return _ask(args, settings, calendar) if args.ask else _status(settings, calendar)
    order = _order(args, settings)
    if _is_at_work(settings):
        if not is_same(order, load_order(settings.data_dir)):
            raise HarvesterError(
                "Another backfill is at work on this host, one at a time. Wait for its end (--status says how far it"
                " is), or stop its unit harvester-backfill, by which nothing is lost."
            )
    else:
        save_order(settings.data_dir, order)
    print(json.dumps(_plan(settings, order, calendar)))
    return 0


def _is_at_work(settings: Settings) -> bool:
    journal = journal_of(settings.data_dir)
    return journal.is_dir() and is_locked(journal)


def _order(args: argparse.Namespace, settings: Settings) -> Order:
    if settings.market != "nse":
        raise ConfigError("The backfill asks Fyers alone: there is none for a host of the market us.")
    if not args.since:
        raise ConfigError("--since is required for an order: the first day, as YYYY-MM-DD.")
    named = (name.strip().upper() for name in (args.symbols or "").split(","))
    symbols = tuple(dict.fromkeys(filter(None, named))) or settings.symbols_of("fyers-history")
    until = parse_date(args.until, "--until") if args.until else None
    now_ns = SystemClock().wall_ns()
    return make_order(parse_date(args.since, "--since"), until, args.resolution, symbols, now_ns)


def _plan(settings: Settings, order: Order, calendar: TradingCalendar) -> dict[str, Any]:
    """What an order takes: requests, and seconds at today's spacing; null where the session leaves no room now."""
    left = what_is_left(settings, order, calendar)
    spacing_ns = Pace(settings, calendar).at(SystemClock().wall_ns()).now_ns
    return {
        "since": str(order.since),
        "until": str(order.until),
        "resolution": order.resolution,
        "symbols": len(order.symbols),
        "requests": len(left),
        "seconds": None if spacing_ns is None else round(len(left) * spacing_ns / NS_PER_SECOND),
        "before_the_broker": str(FIRST_DAY) if order.since < FIRST_DAY else None,
    }


def _ask(args: argparse.Namespace, settings: Settings, calendar: TradingCalendar) -> int:
    configure_logs(debug=args.debug)
    order = load_order(settings.data_dir)
    if order is None:
        raise ConfigError(NONE)
    progress = ask(settings, order, calendar, config_hash(settings_path(args.config)), SystemClock())
    print(f"{progress.asked} answers kept, {progress.bytes} bytes; {len(progress.refused)} refused")
    return 0


def _status(settings: Settings, calendar: TradingCalendar) -> int:
    order = load_order(settings.data_dir)
    if order is None:
        raise ConfigError(NONE)
    progress = load_progress(settings.data_dir)
    mine = progress if progress and progress.ordered_ns == order.ordered_ns else None
    calendars = calendars_of(settings, calendar, order.symbols)
    waiting = pending_segments(journal_of(settings.data_dir), settings.lake_dir, settings.host_id)
    state = {
        "at_work": _is_at_work(settings),
        "waiting_segments": len(waiting),
        "state": mine.state if mine else "waiting",
        "why": mine.why if mine else "",
        "asked": mine.asked if mine else 0,
        "left": mine.left if mine else None,
        "spacing_seconds": mine.spacing_ns / NS_PER_SECOND if mine and mine.spacing_ns else None,
        "refused": [[piece.symbol, piece.first, piece.last, piece.why] for piece in mine.refused] if mine else [],
        "lake": summarise(settings.lake_dir, settings.host_id, order, calendars),
    }
    print(json.dumps(state))
    return 0
