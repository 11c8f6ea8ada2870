"""Schwab's streamer on the wire: requests for minutes of CHART_EQUITY, and what a text of the server holds.

Source: developer portal, Streamer API (requests, answers, response codes; these also in the crate rustyschwab-types).
The order of CHART_EQUITY's fields is not the portal's, which is wrong: schwab-py's ChartEquityFields has the wire's.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from harvester.brokers.bars import Candle, Rejected
from harvester.brokers.numbers import parse_object, to_count
from harvester.brokers.schwab.history import LAST_MS, judge_candle
from harvester.journal.format import MAX_PAYLOAD

ADMIN, SERVICE = "ADMIN", "CHART_EQUITY"
PRICES, VOLUME, BEGIN = ("2", "3", "4", "5"), "6", "7"
"""Fields of a minute: open, high, low and close in dollars; shares; begin in ms since 1970."""
FIELDS = "0,1,2,3,4,5,6,7,8"
MINUTE_MS = 60_000
SUCCESS, LOGIN_DENIED, CLOSE_CONNECTION, NOT_LOGGED_IN, STOP_STREAMING = 0, 3, 12, 20, 30
DONE = frozenset({SUCCESS, 26, 28})
"""Codes of a subscription that was taken: the success of all commands, and those of SUBS and of ADD."""
TAKEN = "another program took the streamer's connection, of which a user has one"
"""What the recorder says of CLOSE_CONNECTION."""
BATCH = 100
"""Tickers of one request."""
ROUND = 1000
"""Requests are numbered from 1 on; the same batch, asked again, has the number of its first request and a multiple."""


class StreamedMinute(NamedTuple):
    """A minute of one ticker, or why what the server sent of it is none."""

    symbol: str
    candle: Candle | Rejected


class Reply(NamedTuple):
    """A response code of the server; `request` is the number of ours that it answers, -1 where that is not said."""

    service: str
    command: str
    request: int
    code: int
    text: str


class Frame(NamedTuple):
    """What one text of the server holds, besides heartbeats. `unknown`: parts that are none of these."""

    minutes: tuple[StreamedMinute, ...] = ()
    replies: tuple[Reply, ...] = ()
    unknown: int = 0


def batches_of(symbols: Iterable[str]) -> list[list[str]]:
    """The tickers of each request, sorted: batch n is subscribed by request n + 1, and by n + 1 + ROUND and so on."""
    ordered = sorted(symbols)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]


def batch_of(request: int) -> int:
    """The batch that a request subscribed; -1 for one that subscribes nothing."""
    return request % ROUND - 1 if request > 0 else -1


def read_frame(payload: bytes) -> Frame | None:
    """What a text holds; None where it is no JSON object. Never raises, whatever the bytes are.

    Decides for the recorder and, on the journal's records, for the close.
    """
    told = parse_object(payload, MAX_PAYLOAD)
    if told is None:
        return None
    known = {"data": _minutes, "response": _replies, "notify": _notices}
    unknown = sum(kind not in known for kind in told)
    found: list[object] = []
    for kind, read in known.items():
        entries = told.get(kind, [])
        found += [each for entry in entries for each in read(entry)] if isinstance(entries, list) else [None]
    return Frame(
        tuple(each for each in found if isinstance(each, StreamedMinute)),
        tuple(each for each in found if isinstance(each, Reply)),
        unknown + sum(each is None for each in found),
    )


def _minutes(entry: object) -> Iterator[StreamedMinute | None]:
    rows = entry.get("content") if isinstance(entry, dict) and entry.get("service") == SERVICE else None
    if not isinstance(rows, list):
        yield None
        return
    for row in rows:
        symbol = row.get("key") if isinstance(row, dict) else None
        yield StreamedMinute(symbol, _read_minute(row)) if isinstance(symbol, str) and symbol else None


def _read_minute(row: dict[str, Any]) -> Candle | Rejected:
    begin_ms = to_count(row.get(BEGIN), LAST_MS)
    if begin_ms is None or begin_ms % MINUTE_MS:
        return Rejected(None, "unreadable")
    found = judge_candle(begin_ms // 1000, [row.get(name) for name in PRICES], row.get(VOLUME))
    return found if isinstance(found, Candle) else Rejected(begin_ms // 1000, found)


def _replies(entry: object) -> Iterator[Reply | None]:
    content = entry.get("content") if isinstance(entry, dict) else None
    code = content.get("code") if isinstance(content, dict) else None
    if not isinstance(entry, dict) or not isinstance(content, dict) or type(code) is not int:
        yield None
        return
    number = str(entry.get("requestid", ""))
    request = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1
    yield Reply(str(entry.get("service")), str(entry.get("command")), request, code, str(content.get("msg", "")))


def _notices(entry: object) -> Iterator[Reply | bool | None]:
    """A heartbeat, or a code that answers nothing of ours: why the server stops."""
    if isinstance(entry, dict) and "heartbeat" in entry:
        yield True
    else:
        yield from _replies(entry)


class Streamer(NamedTuple):
    """Where the streamer is, and as whom one speaks to it, as userPreference says."""

    url: str
    customer: str
    correlation: str
    channel: str
    function: str


def read_streamer(body: bytes) -> Streamer | None:
    """The first streamer of an answer of userPreference; None where it names none that can be connected to."""
    infos = (parse_object(body) or {}).get("streamerInfo")
    info = infos[0] if isinstance(infos, list) and infos else None
    if not isinstance(info, dict):
        return None
    names = (
        "streamerSocketUrl",
        *(f"schwabClient{name}" for name in ("CustomerId", "CorrelId", "Channel", "FunctionId")),
    )
    values = [info.get(name) for name in names]
    told = [value for value in values if isinstance(value, str) and value]
    return Streamer(*told) if len(told) == len(names) and told[0].startswith("wss://") else None


def say_login(streamer: Streamer, token: str) -> str:
    """The request that must come first. It holds the token."""
    parameters = {
        "Authorization": token,
        "SchwabClientChannel": streamer.channel,
        "SchwabClientFunctionId": streamer.function,
    }
    return _say(streamer, 0, ADMIN, "LOGIN", parameters)


def say_subscription(streamer: Streamer, request: int, symbols: Sequence[str]) -> str:
    """A request for the minutes of some tickers: the first replaces what was subscribed, the others add to it."""
    command = "SUBS" if request == 1 else "ADD"
    return _say(streamer, request, SERVICE, command, {"keys": ",".join(symbols), "fields": FIELDS})


def _say(streamer: Streamer, request: int, service: str, command: str, parameters: dict[str, str]) -> str:
    said = {
        "service": service,
        "requestid": str(request),
        "command": command,
        "SchwabClientCustomerId": streamer.customer,
        "SchwabClientCorrelId": streamer.correlation,
        "parameters": parameters,
    }
    return json.dumps({"requests": [said]})
