"""harvester config: check a configuration file before it is used, or print the table of all keys."""

import argparse
import asyncio
from pathlib import Path

from harvester.calendar import TradingCalendar
from harvester.errors import ConfigError
from harvester.settings import Settings, load_settings, settings_path
from harvester.settings_table import describe_settings
from harvester.symbols import check_symbols, describe_unknown, download_unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a file; exit code 2 when it is refused")
    check.add_argument("file", type=Path, nargs="?", help="configuration file; default: the one in force")
    check.add_argument("--master", type=Path, metavar="CSV", help="symbol master to look the symbols up in")
    check.add_argument("--online", action="store_true", help="look the symbols up in the broker's own symbol master")
    actions.add_parser("schema", help="print every key with its type, default and meaning")


def run(args: argparse.Namespace, settings: None) -> int:
    if args.action == "schema":
        print(describe_settings(Settings))
        return 0
    path = settings_path(args.file or args.config)
    checked = load_settings(path)
    TradingCalendar.load(checked.calendar.file)
    if args.master:
        check_symbols(checked.symbols, args.master)
    if args.online:
        _check_online(checked)
    interval = f"{checked.poll.interval_seconds:g} s"
    print(f"{path}: valid; {len(checked.symbols)} symbols every {interval}, as {checked.host_id}")
    return 0


def _check_online(settings: Settings) -> None:
    unknown = asyncio.run(download_unknown(settings.symbols, settings.broker.public_url))
    if unknown:
        raise ConfigError(f"symbols: {describe_unknown(unknown)} Correct the list; tickers change with company names.")
