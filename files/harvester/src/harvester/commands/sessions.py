"""harvester sessions: the phases of a trading day, and which of them are recorded."""

import argparse

from harvester.base.clock import SystemClock, parse_date, to_ist
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="date in India; default: today")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Raises ConfigError for a malformed date."""
    calendar = TradingCalendar.load(settings.calendar.file)
    day = parse_date(args.date) if args.date else calendar.trading_date(SystemClock().wall_ns())
    session = calendar.session(day)
    print(f"{day:%A %Y-%m-%d}: {session.kind if session else 'no'} session")
    for phase in session.phases if session else ():
        recorded = "recorded" if phase.name in settings.calendar.phases else "not recorded"
        print(f"  {phase.name:<16} {to_ist(phase.open_ns):%H:%M:%S} to {to_ist(phase.close_ns):%H:%M:%S}  {recorded}")
    print(f"The calendar's facts end on {calendar.valid_until}, in {calendar.days_left(day)} days.")
    return 0
