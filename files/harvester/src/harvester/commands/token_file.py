"""harvester token-file: replace the token file by another token, or go back; the one before is always kept."""

import argparse
from pathlib import Path

from harvester.base.clock import SystemClock
from harvester.base.market import to_local
from harvester.base.redaction import register_secret
from harvester.config.token import TokenSettings
from harvester.tokens.claims import check_token
from harvester.tokens.stores import FileStore, StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Run it as the token agent's user, then reload the token agent."
    actions = parser.add_mutually_exclusive_group(required=True)
    actions.add_argument("--take", type=Path, metavar="FILE", help="take the token in FILE, and remove FILE")
    actions.add_argument("--undo", action="store_true", help="go back to the token that was in force before")
    parser.add_argument("--file", type=Path, default=TokenSettings().file, help="the token file (default %(default)s)")


def run(args: argparse.Namespace, settings: None) -> int:
    """Raises TokenError or StoreError, with the token file as it was."""
    store = FileStore(args.file)
    new = FileStore(args.take).read() if args.take else store.previous()
    if new is None:
        what = f"{args.take} holds no token" if args.take else f"{args.file}: no earlier token is kept"
        raise StoreError(f"{what}, so nothing was changed.")
    register_secret(new.value)
    claims = check_token(new.value, SystemClock().wall_ns())
    version = store.write(new.value) if args.take else store.undo()
    if args.take:
        args.take.unlink()
    print(f"{version}, good until {to_local(claims.expires_at_ns):%Y-%m-%d %H:%M %Z}")
    return 0
