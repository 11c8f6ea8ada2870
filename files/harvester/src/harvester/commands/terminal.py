"""What `harvester run --foreground --debug` prints: one line per poll, for a person who watches."""

import json
from typing import Any

from harvester.base.clock import NS_PER_MS
from harvester.base.market import to_local
from harvester.brokers.protocol import PollResult


def print_result(result: PollResult) -> None:
    """One line: market time, symbol, last price, best bid and ask with quantities, latency."""
    print(describe_result(result), flush=True)


def describe_result(result: PollResult) -> str:
    """The line for one poll."""
    latency_ms = (result.wall_ns - result.sent_ns) / NS_PER_MS
    head = f"{to_local(result.wall_ns):%H:%M:%S.%f}"[:12] + f"  {result.symbol:<20}"
    if result.outage:
        return f"{head}  {result.outage.cause}: {result.outage.detail}  ({latency_ms:.0f} ms)"
    book = json.loads(result.body, parse_float=str)["d"][result.symbol]
    bid, ask = _best(book.get("bids")), _best(book.get("ask"))
    return f"{head}  LTP {book.get('ltp', '-'):>10}  bid {bid:>18}  ask {ask:>18}  {latency_ms:6.1f} ms"


def _best(levels: Any) -> str:
    """Price x quantity of the best level; a dash for an empty side."""
    try:
        return f"{levels[0]['price']} x {levels[0]['volume']}"
    except (IndexError, KeyError, TypeError):
        return "-"
