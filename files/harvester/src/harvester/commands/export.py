"""harvester export: a day of the lake as CSV."""

import argparse
from pathlib import Path

from harvester.base.arguments import require_directory
from harvester.base.clock import parse_date
from harvester.config.file import find_lake
from harvester.reader.export import export_csv, parse_every


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
    """Export one day. Raises ConfigError where there is neither --lake nor a configuration, or --output is a file."""
    require_directory(args.output, "--output")
    lake = args.lake or find_lake(args.config)
    path, count = export_csv(lake, parse_date(args.date), args.output, args.symbol, parse_every(args.every))
    print(f"{path}: {count} rows")
    return 0
