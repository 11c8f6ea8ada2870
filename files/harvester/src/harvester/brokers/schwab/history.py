"""Schwab's price history: the request for a market day's minutes, and its answer, exact to 1/10000 dollar."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from harvester.base.clock import NS_PER_MS
from harvester.base.market import MARKETS, day_end_ns, midnight_ns
from harvester.brokers.bars import LAST_SECOND, Candle, Flaw, History, Rejected, find_flaw
from harvester.brokers.numbers import parse_object, to_count, to_units
from harvester.brokers.schwab.answers import judge_failure
from harvester.journal.format import MAX_PAYLOAD
from harvester.ledger.outage import Outage

PATH = "/marketdata/v1/pricehistory"
MINUTES = (1, 5, 10, 15, 30)
"""What `frequency` may be of frequencyType minute (developer portal, pricehistory)."""
UNITS = MARKETS["us"].units
LAST_MS = LAST_SECOND * 1000
PRICES = ("open", "high", "low", "close")


def history_query(symbol: str, minutes: int, day: date) -> dict[str, str]:
    """The parameters of a request for one market day, without the hours before and after the core session."""
    return {
        "symbol": symbol,
        "periodType": "day",
        "frequencyType": "minute",
        "frequency": str(minutes),
        "startDate": str(midnight_ns(day) // NS_PER_MS),
        "endDate": str(day_end_ns(day) // NS_PER_MS - 1),
        "needExtendedHoursData": "false",
        "needPreviousClose": "false",
    }


def read_history(status: int, body: bytes) -> History | Outage:
    """The candles in an answer, or why it is none. Never raises, whatever the bytes are.

    Decides for the recorder and, on the journal's records, for the close.
    """
    answer = parse_object(body, MAX_PAYLOAD)
    if failure := judge_failure(status, answer):
        return failure
    rows = answer.get("candles") if answer is not None else None
    if not isinstance(rows, list):
        return Outage("bad_response", f"HTTP {status} with a body that has no candles ({len(body)} bytes)")
    read = [*_read(rows)]
    return History(
        tuple(each for each in read if isinstance(each, Candle)),
        tuple(each for each in read if isinstance(each, Rejected)),
    )


def judge_history(status: int, body: bytes) -> Outage | None:
    """None when an answer is data, be it that there is none; else why it is not."""
    read = read_history(status, body)
    return read if isinstance(read, Outage) else None


def _read(rows: list[Any]) -> Iterator[Candle | Rejected]:
    for row in rows:
        begin_ms = to_count(row.get("datetime"), LAST_MS) if isinstance(row, dict) else None
        if begin_ms is None or begin_ms % 1000:
            yield Rejected(None, "unreadable")
            continue
        found = judge_candle(begin_ms // 1000, [row.get(name) for name in PRICES], row.get("volume"))
        yield found if isinstance(found, Candle) else Rejected(begin_ms // 1000, found)


def judge_candle(begin_s: int, prices: Sequence[object], volume: object) -> Flaw | Candle:
    """The candle of values as the wire has them, or what is wrong with it. `prices`: open, high, low, close."""
    is_negative = isinstance(volume, int | Decimal) and volume < 0
    return find_flaw(begin_s, [to_units(price, UNITS) for price in prices], to_count(volume), is_negative=is_negative)
