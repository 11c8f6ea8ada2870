"""What the broker's answers mean (Fyers API docs, error codes): data of a slot, or an outage."""

import re
from typing import Any

from harvester.base.redaction import one_line
from harvester.brokers.fyers.depth import Depth, UnfitError, read_book
from harvester.brokers.numbers import parse_object
from harvester.ledger.outage import Outage

TOKEN_CODES = frozenset({-8, -15, -16, -17})
"""The broker's own words about a token. HTTP 401 or 403 without them is about the request: the symbol's segment, the
app's permission, a firewall in between."""
RATE_CODES = frozenset({-429, 429})
SYMBOL_CODE = -300
"""The broker does not know the symbol: renamed, moved to another series, delisted, expired."""
SOCKET_URL = re.compile(r"^wss://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/?=&-]*)?\Z")


def read_depth(status: int, body: bytes, symbol: str) -> Depth | Outage:
    """The book of `symbol` in an answer of /depth, or why the answer is no data. Never raises, whatever the bytes are.

    Decides for the recorder and, on the journal's records, for the close: what one takes the other takes.
    """
    answer = parse_object(body)
    failure = judge_failure(status, answer)
    if failure:
        return failure
    if answer is None:
        return Outage("bad_response", f"HTTP {status} with a body that is not a JSON object ({len(body)} bytes)")
    books = answer.get("d")
    if answer.get("s") != "ok" or not isinstance(books, dict) or not isinstance(books.get(symbol), dict):
        return Outage("bad_response", f"no book of {symbol} in the answer: {say_message(answer)}")
    try:
        return read_book(books[symbol])
    except UnfitError as error:
        return Outage("bad_response", str(error))


def judge_depth(status: int, body: bytes, symbol: str) -> Outage | None:
    """None when an answer of /depth is the data of `symbol`; else why it is not."""
    read = read_depth(status, body, symbol)
    return read if isinstance(read, Outage) else None


def judge_profile(status: int, body: bytes) -> Outage | None:
    """None when an answer of /profile proves the token that asked; else why it does not."""
    answer = parse_object(body)
    if failure := judge_failure(status, answer):
        return failure
    is_proven = answer is not None and answer.get("s") == "ok"
    return None if is_proven else Outage("bad_response", f"HTTP {status}: {say_message(answer or {})}")


def judge_look_up(status: int, body: bytes) -> Outage | None:
    """None when an answer of the 50-level socket's look-up holds its address; else why it does not."""
    answer = parse_object(body)
    if failure := judge_failure(status, answer):
        return failure
    if read_socket_url(body) is None:
        return Outage("bad_response", f"HTTP {status} without the socket's address: {say_message(answer or {})}")
    return None


def read_socket_url(body: bytes) -> str | None:
    """The address in an answer of the 50-level socket's look-up; None where there is no secure one."""
    data = (parse_object(body) or {}).get("data")
    url = data.get("socket_url") if isinstance(data, dict) else None
    return url if isinstance(url, str) and SOCKET_URL.match(url) else None


def judge_failure(status: int, answer: dict[str, Any] | None) -> Outage | None:
    """Why an answer of any data call is none; None where nothing in status and code speaks against it."""
    said = (answer or {}).get("code")
    code = said if type(said) is int else None
    text = f"HTTP {status}" + (f", code {code}: {say_message(answer or {})}" if code is not None else "")
    if status == 429 or code in RATE_CODES:
        return Outage("rate_limited", text)
    if code in TOKEN_CODES:
        return Outage("token_refused", text)
    if code == SYMBOL_CODE:
        return Outage("not_listed", text)
    if status in (401, 403):
        return Outage("refused", text)
    if status >= 500:
        return Outage("server_error", text)
    if status != 200:
        return Outage("bad_response", text)
    return None


def say_message(answer: dict[str, Any]) -> str:
    """The broker's message as one printable line."""
    return one_line(answer.get("message") or "no message", 120)
