"""harvester athena-ddl: print table definitions for Amazon Athena."""

import argparse
import re

from harvester.base.aws_names import LAKE_PREFIX
from harvester.base.clock import parse_date
from harvester.base.errors import ConfigError
from harvester.base.market import MARKETS, NSE
from harvester.config.settings import Settings
from harvester.reader.athena import FIRST_DAY, SCHEMAS, define_all, describe

NAME = re.compile(r"[\w.-]+", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", required=True, help="the bucket of the lake")
    parser.add_argument("--prefix", default=LAKE_PREFIX, help="what the keys begin with")
    parser.add_argument("--database", default="harvester", help="Athena database, which must exist")
    parser.add_argument("--host", action="append", required=True, help="a host part of the lake; repeatable")
    parser.add_argument("--since", default=FIRST_DAY, metavar="YYYY-MM-DD", help="first day of the lake")
    parser.add_argument("--market", choices=sorted(MARKETS), default=NSE.name, help="whose lake it is; default: nse")
    parser.add_argument("--table", action="append", choices=sorted(SCHEMAS), help="one table; default: all")


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Print the definitions. Raises ConfigError for a malformed date, and for a name that would break them."""
    for option, names in {"bucket": [args.bucket], "database": [args.database], "host": args.host}.items():
        for name in names:
            if not NAME.fullmatch(name):
                raise ConfigError(f"--{option} {name!r} is no name of letters, digits, dots, dashes and underscores.")
    since = parse_date(args.since).isoformat()
    kinds = args.table or [*SCHEMAS]
    for defined in define_all(kinds, args.bucket, args.prefix, args.host, since, args.database, MARKETS[args.market]):
        print(describe(defined, args.database))
    return 0
