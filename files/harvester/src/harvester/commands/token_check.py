"""harvester token-check: describe the access token on standard input, and never print it."""

import argparse
import sys

from harvester.base.clock import SystemClock
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_secret
from harvester.tokens.claims import MAX_LENGTH, check_token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Reads the bare token, without the app ID. Exit code 1 when it cannot be used."


def run(args: argparse.Namespace, settings: None) -> int:
    """Raises TokenError for a token that cannot be used."""
    token = Secret(sys.stdin.read(2 * MAX_LENGTH).strip())
    register_secret(token)
    claims = check_token(token, SystemClock().wall_ns())
    print(f"account: {claims.account or 'not named'}")
    print(f"expires: {to_local(claims.expires_at_ns):%Y-%m-%d %H:%M:%S %Z}")
    return 0
