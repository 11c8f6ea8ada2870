"""The `exchange` command. Subcommands import what they need themselves, so that each starts fast."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from exchange.market.load import MOST_SYMBOLS
from exchange.options import Options
from exchange.sockets.rules import FRAME_ENTRIES, TOPIC_LIMIT, HsmRules
from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.clock import SystemClock
from harvester.errors import ConfigError, HarvesterError

MOST_BUSY = 1000
MOST_LOAD_RATE = 100.0
CONTROL_HELP = "state directory of the running exchange"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    options = _parser().parse_args(arguments)
    _configure_log(debug=getattr(options, "debug", False))
    try:
        code: int = options.command(options)
    except HarvesterError as error:
        print(f"exchange: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exchange", description="A local exchange that speaks the broker Fyers' protocols to its unmodified SDK."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("serve", help="run until stopped; says where on standard output once it is ready")
    one.add_argument("--state", type=Path, required=True, help="directory for credentials, keys, logs; made if missing")
    one.add_argument("--address", default="127.0.0.1", help="address to listen on (default %(default)s)")
    one.add_argument("--port", type=int, default=443, help="port to listen on, 0 for a free one (default %(default)s)")
    _add_market_options(one)
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
    _add_market_options(one)
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")
    one.set_defaults(command=_run)

    one = commands.add_parser("token", help="print an access token made without a login, for tests")
    one.add_argument("--state", type=Path, required=True, help="state directory of the exchange")
    one.add_argument("--valid-seconds", type=_positive, help="life of the token (default: until 06:30 India time)")
    one.set_defaults(command=_token)

    one = commands.add_parser("fault", help="arm a fault script in a running exchange")
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.add_argument("script", nargs="?", help="a JSON file, or the JSON itself when it begins with [ or {")
    one.add_argument("--clear", action="store_true", help="forget all faults that are armed, first")
    one.set_defaults(command=_fault)

    one = commands.add_parser("log", help="print what was served, as JSON lines")
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.add_argument("--since-ns", type=int, default=0, help="only answers from this wall time on")
    one.set_defaults(command=_log)

    one = commands.add_parser(
        "sockets", help="print the sockets' connections, what each was sent and why it ended, as JSON lines"
    )
    one.add_argument("--state", type=Path, required=True, help=CONTROL_HELP)
    one.set_defaults(command=_sockets)
    return parser


def _add_socket_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-frames", action="store_true", help="keep what the sockets send, byte for byte, in frames/ of the state"
    )
    parser.add_argument(
        "--topic-limit",
        type=_positive,
        default=TOPIC_LIMIT,
        help="topics of a data-socket connection (default %(default)s)",
    )
    parser.add_argument(
        "--frame-entries",
        type=_entries,
        default=FRAME_ENTRIES,
        help="most entries of a data-socket frame (default %(default)s)",
    )
    parser.add_argument(
        "--load-symbols",
        type=_symbols,
        default=0,
        metavar="N",
        help="serve N synthetic symbols besides, NSE:LOAD00000-EQ and on, with --load-rate updates a second each",
    )
    parser.add_argument("--load-rate", type=_load_rate, default=2.0, metavar="R", help="(default %(default)s)")
    parser.add_argument(
        "--ack-every", type=_positive, help="have the data socket ask for an acknowledgement every so many frames"
    )


def _add_market_options(parser: argparse.ArgumentParser) -> None:
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--calendar", type=Path, help="trading calendar in the harvester's format (default: NSE)")
    when.add_argument("--always-open", action="store_true", help="a market that never closes, instead of a calendar")
    parser.add_argument("--seed", type=int, default=1, help="seed of the books: same seed, same market (default 1)")
    parser.add_argument(
        "--busy", type=_factor, default=1.0, help="book updates so many times as often as measured (default 1)"
    )
    parser.add_argument("--symbols-file", type=Path, help="symbol master in the broker's CSV format, also gzipped")
    parser.add_argument("--replay", type=Path, help="serve recorded depth (.jsonl or .parquet) instead of the model")
    parser.add_argument("--faults", type=Path, help="fault script to arm at the start")
    parser.add_argument(
        "--rate-limits", choices=("documented", "none"), default="documented", help="(default %(default)s)"
    )
    parser.add_argument(
        "--refresh-tokens",
        choices=("discontinued", "allowed"),
        default="discontinued",
        help="whether the broker's old refresh flow works (default %(default)s)",
    )
    parser.add_argument("--token-seconds", type=_positive, help="life of tokens (default: until 06:30 India time)")
    _add_socket_options(parser)
    parser.add_argument("--debug", action="store_true", help="log every request to standard error")


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return number


def _symbols(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_SYMBOLS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {MOST_SYMBOLS}")
    return number


def _entries(text: str) -> int:
    number = int(text)
    if not 0 < number <= FRAME_ENTRIES:
        raise argparse.ArgumentTypeError(f"must be from 1 to {FRAME_ENTRIES}")
    return number


def _load_rate(text: str) -> float:
    number = float(text)
    if not MOST_LOAD_RATE / 10_000 <= number <= MOST_LOAD_RATE:
        raise argparse.ArgumentTypeError(f"must be from {MOST_LOAD_RATE / 10_000} to {MOST_LOAD_RATE}")
    return number


def _factor(text: str) -> float:
    number = float(text)
    if not 0 < number <= MOST_BUSY:
        raise argparse.ArgumentTypeError(f"must be above zero and at most {MOST_BUSY}")
    return number


def _configure_log(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.INFO)


def _options(arguments: argparse.Namespace) -> Options:
    from exchange.faults import load_faults

    return Options(
        state=arguments.state,
        calendar=arguments.calendar,
        always_open=arguments.always_open,
        seed=arguments.seed,
        busy=arguments.busy,
        symbols_file=arguments.symbols_file,
        replay=arguments.replay,
        faults=load_faults(arguments.faults) if arguments.faults else [],
        rate_limits=arguments.rate_limits == "documented",
        refresh_allowed=arguments.refresh_tokens == "allowed",
        token_seconds=arguments.token_seconds,
        keep_frames=arguments.keep_frames,
        load_symbols=arguments.load_symbols,
        load_rate=arguments.load_rate,
        hsm=HsmRules(arguments.topic_limit, arguments.frame_entries, arguments.ack_every),
    )


def _serve(arguments: argparse.Namespace) -> int:
    from exchange.commands import serve

    options = _options(arguments)
    options.address, options.port = arguments.address, arguments.port
    return asyncio.run(serve(options))


def _run(arguments: argparse.Namespace) -> int:
    from exchange.commands import run

    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise ConfigError(
            "No command was given. Put it after two dashes, such as: exchange run --always-open -- python my_bot.py"
        )
    return asyncio.run(run(_options(arguments), words))


def _token(arguments: argparse.Namespace) -> int:
    tokens = Tokens(StateDir(arguments.state), SystemClock())
    print(tokens.mint_access_token(arguments.valid_seconds))
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    from exchange.client import call_control
    from exchange.faults import load_faults, parse_faults

    if arguments.script is None and not arguments.clear:
        raise ConfigError("No fault script was given. Name a JSON file, or give the JSON itself, or --clear.")
    inline = arguments.script is not None and arguments.script.lstrip()[:1] in ("[", "{")
    content = b"[]"
    if arguments.script is not None:
        faults = parse_faults(arguments.script, "command line") if inline else load_faults(Path(arguments.script))
        content = b"[" + b",".join(fault.model_dump_json().encode() for fault in faults) + b"]"
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
