"""harvester application: the user's application and its hours, for its jobs and for the role. Runs as root."""

import argparse
from datetime import date
from pathlib import Path

from harvester.application import control
from harvester.application.model import Application, load_application
from harvester.base.clock import SystemClock
from harvester.base.logs import configure_logs
from harvester.calendar import TradingCalendar
from harvester.config.file import find_settings
from harvester.dues.host import hours_by
from harvester.jobs.schedule import Hours

OUTSIDE = 4
"""Of `within`: an answer, which no failure ends with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("start", help="start it, within its hours")
    actions.add_parser("stop", help="stop it, outside its hours")
    actions.add_parser("check", help="within its hours, see that it runs and answers; restart it where it does not")
    actions.add_parser("within", help=f"end with 0 within its hours, with {OUTSIDE} outside")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises ConfigError where this host has no application, HarvesterError where it is not well."""
    configure_logs(debug=args.debug)
    application = load_application()
    inside = _is_inside(application, args.config)
    words = f"{application.unit} has its hours on trading days, from {application.start} to {application.stop}"
    if args.action == "within":
        print(f"{words}; {'now' if inside else 'not now'}.")
        return 0 if inside else OUTSIDE
    if inside is (args.action == "stop"):
        print(f"{words}: nothing to {args.action} now.")
    elif args.action == "start":
        control.start(application)
    elif args.action == "stop":
        control.stop(application)
    else:
        print(control.check(application))
    return 0


def _is_inside(application: Application, config: Path | None) -> bool:
    settings = find_settings(config)
    calendar = TradingCalendar.load(settings.calendar.file if settings else None)
    market = hours_by(settings, calendar)

    def hours(day: date) -> Hours | None:
        return market(day) if calendar.knows(day) else None

    return application.is_inside(SystemClock().wall_ns(), hours)
