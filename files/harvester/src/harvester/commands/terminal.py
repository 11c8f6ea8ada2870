"""What `harvester run --foreground --debug` prints: one line per poll, for a person who watches."""

import json
from typing import Any

from harvester.base.clock import NS_PER_MS, to_ist
from harvester.brokers.fyers.poll_result import Arrival


def print_arrival(arrival: Arrival) -> None:
    """One line: time in India, symbol, last price, best bid and ask with quantities, latency."""
    print(describe_arrival(arrival), flush=True)


def describe_arrival(arrival: Arrival) -> str:
    """The line for one poll."""
    latency_ms = (arrival.wall_ns - arrival.sent_ns) / NS_PER_MS
    head = f"{to_ist(arrival.wall_ns):%H:%M:%S.%f}"[:12] + f"  {arrival.symbol:<20}"
    if arrival.cause:
        return f"{head}  {arrival.cause}: {arrival.detail}  ({latency_ms:.0f} ms)"
    book = json.loads(arrival.body, parse_float=str)["d"][arrival.symbol]
    bid, ask = _best(book.get("bids")), _best(book.get("ask"))
    return f"{head}  LTP {book.get('ltp', '-'):>10}  bid {bid:>18}  ask {ask:>18}  {latency_ms:6.1f} ms"


def _best(levels: Any) -> str:
    """Price x quantity of the best level; a dash for an empty side."""
    try:
        return f"{levels[0]['price']} x {levels[0]['volume']}"
    except (IndexError, KeyError, TypeError):
        return "-"
