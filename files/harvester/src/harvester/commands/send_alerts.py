"""harvester send-alerts: decide what people must be told, and tell them. A timer runs it every minute."""

import argparse

import structlog

from harvester.alerts.teller import Teller
from harvester.alerts.units import is_well
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, UnhealthyError
from harvester.base.logs import configure_logs
from harvester.capture.status import read_status
from harvester.config.settings import Settings
from harvester.tokens.stores import StoreError

log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "What no channel took is tried again by the next call, for a day."
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--look", action="store_true", help="only decide, and note what is to be sent")
    only.add_argument("--send", action="store_true", help="only send what was noted")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """0 also when no channel took a message: it is kept, and the log says what each channel answered."""
    configure_logs(debug=args.debug)
    teller = Teller(settings, SystemClock().wall_ns(), is_well)
    if not args.send:
        try:
            status = read_status(settings.status_file)
        except UnhealthyError:
            status = None
        teller.look(status)
    if not args.look:
        _send(teller)
    return 0


def _send(teller: Teller) -> None:
    try:
        results = teller.send()
    except ConfigError as error:
        log.warning("nobody_told", detail=str(error))  # in the log is all that can be done
    except StoreError as error:
        log.warning("channels_unreadable", detail=str(error))
    else:
        for result in results:
            if result.problem:
                log.warning("channel_failed", channel=result.channel, detail=result.problem)
            else:
                log.info("sent", channel=result.channel)
