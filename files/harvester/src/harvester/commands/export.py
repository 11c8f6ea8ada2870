"""harvester export: a day of the lake as CSV."""

import argparse
from pathlib import Path

from harvester.base.clock import parse_date
from harvester.base.errors import ConfigError
from harvester.config.settings import Settings
from harvester.reader.export import export_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", required=True, help="the format to write")
    parser.add_argument("--date", metavar="YYYY-MM-DD", required=True, help="the trading day")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="where to write the file")
    parser.add_argument("--symbol", action="append", default=[], help="only this symbol; may be given several times")
    parser.add_argument("--lake", type=Path, metavar="DIR", help="the lake; default: that of the configuration")


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Export one day."""
    lake = args.lake or (settings.lake_dir if settings else None)
    if lake is None:
        raise ConfigError("Name the lake with --lake, or a configuration with --config.")
    path, count = export_csv(lake, parse_date(args.date), args.output, args.symbol)
    print(f"{path}: {count} rows")
    return 0
