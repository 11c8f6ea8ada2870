"""harvester watch: look at this host once, and write down what is seen. A timer runs it every minute, as root."""

import argparse
import sys

from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.calendar import TradingCalendar
from harvester.calendar.model import packaged
from harvester.config.file import load_settings
from harvester.config.settings import Settings
from harvester.dues.host import find_overdue, find_undelivered
from harvester.health.facts import write_facts
from harvester.health.gather import look
from harvester.health.installed import Installed, find_installed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "`harvester health` and the alerts judge it; it needs no configuration that can be read."


def run(_: argparse.Namespace, __: None) -> int:
    """Raises ConfigError where this is no host of ours, HarvesterError when the file cannot be written."""
    installed = find_installed()
    if installed is None:
        raise ConfigError(f"{sys.prefix}: no release of a host, so nothing says what must be here. Deploy it first.")
    now_ns = SystemClock().wall_ns()
    settings, calendar = _read_configuration(installed)
    facts = look(
        installed,
        now_ns,
        {
            "overdue": lambda: find_overdue(installed.data_dir, settings, calendar, now_ns),
            "undelivered": lambda: find_undelivered(settings, calendar, now_ns),
        },
    )
    try:
        write_facts(installed.facts, facts)
    except OSError as error:
        raise HarvesterError(
            f"{installed.facts}: what was seen cannot be written ({error.strerror}). The unit harvester-watch makes the"
            " folder: systemctl start harvester-watch."
        ) from error
    for name, why in facts.unseen.items():
        print(f"{name} cannot be looked at: {why}")
    return 0


def _read_configuration(installed: Installed) -> tuple[Settings | None, TradingCalendar]:
    """What is due goes by the host's configuration; where that cannot be read, a fact of its own, by jobs alone."""
    try:
        settings = load_settings(installed.config)
        return settings, TradingCalendar.load(settings.calendar.file)
    except ConfigError:
        return None, TradingCalendar.load(packaged())
