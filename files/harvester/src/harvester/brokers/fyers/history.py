"""The broker's own candles: GET {api_url}/data/history, one symbol a call (Fyers API docs, history).

    {"s":"ok","candles":[[1759895100,1384.8,1386.9,1378.8,1382.4,255869],...]}

A candle is its begin in seconds since 1970, open, high, low, close in rupees, and the shares traded in it. The candle
that is being formed is the last one of an answer, with what has traded so far (docs, history, partial candles). A bar
without a trade has no candle, and a range without any is `"s":"no_data"`; that word is not in the docs that were at
hand. Refusals have the codes of the other data calls (docs, error codes), see responses.py.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from harvester.brokers.bars import LAST_SECOND, Candle, History, Rejected, find_flaw
from harvester.brokers.fyers.responses import judge_failure, say_message
from harvester.brokers.numbers import parse_object, to_count, to_paise
from harvester.ledger.outage import Outage

PATH = "/data/history"
ANSWER_LIMIT = 1 << 20
"""A day of minutes has about 20,000 bytes, one of 5 seconds about 250,000; what is far larger is not parsed."""
FIELDS, FIELDS_WITH_INTEREST = 6, 7


def history_query(symbol: str, resolution: str, first: date, last: date) -> dict[str, str]:
    """The parameters of a request for whole days in India, both included; `cont_flag` joins futures as the docs say."""
    return {
        "symbol": symbol,
        "resolution": resolution,
        "date_format": "1",
        "range_from": first.isoformat(),
        "range_to": last.isoformat(),
        "cont_flag": "1",
    }


def read_history(status: int, body: bytes) -> History | Outage:
    """The candles in an answer of /history, or why it is none. Never raises, whatever the bytes are.

    Decides for the recorder and, on the journal's records, for the close.
    """
    answer = parse_object(body, ANSWER_LIMIT)
    if failure := judge_failure(status, answer):
        return failure
    if answer is None:
        return Outage("bad_response", f"HTTP {status} with a body that is not a JSON object ({len(body)} bytes)")
    rows = answer.get("candles")
    if answer.get("s") == "no_data" and rows in (None, []):
        return History((), ())
    if answer.get("s") != "ok" or not isinstance(rows, list):
        return Outage("bad_response", f"no candles in the answer: {say_message(answer)}")
    read = [*_read(rows)]
    return History(
        tuple(each for each in read if isinstance(each, Candle)),
        tuple(each for each in read if isinstance(each, Rejected)),
    )


class _Head(msgspec.Struct):
    """An answer whose candles are looked at as a list alone."""

    s: str
    candles: list[msgspec.Raw]
    code: int | None = None


def judge_range(status: int, body: bytes) -> Outage | None:
    """The same as `judge_history` of an answer with many days, in a twentieth of its time where it is data.

    A candle that is no bar is told when the answer is read as a whole.
    """
    try:
        head = msgspec.json.decode(body, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return judge_history(status, body)
    is_data = status == 200 and head.s == "ok" and not head.code
    return None if is_data and len(body) <= ANSWER_LIMIT else judge_history(status, body)


def read_extent(body: bytes) -> tuple[int, int] | None:
    """The earliest and the latest begin in an answer, in seconds since 1970; None where it has no candle."""
    try:
        head = msgspec.json.decode(body, type=_Head)
        ends = [msgspec.json.decode(raw) for raw in (*head.candles[:1], *head.candles[-1:])]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        read = read_history(200, body)
        rows = () if isinstance(read, Outage) else (*read.candles, *read.rejected)
        begins = [row[0] if type(row[0]) is int else None for row in rows]
    else:
        begins = [to_count(row[0], LAST_SECOND) if isinstance(row, list) and row else None for row in ends]
    known = [begin for begin in begins if begin is not None]
    return (min(known), max(known)) if known else None


def judge_history(status: int, body: bytes) -> Outage | None:
    """None when an answer of /history is data, be it that there is none; else why it is not."""
    read = read_history(status, body)
    return read if isinstance(read, Outage) else None


def _read(rows: list[Any]) -> Iterator[Candle | Rejected]:
    for row in rows:
        fits = isinstance(row, list) and len(row) in (FIELDS, FIELDS_WITH_INTEREST)
        begin_s = to_count(row[0], LAST_SECOND) if fits else None
        if begin_s is None:
            yield Rejected(None, "unreadable")
            continue
        volume = to_count(row[5])
        found = find_flaw(begin_s, [*map(to_paise, row[1:5])], volume, is_negative=_is_negative(row[5]))
        yield found if isinstance(found, Candle) else Rejected(begin_s, found)


def _is_negative(value: object) -> bool:
    return isinstance(value, int | Decimal) and value < 0
