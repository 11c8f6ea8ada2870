"""harvester secret-file: a secret of a store as a file that root alone reads, for programs that know no store."""

import argparse
from pathlib import Path

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import replace_file
from harvester.base.passwords import GuessedError, refuse_stored
from harvester.base.redaction import register_secret
from harvester.tokens.places import open_place, storing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Run it as root. It prints changed or unchanged, and nothing of the secret."
    parser.add_argument("place", metavar="PLACE", help="the store: ssm:/name or secret:name")
    parser.add_argument("file", type=Path, metavar="FILE", help="where it goes, mode 0600, with a line end")
    parser.add_argument("--name", required=True, help="its name where it is stored, such as database-password")
    parser.add_argument(
        "--unlike", action="append", default=[], metavar="NAME", help="what a password must not be, such as its user"
    )
    parser.add_argument("--region", help="AWS region of the store; default: the environment's")
    parser.add_argument("--check", action="store_true", help="say what would become of the file, and leave it")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises ConfigError where nothing is stored, or a default password, StoreError; the file is as it was then."""
    store = open_place(args.place, args.region)
    stored = store.read()
    if stored is None:
        raise ConfigError(f"{store.place}: nothing is stored there. Store it: {storing(args.name, store, 'root')}")
    register_secret(stored.value)
    try:
        refuse_stored(args.name, stored.value.get_secret_value(), args.unlike, store.place)
    except GuessedError as error:
        raise ConfigError(
            f"{error} Set another in the database (ALTER USER ... PASSWORD), and store it:"
            f" {storing(args.name, store, 'root')}. {args.file} is as it was."
        ) from None
    content = stored.value.get_secret_value().rstrip("\n").encode() + b"\n"
    try:
        is_there = args.file.is_file() and args.file.read_bytes() == content
        if not is_there and not args.check:
            replace_file(args.file, content, 0o600)
    except OSError as error:
        raise HarvesterError(
            f"{args.file}: it cannot be written ({error.strerror}). Run this as root, and correct the folder or make"
            " room on its disk; the file is as it was."
        ) from error
    print("unchanged" if is_there else "changed")
    return 0
