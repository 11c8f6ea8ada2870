"""harvester sessions: the phases of a trading day, and which of them are recorded."""

import argparse
from collections.abc import Collection
from datetime import date
from pathlib import Path

from harvester.base.arguments import at_least
from harvester.base.clock import NS_PER_SECOND, SystemClock, parse_date
from harvester.base.market import to_local
from harvester.calendar import NSE_CASH, PhaseName, TradingCalendar
from harvester.calendar.segments import SEGMENTS
from harvester.config.file import find_settings, load_settings
from harvester.config.segments import busy_at, calendars_of
from harvester.config.settings import CalendarSettings

UNKNOWN = 1
MINUTE_NS = 60 * NS_PER_SECOND


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--free-for",
        type=at_least(0),
        metavar="MINUTES",
        help="print no phases, but end with 0 when nothing that is recorded is open or opens so soon, else with 1",
    )
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="date in the market; default: today there")
    parser.add_argument(
        "--segment", choices=SEGMENTS, metavar="NAME", help=f"of {', '.join(SEGMENTS)}; default: those of the host"
    )


def _is_free(config: Path | None, minutes: int) -> int:
    """0 when nothing that is recorded is open, or opens within these minutes; else 1, and what is in the way."""
    settings = load_settings(config)
    wall_ns = SystemClock().wall_ns()
    busy_ns = busy_at(settings, TradingCalendar.load(settings.calendar.file), wall_ns, minutes * MINUTE_NS)
    if busy_ns is None:
        return 0
    when = "is open" if busy_ns <= wall_ns else f"opens at {to_local(busy_ns):%H:%M:%S %Z}"
    print(f"Not now: a session that is recorded {when}.")
    return 1


def run(args: argparse.Namespace, _: object) -> int:
    """Without a host's configuration, the calendar in the package, NSE cash and the default phases.

    Exit code 1 for a date of which the calendar has no facts. Raises ConfigError for a malformed date, and for a
    segment without hours.
    """
    if args.free_for is not None:
        return _is_free(args.config, args.free_for)
    settings = find_settings(args.config)
    chosen = settings.calendar if settings else CalendarSettings()
    calendar = TradingCalendar.load(chosen.file)
    day = parse_date(args.date) if args.date is not None else calendar.trading_date(SystemClock().wall_ns())
    if args.segment:
        calendars = [calendar.of(args.segment)]
    else:
        calendars = calendars_of(settings, calendar) if settings else [calendar]
    if not any(each.knows(day) for each in calendars):
        facts = f"{calendars[0].valid_from} to {calendars[0].valid_until}"
        print(f"{day:%A %Y-%m-%d}: unknown. The calendar's facts are of {facts}. Newer ones come with a newer release.")
        return UNKNOWN
    for each in calendars:
        _print(each, day, chosen.phases)
    print(f"The calendar's facts end on {calendar.valid_until}, in {calendar.days_left(day)} days.")
    return 0


def _print(calendar: TradingCalendar, day: date, phases: Collection[PhaseName]) -> None:
    """One segment's day; NSE cash, which is meant where no segment is named, is not named."""
    session = calendar.session(day) if calendar.knows(day) else None
    kind = (session.kind if session else "no") if calendar.knows(day) else "unknown"
    remark = ", provisional: the exchange has not confirmed its times" if session and session.provisional else ""
    named = "" if calendar.segment == NSE_CASH else f"{calendar.segment}, "
    print(f"{day:%A %Y-%m-%d}: {named}{kind} session{remark}")
    for phase in session.phases if session else ():
        recorded = "recorded" if phase.name in phases else "not recorded"
        print(
            f"  {phase.name:<16} {to_local(phase.open_ns):%H:%M:%S} to {to_local(phase.close_ns):%H:%M:%S}  {recorded}"
        )
