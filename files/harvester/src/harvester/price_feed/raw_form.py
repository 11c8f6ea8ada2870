"""What a raw file holds, as the feed's users read it: answers byte for byte. Needs the standard library alone.

{"data": {symbol: {symbol, resolution, candles, timestamp, total_records, api_response}}, "metadata": {...}}
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from harvester.price_feed.layout import NS, read_moment, say_moment

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_LENIENT = "surrogatepass"
"""As json reads bytes, so that what it takes is written as it came."""
FYERS = "fyers-history"
HOSTS = {FYERS: "api-t1.fyers.in", "schwab-history": "api.schwabapi.com"}
"""Of brokers, by the feed of their candles."""


class RawAnswer(NamedTuple):
    """An answer of the broker with data, and its receipt in wall ns."""

    recv_ns: int
    body: bytes


def write_raw(
    answers: Mapping[str, RawAnswer], failed: Iterable[str], wall_ns: int, resolution: str, feed: str = FYERS
) -> bytes:
    """The file of answers by symbol, and of the symbols that were asked for and have none.

    `wall_ns`: receipt of the first answer. `resolution` as the broker calls it.
    """
    without = sorted({*failed} - answers.keys())
    requested = len(answers) + len(without)
    metadata = {
        "total_symbols_requested": requested,
        "successful_symbols": len(answers),
        "failed_symbols": without,
        "success_rate_percent": round(100 * len(answers) / requested, 2),
        "ingestion_timestamp": say_moment(wall_ns),
        "resolution": resolution,
        "api_method": feed,
        "api_endpoint": HOSTS[feed],
        "date_fetched": f"{datetime.fromtimestamp(wall_ns // NS, UTC):%Y-%m-%d}",
    }
    data = (_encode(symbol) + b":" + _describe(symbol, *answer, resolution) for symbol, answer in answers.items())
    return b'{"data":{' + b",".join(data) + b'},"metadata":' + _encode(metadata) + b"}"


def _describe(symbol: str, recv_ns: int, body: bytes, resolution: str) -> bytes:
    text = body.decode(json.detect_encoding(body), _LENIENT)
    rows, candles = {name: member for name, *member in _members(text)}.get("candles") or ([], "[]")
    before = {"symbol": symbol, "resolution": resolution}
    after = {"timestamp": say_moment(recv_ns), "total_records": len(rows)}
    parts = (_encode(before)[:-1], _raw("candles", candles), _encode(after)[1:-1], _raw("api_response", text))
    return b",".join(parts) + b"}"


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _raw(name: str, text: str) -> bytes:
    return _encode(name) + b":" + text.encode(errors=_LENIENT)


def read_raw(content: bytes, resolution: str) -> dict[str, RawAnswer]:
    """The answers of a raw file by symbol. Raises ValueError for a file that is none, or of another resolution."""
    try:
        data = next(text for name, _, text in _members(content.decode(errors=_LENIENT)) if name == "data")
        return {symbol: _read(text, resolution) for symbol, _, text in _members(data)}
    except (StopIteration, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no raw file of a price feed ({type(error).__name__}: {error})") from None


def _read(text: str, resolution: str) -> RawAnswer:
    members = {name: (value, part) for name, value, part in _members(text)}
    if members["resolution"][0] != resolution:
        raise ValueError(f"its resolution is {members['resolution'][0]}, and {resolution} is expected")
    return RawAnswer(read_moment(members["timestamp"][0]), members["api_response"][1].encode(errors=_LENIENT))


def _members(text: str) -> Iterator[tuple[str, Any, str]]:
    """Of a JSON object its names, values, and the values as they are written. Raises ValueError."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("not a JSON object")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        name, at = _DECODER.raw_decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)
        value, end = _DECODER.raw_decode(text, begin)
        yield name, value, text[begin:end]
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
