"""harvester sessions: the phases of a trading day, and which of them are recorded."""

import argparse

from harvester.base.clock import SystemClock, parse_date, to_ist
from harvester.calendar import TradingCalendar
from harvester.config.settings import CalendarSettings, find_settings

UNKNOWN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="date in India; default: today")


def run(args: argparse.Namespace, _: object) -> int:
    """Without a host's configuration, the calendar in the package and the default phases.

    Exit code 1 for a date of which the calendar has no facts. Raises ConfigError for a malformed date.
    """
    settings = find_settings(args.config)
    chosen = settings.calendar if settings else CalendarSettings()
    calendar = TradingCalendar.load(chosen.file)
    day = parse_date(args.date) if args.date else calendar.trading_date(SystemClock().wall_ns())
    if not calendar.knows(day):
        facts = f"{calendar.valid_from} to {calendar.valid_until}"
        print(f"{day:%A %Y-%m-%d}: unknown. The calendar's facts are of {facts}. Newer ones come with a newer release.")
        return UNKNOWN
    session = calendar.session(day)
    kind = session.kind if session else "no"
    remark = ", provisional: the exchange has not confirmed its times" if session and session.provisional else ""
    print(f"{day:%A %Y-%m-%d}: {kind} session{remark}")
    for phase in session.phases if session else ():
        recorded = "recorded" if phase.name in chosen.phases else "not recorded"
        print(f"  {phase.name:<16} {to_ist(phase.open_ns):%H:%M:%S} to {to_ist(phase.close_ns):%H:%M:%S}  {recorded}")
    print(f"The calendar's facts end on {calendar.valid_until}, in {calendar.days_left(day)} days.")
    return 0
