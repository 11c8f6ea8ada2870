"""Options that several subcommands share, and what their values may be."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from exchange.market.load import MOST_SYMBOLS
from exchange.options import FRAME_ENTRIES, SETTLE_SECONDS, Options, ReplayOptions, SocketRules
from harvester.base.market import MARKETS, NSE
from harvester.calendar import SegmentName
from harvester.calendar.segments import SEGMENTS, Hours, parse_hours

MOST_BUSY, LEAST_BUSY = 1000.0, 0.001
MOST_LOAD_RATE, LEAST_LOAD_RATE = 100.0, 0.01
MOST_SECONDS = 3600.0
LONGEST_TOKEN_SECONDS = 10 * 366 * 86_400
MOST_SPEED, LEAST_SPEED = 100_000.0, 0.001
Number = TypeVar("Number", int, float)


def positive(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return number


def within(kind: type[Number], least: Number, most: Number) -> Callable[[str], Number]:
    """A number of this kind within bounds."""

    def parse(text: str) -> Number:
        number = kind(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:g} to {most:g}")
        return number

    parse.__name__ = kind.__name__  # what argparse calls a text that is none
    return parse


port = within(int, 0, 65_535)
lifetime = within(int, 1, LONGEST_TOKEN_SECONDS)


def day(text: str) -> date:
    """A date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("must be a date such as 2026-11-23") from error


def file(text: str) -> Path:
    """A file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def redirect_uri(text: str) -> str:
    """An address that a browser can be sent to."""
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no address ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise argparse.ArgumentTypeError("must be an address such as https://127.0.0.1:8080/, without #")
    return text


def speed(text: str) -> float | None:
    """A factor, or None for `max`."""
    return None if text == "max" else within(float, LEAST_SPEED, MOST_SPEED)(text)


def segment_hours(text: str) -> tuple[SegmentName, Hours]:
    """A segment and its hours, from text such as nse_fo=0915-1550."""
    name, _, stated = text.partition("=")
    hours = parse_hours(stated)
    segment = next((each for each in SEGMENTS if each == name), None)
    if segment is None or hours is None or not hours.opens < hours.closes <= "2359":
        raise argparse.ArgumentTypeError("must be a segment and its hours, such as nse_fo=0915-1550")
    return segment, hours


def add_market_options(parser: argparse.ArgumentParser) -> None:
    """What is served, and how the exchange behaves."""
    parser.add_argument(
        "--market",
        choices=tuple(MARKETS),
        default=NSE.name,
        help="nse: the broker Fyers; us: the broker Schwab, whose hosts are served in its place (default %(default)s)",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--calendar", type=Path, help="trading calendar in the harvester's format (default: that of the market)"
    )
    when.add_argument("--always-open", action="store_true", help="a market that never closes, instead of a calendar")
    parser.add_argument(
        "--holiday-list",
        type=file,
        metavar="JSON",
        help="serve this file as the exchange's list of holidays, at www.nseindia.com/api/holiday-master?type=trading"
        " (default: the last year of the calendar)",
    )
    parser.add_argument(
        "--segment-hours",
        action="append",
        default=[],
        type=segment_hours,
        metavar="SEGMENT=HHMM-HHMM",
        help="trade a segment in these hours on each of its trading days, whatever the calendar says, and say so in the"
        " symbol master: nse_fo=0915-1550 is an exchange whose calendar has changed unnoticed; may be given for several"
        f" segments of {', '.join(SEGMENTS)} (default: the hours of the calendar, segment by segment)",
    )
    _add_book_options(parser)
    _add_broker_options(parser)
    _add_socket_options(parser)
    parser.add_argument("--debug", action="store_true", help="log every request to standard error")


def _add_book_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="seed of the books: same seed, same market (default 1)")
    parser.add_argument(
        "--busy",
        type=within(float, LEAST_BUSY, MOST_BUSY),
        default=1.0,
        help="book updates so many times as often as measured (default 1)",
    )
    parser.add_argument("--symbols-file", type=Path, help="symbol master in the broker's CSV format, also gzipped")
    parser.add_argument("--replay", type=Path, help="serve recorded depth (.jsonl or .parquet) instead of the model")
    parser.add_argument("--faults", type=Path, help="fault script to arm at the start")


def _add_broker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate-limits", choices=("documented", "none"), default="documented", help="(default %(default)s)"
    )
    parser.add_argument(
        "--refresh-tokens",
        choices=("discontinued", "allowed"),
        default="discontinued",
        help="whether the broker's old refresh flow works (default %(default)s)",
    )
    parser.add_argument(
        "--redirect-uri",
        dest="redirect_uris",
        action="append",
        default=[],
        type=redirect_uri,
        metavar="URI",
        help="register this redirect address for the app; may be given several times, the first is the app's own"
        " (default: as registered before, at first http://127.0.0.1:8080/)",
    )
    parser.add_argument(
        "--token-seconds",
        type=lifetime,
        help="life of tokens (default: until 06:30 India time)",
    )


def _add_socket_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-frames", action="store_true", help="keep what the sockets send, byte for byte, in frames/ of the state"
    )
    parser.add_argument(
        "--topic-limit",
        type=positive,
        default=SocketRules.topic_limit,
        help="topics of a data-socket connection (default %(default)s)",
    )
    parser.add_argument(
        "--frame-entries",
        type=within(int, 1, FRAME_ENTRIES),
        default=FRAME_ENTRIES,
        help="most entries of a data-socket frame (default %(default)s)",
    )
    parser.add_argument(
        "--slow-bytes",
        type=positive,
        default=SocketRules.slow_bytes,
        help="cut a socket's client off when it leaves so much unread (default %(default)s)",
    )
    parser.add_argument(
        "--load-symbols",
        type=within(int, 0, MOST_SYMBOLS),
        default=0,
        metavar="N",
        help="serve N synthetic symbols besides, NSE:LOAD00000-EQ and on, with --load-rate updates a second each",
    )
    parser.add_argument(
        "--load-rate",
        type=within(float, LEAST_LOAD_RATE, MOST_LOAD_RATE),
        default=2.0,
        metavar="R",
        help="(default %(default)s)",
    )
    parser.add_argument(
        "--ack-every", type=positive, help="have the data socket ask for an acknowledgement every so many frames"
    )


def add_replay_options(parser: argparse.ArgumentParser) -> None:
    """Which recorded day, how fast, and from when on."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="data directory, journal, lake, or directory of segments"
    )
    parser.add_argument("--date", type=day, required=True, help="trading date of the recording")
    parser.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        help="times the recorded pace, or max: as fast as clients take it, nothing dropped (default 1)",
    )
    parser.add_argument("--start-at-once", action="store_true", help="begin without waiting for a subscriber")
    parser.add_argument(
        "--settle",
        type=within(float, 0, MOST_SECONDS),
        default=SETTLE_SECONDS,
        metavar="SECONDS",
        help="begin when no subscription has come for so long (default %(default)s)",
    )
    parser.add_argument("--stop-at-end", action="store_true", help="end when the day is over and its frames are taken")


def replay_options(arguments: argparse.Namespace) -> ReplayOptions:
    """What these say."""
    return ReplayOptions(
        arguments.folder,
        arguments.date,
        arguments.speed,
        wait=not arguments.start_at_once,
        settle_seconds=arguments.settle,
    )


def exchange_options(arguments: argparse.Namespace) -> Options:
    """What all options together say. Each bears the name of its field in Options or SocketRules."""
    from exchange.faults import load_faults

    given = {
        **vars(arguments),
        "faults": load_faults(arguments.faults) if arguments.faults else [],
        "rate_limits": arguments.rate_limits == "documented",
        "segment_hours": dict(arguments.segment_hours),
        "refresh_allowed": arguments.refresh_tokens == "allowed",
    }
    given["sockets"] = SocketRules(**{field.name: given[field.name] for field in fields(SocketRules)})
    return Options(**{field.name: given[field.name] for field in fields(Options) if field.name in given})
