"""How the recorder stands, as one control record near the start of each segment.

A start in the middle of a day reads on from the last of these, not the whole day's journal.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from harvester.capture.sink import Capture
from harvester.capture.streams.feed import StreamFeed
from harvester.journal.format import MAX_PAYLOAD, encode_control
from harvester.ledger.polls import ControlRecord, Gap


def describe_standing(
    capture: Capture, streams: Sequence[StreamFeed], settled: Iterable[tuple[int, int]]
) -> ControlRecord | None:
    """The record; None when it would be larger than a record can be. Times are wall ns."""
    record = {
        "type": "state",
        "accounted": {name: symbol.accounted_ns for name, symbol in capture.symbols.items()},
        "open": list(map(_gap, capture.open_gaps)),
        "settled": sorted(settled),
        "feeds": {str(feed.number): _feed(feed) for feed in streams},
    }
    return record if len(encode_control(record)) <= MAX_PAYLOAD else None


def _feed(feed: StreamFeed) -> dict[str, Any]:
    return {
        "streams": feed.standing(),
        "topics": feed.topics(),
        "open": list(map(_gap, feed.ledger.open_gaps)),
    }


def _gap(gap: Gap) -> list[Any]:
    return list(gap)
