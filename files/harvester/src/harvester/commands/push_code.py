"""harvester push-code: a copy of a folder's code in its git remote, without secrets; for a job."""

import argparse
from pathlib import Path

from harvester.jobs.code import push_code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="a git checkout; the branch that is checked out is pushed"
    )
    parser.add_argument("--remote", default="origin", help="name of the remote (default: %(default)s)")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises HarvesterError where nothing was pushed."""
    print(push_code(args.folder, args.remote))
    return 0
