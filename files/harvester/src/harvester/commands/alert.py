"""harvester alert: hand in a notice, for your own scripts; it is sent with everything else that people are told."""

import argparse

from harvester.alerts.host import find_telling
from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice, parse_notice
from harvester.base.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Of one cause and source people are told again after 60 minutes (info), 30 (warning) or 5 (critical) at the"
        " earliest. --clear ends what --source, or --source and --cause, began, with an all-clear."
    )
    severities = ("info", "warning", "critical")
    parser.add_argument("--severity", choices=severities, default="warning", help="how urgent it is; default: warning")
    parser.add_argument("--source", required=True, help="who tells, such as the name of your script")
    parser.add_argument("--cause", help="what it is about, in one word; default: the first line of MESSAGE")
    parser.add_argument("--remedy", default="", help="what the reader should do")
    parser.add_argument("--clear", action="store_true", help="it is over")
    parser.add_argument("message", metavar="MESSAGE", help="plain text; the first line can stand alone")


def run(args: argparse.Namespace, _: None) -> int:
    """Raises HarvesterError when the notice cannot be handed in, ConfigError when it says nothing."""
    telling = find_telling(args.config)
    severity = Severity.CLEAR if args.clear else Severity[args.severity.upper()]
    cause = args.cause or ("" if args.clear else args.message.partition("\n")[0])
    notice = Notice(severity, cause, args.source, telling.host_id, args.message, args.remedy)
    try:
        post(telling.alerts.inbox, parse_notice(notice.encode()))
    except ValueError as error:
        raise ConfigError(f"MESSAGE and --source must not be empty: {error}.") from None
    return 0
