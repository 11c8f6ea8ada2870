"""The `harvester` command: each subcommand is a module of its own, imported only when it is the one to run."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from harvester.base.endings import describe_ending, flush_output
from harvester.base.release import release_id

if TYPE_CHECKING:
    from harvester.jobs.own import OwnRecord


class Command(NamedTuple):
    """A module of `commands` with add_arguments(parser) and run(args, settings) -> exit code.

    Its name is the command's with underscores. `settings` are None where they are not needed.
    """

    summary: str
    needs_settings: bool = True


COMMANDS = {
    "run": Command("record until stopped: the recording service", False),
    "health": Command("say what is not as it must be on this host, and what to do", False),
    "due": Command("say what was due on a day, and what became of it", False),
    "watch": Command("look at this host once, for health and the alerts", False),
    "sessions": Command("print the trading sessions of a date", False),
    "token-agent": Command("hand new access tokens to the recorder"),
    "token-check": Command("describe the access token on standard input", False),
    "token-file": Command("replace the token file, or go back to the one before", False),
    "secret-file": Command("write a secret of a store into a file that root alone reads", False),
    "remind": Command("ask for a login while today's session lacks a valid token", False),
    "job": Command("run a job of this host once, prove and record it", False),
    "application": Command("start, stop and check the user's application by its hours", False),
    "workers": Command("look at the workers that this host oversees, or see to one", False),
    "push-code": Command("push a folder's code to its git remote, unless a secret is in it", False),
    "alert": Command("hand in a notice that people are told, for your own scripts", False),
    "send-alerts": Command("decide what people must be told, and tell them", False),
    "notify-test": Command("send a test message through every alert channel", False),
    "renew": Command("get an access token without a login, where the account allows that"),
    "config": Command("check a configuration file, or print what it may hold", False),
    "recover": Command("seal what a dead recorder left in the journal"),
    "build": Command("archive and decode what today has so far, so that the close has less to do"),
    "so-far": Command("write what today has so far as tables, beside the lake"),
    "close": Command("build the lake of a closed trading day"),
    "export": Command("write a day of the lake as CSV", False),
    "verify": Command("check the lake against its manifests", False),
    "athena-ddl": Command("print table definitions for Amazon Athena", False),
    "prune-journal": Command("delete journal segments that the lake provably holds"),
    "upload": Command("bring closed days into the bucket, verified"),
    "deliver": Command("bring a day of the broker's candles to other places, in their layouts"),
    "deliver-rows": Command("bring bars, their indicators and tables of the lake into databases, as rows"),
    "deliver-raw": Command("bring the broker's answers with candles to other places, as they came"),
    "backfill": Command("order the broker's bars of days past, ask for them, and say what came"),
    "build-history": Command("make tables of what the backfill has brought"),
    "database": Command("back up a PostgreSQL database, and test that it can be restored", False),
    "live": Command("serve the page on which today's data are seen to arrive", False),
    "compare-candles": Command("compare the last recorded bars of a day with the broker's word of now"),
    "metrics": Command("publish this host's metrics in CloudWatch, once"),
    "send-logs": Command("bring this host's log to CloudWatch, once"),
    "cleanup": Command("delete lake files that receipts prove to be elsewhere"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; every error becomes a message on stderr and an exit code."""
    message, own = "", _own_record()
    try:
        code = _dispatch(_parse(arguments))
        flush_output()
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments:
            _complain(traceback.format_exc())
        code, message = describe_ending(error, for_traceback="Run again with --debug for the traceback.")
        if message:
            _complain(message)
    if own:
        own.end(code, message)
    return code


def _own_record() -> "OwnRecord | None":
    """The record of a built-in job, where a unit runs one."""
    if "HARVESTER_JOB" not in os.environ:
        return None
    from harvester.jobs.own import own_record

    return own_record()


def _dispatch(args: argparse.Namespace) -> int:
    command = COMMANDS[args.command]
    settings = None
    if command.needs_settings:
        from harvester.config.file import load_settings

        settings = load_settings(args.config)
    code: int = _module(args.command).run(args, settings)
    return code


def _module(name: str) -> ModuleType:
    return import_module(f"harvester.commands.{name.replace('-', '_')}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harvester", description="Records market depth and proves what it recorded.")
    parser.add_argument("--version", action="version", version=release_id(), help="print the release id")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in arguments if word in COMMANDS), None)
    # The parsers of all commands take ten times as long as that of one, and hosts start commands each minute.
    needed = [wanted] if wanted and arguments[0] == wanted else COMMANDS
    for name in needed:
        command = COMMANDS[name]
        child = commands.add_parser(name, help=command.summary, description=command.summary)
        child.add_argument("--config", type=Path, metavar="FILE", help="configuration instead of $HARVESTER_CONFIG")
        child.add_argument("--debug", action="store_true", help="say more, and show tracebacks")
        if name == wanted:
            _module(name).add_arguments(child)
    return parser.parse_args(arguments)


def _complain(message: str) -> None:
    """Print to stderr, without any secret this process has learnt."""
    redaction = sys.modules.get("harvester.base.redaction")
    print(f"harvester: {redaction.redact(message) if redaction else message}", file=sys.stderr)
