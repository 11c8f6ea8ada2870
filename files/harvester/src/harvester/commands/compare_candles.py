"""harvester compare-candles: the last bars of a recorded day beside those that the broker says today."""

import argparse
import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND, SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import in_force, to_local
from harvester.brokers.bars import Candle
from harvester.commands.rest_clients import make_candles, make_client
from harvester.config.settings import Settings
from harvester.decode.candles import READERS
from harvester.ledger.outage import Outage
from harvester.reader import Lake, open_lake
from harvester.tokens.handover import HandoverReader, Token

SYMBOLS = 5
"""So many are asked for where none is named: one request each, beside those of the recorder."""
BARS = 20
VALUES = ("open", "high", "low", "close", "volume")
Bars = dict[int, Candle]
"""By begin, in seconds since 1970."""


class Compared(NamedTuple):
    """One symbol. `bars`: how many were compared; `problem`: why none could be; `differing`: a sentence each."""

    symbol: str
    bars: int = 0
    differing: tuple[str, ...] = ()
    problem: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", metavar="YYYY-MM-DD", required=True, help="a closed day of the lake")
    parser.add_argument("--symbols", help=f"tickers, separated by commas; default: the first {SYMBOLS} with candles")
    parser.add_argument("--json", action="store_true", help="print what was found of each symbol, as a list in JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Ask, compare and say; exit code 1 where a bar differs or could not be compared."""
    day = parse_date(args.date, "--date")
    recorded = settings.symbols_of(settings.history) if settings.history in settings.feeds else ()
    named = tuple(name for name in (args.symbols or "").upper().split(",") if name)
    if others := [name for name in named if name not in recorded]:
        raise ConfigError(f"--symbols: no candles of {others[0]} are recorded here.")
    found = asyncio.run(_compare(settings, day, named or recorded[:SYMBOLS])) if recorded else []
    if args.json:
        print(json.dumps([each._asdict() for each in found], indent=1))
    elif not recorded:
        print(f"{settings.history} is not among the feeds of this host, so there is nothing to compare.")
    else:
        for each in (each for each in found if not each.problem):
            print(f"{each.symbol}: {each.bars - len(each.differing)} of {each.bars} bars are the same")
    wrong = [said for each in found for said in (*each.differing, *([each.problem] if each.problem else []))]
    if wrong:
        raise HarvesterError("\n".join(wrong))
    return 0


def _read_token(settings: Settings, wall_ns: int) -> Token:
    token = HandoverReader(settings.token.handover).read_new()
    if token is None or token.expires_at_ns <= wall_ns:
        raise HarvesterError(f"{settings.token.handover}: no valid token to ask the broker with. Run ./inv token-push.")
    return token


async def _compare(settings: Settings, day: date, symbols: Sequence[str]) -> list[Compared]:
    clock = SystemClock()
    token = _read_token(settings, clock.wall_ns())
    client = make_client(settings, ssl.create_default_context(), clock)
    candles, lake, found = make_candles(settings, client), open_lake(str(settings.lake_dir)), []
    try:
        for symbol in symbols:
            answer = await candles.fetch(symbol, day, clock.wall_ns(), token.access_token)
            said = answer.outage or READERS[candles.number](answer.status, answer.body)
            if isinstance(said, Outage):
                found.append(Compared(symbol, problem=f"{symbol}: {said.cause}, {said.detail}"))
                continue
            theirs = {each.begin_s: each for each in said.candles if _day_of(each.begin_s) == day}
            found.append(compare(symbol, theirs, read_recorded(lake, settings.host_id, symbol, day)))
    finally:
        await client.close()
    return found


def _day_of(begin_s: int) -> date:
    return to_local(begin_s * NS_PER_SECOND).date()


def read_recorded(lake: Lake, host: str, symbol: str, day: date) -> Bars:
    """The bars in force of a symbol; none where the lake has none of it that day. Raises ReaderError."""
    if not any(each.host == host and symbol in each.segments for each in lake.on(day)):
        return {}
    answer = lake.bars(symbol, day, source="broker", session="all", prices="paise", tz="UTC", host=host)
    bars: Bars = {}
    for batch in answer.batches():
        begins = batch.column("ts_begin").cast("int64").to_pylist()
        for begin, *values in zip(begins, *(batch.column(name).to_pylist() for name in VALUES), strict=True):
            bars[begin // NS_PER_SECOND] = Candle(begin // NS_PER_SECOND, *values)
    return bars


def compare(symbol: str, theirs: Mapping[int, Candle], ours: Mapping[int, Candle]) -> Compared:
    """The last bars of both together, by their begin."""
    if not theirs:
        return Compared(symbol, problem=f"{symbol}: the broker has no bars of that day")
    units = in_force().units
    begins = sorted(theirs.keys() | ours.keys())[-BARS:]
    differing = tuple(
        f"{symbol} {to_local(begin * NS_PER_SECOND):%H:%M:%S}: {_say(ours.get(begin), units)} is recorded,"
        f" {_say(theirs.get(begin), units)} is what the broker says now"
        for begin in begins
        if theirs.get(begin) != ours.get(begin)
    )
    return Compared(symbol, len(begins), differing)


def _say(candle: Candle | None, units: int) -> str:
    if candle is None:
        return "nothing"
    prices = (str(Decimal(price) / units) for price in candle[1:5])
    return f"{' '.join(prices)} x {candle.volume}"
