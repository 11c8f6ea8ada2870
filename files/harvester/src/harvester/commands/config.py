"""harvester config: check a configuration file before it is used, or print the table of all keys."""

import argparse
import asyncio
import json
from pathlib import Path
from time import time_ns

import msgspec

from harvester.base.errors import ConfigError
from harvester.brokers.fyers.segments import assign_segments, find_contradictions
from harvester.brokers.fyers.topics import topics_of
from harvester.calendar import TradingCalendar
from harvester.config.reference import describe_settings
from harvester.config.segments import describe_refused, refuse_without_hours
from harvester.config.settings import Settings, load_settings, settings_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a file; exit code 2 when it is refused")
    check.add_argument("file", type=Path, nargs="?", help="configuration file; default: the one in force")
    check.add_argument("--master", type=Path, metavar="CSV", help="symbol master to look the symbols up in")
    check.add_argument("--online", action="store_true", help="look the symbols up in the broker's own symbol master")
    actions.add_parser("schema", help="print every key with its type, default and meaning")
    actions.add_parser("show", help="print the configuration in force as JSON, defaults filled in")
    actions.add_parser("topics", help="look all symbols up at the broker and print what its sockets call them, as JSON")


def run(args: argparse.Namespace, settings: None) -> int:
    if args.action == "schema":
        print(describe_settings(Settings))
        return 0
    if args.action == "check":
        _check(args)
        return 0
    checked = load_settings(args.config)
    found = _find_topics(checked) if args.action == "topics" else msgspec.to_builtins(checked, enc_hook=str)
    print(json.dumps(found))
    return 0


def _find_topics(settings: Settings) -> dict[str, object]:
    from harvester.brokers.fyers.symbols import download_symbols  # large

    found = asyncio.run(download_symbols(settings.all_symbols, settings.broker.public_url))
    topics = {symbol: topics_of(symbol, token, found.index_names) for symbol, token in found.tokens.items()}
    calendar = TradingCalendar.load(settings.calendar.file)
    segments = assign_segments(found.listings, found.underlyings, calendar, calendar.trading_date(time_ns()))
    return {
        "topics": topics,
        "unknown": found.unknown,
        "segments": segments,
        "contradictions": find_contradictions(found.listings, segments, calendar, calendar.trading_date(time_ns())),
    }


def _check(args: argparse.Namespace) -> None:
    path = settings_path(args.file or args.config)
    checked = load_settings(path)
    refused = refuse_without_hours(checked, TradingCalendar.load(checked.calendar.file)).refused
    if refused:
        raise ConfigError(f"{path}: symbols: {describe_refused(refused)}")
    if args.master:
        from harvester.brokers.fyers.symbols import check_symbols

        check_symbols(checked.symbols, args.master)
    if args.online:
        _check_online(checked)
    interval = f"{checked.poll.interval_seconds:g} s"
    print(f"{path}: valid; {len(checked.symbols)} symbols every {interval}, as {checked.host_id}")


def _check_online(settings: Settings) -> None:
    from harvester.brokers.fyers.symbols import download_symbols, require_none

    require_none(asyncio.run(download_symbols(settings.symbols, settings.broker.public_url)).unknown)
