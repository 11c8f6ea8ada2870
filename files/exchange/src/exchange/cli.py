"""The `exchange` command. Subcommands import what they need themselves, so that each starts fast."""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from exchange.arguments import (
    add_market_options,
    add_replay_options,
    exchange_options,
    lifetime,
    port,
    replay_options,
)
from exchange.state import StateDir
from harvester.base.clock import SystemClock
from harvester.base.endings import report_ending
from harvester.base.errors import ConfigError
from harvester.base.market import enter

CONTROL_HELP = "state directory of the running exchange"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    given, command = _split(list(sys.argv[1:] if arguments is None else arguments))
    options = _parser().parse_args(given)
    if command:
        options.words = command
    _configure_log(debug=getattr(options, "debug", False))
    try:
        code: int = options.command(options)
    except (Exception, KeyboardInterrupt) as error:
        return report_ending("exchange", error)
    return code


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Our own words, and those of the command that `replay` runs."""
    if words[:1] != ["replay"] or "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exchange",
        description="A local exchange that speaks protocols of the brokers Fyers and Schwab to their unmodified SDKs.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("serve", help="run until stopped; says where on standard output once it is ready")
    one.add_argument("--state", type=Path, required=True, help="directory for credentials, keys, logs; made if missing")
    one.add_argument("--address", default="127.0.0.1", help="address to listen on (default %(default)s)")
    one.add_argument(
        "--port",
        type=port,
        default=443,
        help="port to listen on, 0 for a free one (default %(default)s)",
    )
    add_market_options(one)
    one.set_defaults(command=_serve)

    one = commands.add_parser(
        "run",
        help="run a command against an exchange of its own",
        usage="exchange run [options] -- COMMAND [ARGUMENT ...]",
        description="Starts an exchange on loopback, runs COMMAND with the environment that leads the SDK to it, and"
        " ends with COMMAND's exit code. FYERS_APP_ID, FYERS_SECRET and FYERS_ACCESS_TOKEN_FILE hold made-up"
        " credentials.",
    )
    one.add_argument("--state", type=Path, default=Path(), help="keep the state in this directory (default: temporary)")
    add_market_options(one)
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")
    one.set_defaults(command=_run)

    _add_replay(commands)
    _add_controls(commands)
    return parser


def _add_replay(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    one = commands.add_parser(
        "replay",
        help="serve a recorded day through the real protocols, alone or around a command",
        usage="exchange replay [options] --date YYYY-MM-DD DIR [-- COMMAND [ARGUMENT ...]]",
        description="Serves the day that a recorder's raw journal holds: the data socket, the 50-level socket and"
        " /depth, in the recorded order and pace. A client with all topics of a recorded connection gets its frames"
        " byte for byte. The day begins when somebody has subscribed and then asked for nothing more for --settle,"
        " or at once when all that was recorded is subscribed. With COMMAND it runs like `exchange run`.",
    )
    add_replay_options(one)
    one.add_argument("--state", type=Path, default=Path(), help="state directory (default: a temporary one)")
    one.add_argument("--address", default="127.0.0.1", help="address to listen on (default %(default)s)")
    one.add_argument(
        "--port",
        type=port,
        default=0,
        help="port to listen on, 0 for a free one (default %(default)s)",
    )
    add_market_options(one)
    one.set_defaults(command=_replay, words=[])


def _add_controls(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Subcommands that act on the state directory of an exchange."""
    one = commands.add_parser("token", help="print an access token made without a login, for tests")
    one.add_argument("--state", type=Path, required=True, help="state directory of the exchange")
    one.add_argument(
        "--valid-seconds",
        type=lifetime,
        help="life of the token (default: until 06:30 India time)",
    )
    one.set_defaults(command=_token)

    one = commands.add_parser(
        "fault",
        help="arm a fault script in a running exchange",
        description="A fault is JSON with an action and when, where and how long it applies, for instance"
        ' {"action": "halt", "symbol": "*", "duration_seconds": 200}. quiet: a socket connection has no data any more'
        " while its pings are answered and the market goes on. mute: nor are pings answered. half_open: as if the"
        " server had gone. halt: books of these symbols stand still, in new snapshots too, and go on at the end."
        " circuit: nobody sells these symbols, their best bid is the upper limit. All actions and keys: README.",
    )
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.add_argument("script", nargs="?", help="a JSON file, or the JSON itself when it begins with [ or {")
    one.add_argument("--clear", action="store_true", help="forget all faults that are armed, first")
    one.set_defaults(command=_fault)
    one.epilog = (
        "Symbols and accounts: block: every call is answered 429 until it ends, without a word until when, as to an"
        " account that is blocked for the day. rename: the symbol is listed as `to` from now on, with its fyToken and"
        " ISIN, and refused with -300 under its old ticker. vanish: the symbol is in no master and refused with -300."
        " bad_row: the symbol's row of the master is cut in half. short_master: masters have the first size_bytes (a"
        " third) alone. Lists of index members: unlist: the symbol's row is missing. wide_list: with a byte order mark,"
        " a number in front, other columns and another order. Members that vanish from the masters stay listed; html"
        " with the path */ind_* is a firewall's page in place of a list."
    )

    one = commands.add_parser("log", help="print what was served, as JSON lines")
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.add_argument("--since-ns", type=int, default=0, help="only answers from this wall time on")
    one.set_defaults(command=_log)

    one = commands.add_parser(
        "sockets", help="print the sockets' connections, what each was sent and why it ended, as JSON lines"
    )
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.set_defaults(command=_sockets)


def _configure_log(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.INFO)


def _serve(arguments: argparse.Namespace) -> int:
    from exchange.commands import serve

    enter(arguments.market)
    return asyncio.run(serve(exchange_options(arguments)))


def _run(arguments: argparse.Namespace) -> int:
    from exchange.commands import run

    enter(arguments.market)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise ConfigError(
            "No command was given. Put it after two dashes, such as: exchange run --always-open -- python my_bot.py"
        )
    return asyncio.run(run(exchange_options(arguments), words))


def _replay(arguments: argparse.Namespace) -> int:
    from exchange.commands import run, serve

    options = exchange_options(arguments)
    options.day = replay_options(arguments)
    if arguments.words:
        return asyncio.run(run(options, arguments.words))
    with tempfile.TemporaryDirectory(prefix="exchange-") as scratch:
        if options.state == Path():
            options.state = Path(scratch)
        return asyncio.run(serve(options))


def _token(arguments: argparse.Namespace) -> int:
    from exchange.tokens import Tokens

    tokens = Tokens(StateDir(arguments.state), SystemClock())
    print(tokens.mint_access_token(arguments.valid_seconds))
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    import msgspec

    from exchange.client import call_control
    from exchange.faults import load_faults, parse_faults

    if arguments.script is None and not arguments.clear:
        raise ConfigError("No fault script was given. Name a JSON file, or give the JSON itself, or --clear.")
    inline = arguments.script is not None and arguments.script.lstrip()[:1] in ("[", "{")
    content = b"[]"
    if arguments.script is not None:
        faults = parse_faults(arguments.script, "command line") if inline else load_faults(Path(arguments.script))
        content = msgspec.json.encode(faults)
    if arguments.clear:
        call_control(arguments.state, "DELETE", "/faults")
    print(call_control(arguments.state, "POST", "/faults", content).text)
    return 0


def _log(arguments: argparse.Namespace) -> int:
    from exchange.client import call_control

    sys.stdout.write(call_control(arguments.state, "GET", f"/log?since_ns={arguments.since_ns}").text)
    return 0


def _sockets(arguments: argparse.Namespace) -> int:
    from exchange.client import call_control

    for row in call_control(arguments.state, "GET", "/sockets").json():
        print(json.dumps(row))
    return 0
