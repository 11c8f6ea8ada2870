"""harvester athena-ddl: print table definitions for Amazon Athena."""

import argparse

from harvester.base.aws_names import LAKE_PREFIX
from harvester.base.clock import parse_date
from harvester.config.settings import Settings
from harvester.reader.athena import FIRST_DAY, SCHEMAS, define_all, describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", required=True, help="the bucket of the lake")
    parser.add_argument("--prefix", default=LAKE_PREFIX, help="what the keys begin with")
    parser.add_argument("--database", default="harvester", help="Athena database, which must exist")
    parser.add_argument("--host", action="append", required=True, help="a host part of the lake; repeatable")
    parser.add_argument("--since", default=FIRST_DAY, metavar="YYYY-MM-DD", help="first day of the lake")
    parser.add_argument("--table", action="append", choices=sorted(SCHEMAS), help="one table; default: all")


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Print the definitions. Raises ConfigError for a malformed date."""
    since = parse_date(args.since).isoformat()
    kinds = args.table or [*SCHEMAS]
    for defined in define_all(kinds, args.bucket, args.prefix, args.host, since, args.database):
        print(describe(defined, args.database))
    return 0
