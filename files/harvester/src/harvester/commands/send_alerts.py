"""harvester send-alerts: decide what people must be told, and tell them. A timer runs it every minute.

It works where the configuration cannot be read, with what the role wrote down of the alerts: that is told, too.
"""

import argparse
from typing import Any

import structlog

from harvester.alerts.host import read_calendar
from harvester.alerts.teller import Teller
from harvester.alerts.units import is_well
from harvester.alerts.watch import HostLook, find_faults
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, UnhealthyError
from harvester.base.logs import configure_logs
from harvester.capture.status import read_status
from harvester.config.file import load_settings
from harvester.config.settings import Settings
from harvester.health.installed import Installed, find_installed
from harvester.tokens.stores import StoreError

log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "What no channel took is tried again by the next call, for a day."
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--look", action="store_true", help="only decide, and note what is to be sent")
    only.add_argument("--send", action="store_true", help="only send what was noted")


def run(args: argparse.Namespace, _: None) -> int:
    """0 also when no channel took a message: it is kept, and the log says what each channel answered.

    Raises ConfigError for a configuration that cannot be read, where the role has written down nothing.
    """
    configure_logs(debug=args.debug)
    now_ns, installed = SystemClock().wall_ns(), _find_installed()
    try:
        settings = load_settings(args.config)
    except ConfigError as error:
        if installed is None:
            raise
        if installed.records:
            log.warning("configuration_unreadable", detail=str(error))
        settings = None
    teller = Teller(settings, now_ns, is_well, None if settings or installed is None else installed.alerts)
    if not args.send:
        host = _look_at_host(installed, settings, now_ns) if installed else None
        teller.look(_read_status(settings), host)
    if not args.look:
        _send(teller)
    return 0


def _find_installed() -> Installed | None:
    try:
        return find_installed()
    except ConfigError as error:
        log.warning("host_unwatched", detail=str(error))
        return None


def _look_at_host(installed: Installed, settings: Settings | None, now_ns: int) -> HostLook:
    calendar = read_calendar(settings) if settings else None
    return find_faults(installed, settings, calendar, now_ns)


def _read_status(settings: Settings | None) -> dict[str, Any] | None:
    try:
        return read_status(settings.status_file) if settings else None
    except UnhealthyError:
        return None


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
