"""harvester export: a day of the lake as CSV."""

import argparse
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND, parse_date
from harvester.base.errors import ConfigError
from harvester.config.settings import find_lake
from harvester.reader.export import export_csv

LEAST_SECONDS, MOST_SECONDS = 0.001, 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", required=True, help="the format to write")
    parser.add_argument("--date", metavar="YYYY-MM-DD", required=True, help="the trading day")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="where to write the file")
    parser.add_argument("--symbol", action="append", default=[], help="only this symbol; may be given several times")
    parser.add_argument(
        "--every", metavar="SECONDS", help="a line of each symbol every so many seconds; default: each scheduled time"
    )
    parser.add_argument("--lake", type=Path, metavar="DIR", help="the lake; default: that of the host's configuration")


def run(args: argparse.Namespace, _: object) -> int:
    """Export one day. Raises ConfigError where there is neither --lake nor a configuration."""
    lake = args.lake or find_lake(args.config)
    path, count = export_csv(lake, parse_date(args.date), args.output, args.symbol, _parse_every(args.every))
    print(f"{path}: {count} rows")
    return 0


def _parse_every(text: str | None) -> int | None:
    """Nanoseconds. Raises ConfigError."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ConfigError(f"--every {text!r} is not a number of seconds from {LEAST_SECONDS} to {MOST_SECONDS}.")
    return round(seconds * NS_PER_SECOND)
