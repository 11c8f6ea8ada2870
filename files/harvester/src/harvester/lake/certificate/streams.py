"""The certificate's entries of the sockets: coverage, updates, silence, gaps, sequence and skew of each symbol."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from harvester.base.clock import NS_PER_MS
from harvester.decode.frames import Ints
from harvester.lake.certificate.shares import share_of
from harvester.lake.day.events import Events
from harvester.lake.day.intervals import Interval, total
from harvester.lake.gaps.streams import Coverage
from harvester.lake.tables.deduplication import Tally
from harvester.lake.tables.origin import FeedContent
from harvester.lake.tables.symbol_rows import Receipts, Tracks

Json = dict[str, Any]
MOST_CONNECTIONS = 500
"""Connections that a certificate lists, of each feed; a storm of them is counted."""


def certify_stream(
    tracks: Tracks, receipts: Receipts, coverage: Coverage, windows: Sequence[Interval], sequence: Json | None
) -> Json:
    """One symbol's entry on one feed. `window_ns` = `covered_ns` + the ns in `gaps_by_cause`."""
    window_ns = total(windows)
    entry: Json = {
        "window_ns": window_ns,
        "covered_ns": coverage.covered_ns,
        "quiet_ns": coverage.quiet_ns,
        "coverage": share_of(coverage.covered_ns, window_ns),
        "updates": dict(sorted(tracks.updates.items())),
        "off_session": tracks.off_session,
        "longest_silence_ns": longest_silence(receipts.moments, windows, receipts.pauses),
        "gaps_by_cause": sum_causes(coverage),
        "skew_ms": percentiles(np.concatenate(tracks.skew_ns)) if tracks.skew_ns else None,
    }
    if sequence is not None:
        entry["sequence"] = sequence
    if tracks.tally is not None:
        entry["copies"] = _copies(tracks.tally)
    return entry


def sum_causes(coverage: Coverage) -> Json:
    """Time and number of the gaps, by cause."""
    causes: dict[str, Counter[str]] = {}
    for gap in coverage.gaps:
        causes.setdefault(gap.cause, Counter()).update({"ns": gap.to_ns - gap.from_ns, "count": 1})
    return {cause: dict(sums) for cause, sums in sorted(causes.items())}


def _copies(tally: Tally) -> Json:
    streams = sorted({*tally.first, *tally.alone})
    return {str(stream): {"first": tally.first[stream], "alone": tally.alone[stream]} for stream in streams}


def longest_silence(recv_ns: Ints, windows: Sequence[Interval], pauses: Ints | None = None) -> int:
    """The longest time inside one window without a row, the window's edges included. `recv_ns` ascending; `pauses` has
    for each the longest time without a row since the one before, where these are not all of the rows.
    """
    if pauses is None:
        pauses = np.diff(recv_ns, prepend=recv_ns[:1])
    longest = 0
    for opens, closes in windows:
        first, last = np.searchsorted(recv_ns, [opens, closes])
        inside = recv_ns[first:last]
        begins, ends = (int(inside[0]), int(inside[-1])) if len(inside) else (closes, closes)
        longest = max(longest, begins - opens, closes - ends, int(pauses[first + 1 : last].max(initial=0)))
    return longest


def percentiles(values_ns: Ints) -> Json | None:
    """Minimum, median, 99th percentile and maximum by nearest rank, in milliseconds; None without values."""
    if not len(values_ns):
        return None
    ordered = np.sort(values_ns)

    def rank(share: int) -> float:
        place = max(-(-len(ordered) * share // 100) - 1, 0)
        return round(int(ordered[place]) / NS_PER_MS, 3)

    return {"min": rank(0), "p50": rank(50), "p99": rank(99), "max": rank(100)}


def certify_feed(symbols: dict[str, Json], contents: FeedContent, feed: int, events: Events) -> Json:
    """One feed's entry."""
    connections = [connection for connection in events.connections if connection.feed == feed]
    return {
        "symbols": symbols,
        "unexplained_ns": sum(unexplained(entry) for entry in symbols.values()),
        "frames": contents.frames,
        "leftovers": {reason: count for reason, count in sorted(contents.leftovers.items()) if count},
        "notices": contents.notices,
        "connection_count": len(connections),
        "connections": [
            {
                "connection": connection.number,
                "stream": connection.stream,
                "run_id": connection.run_id,
                "from_ns": connection.from_ns,
                "to_ns": connection.to_ns,
                "cause": connection.cause,
                "symbols": len(connection.symbols),
            }
            for connection in connections[:MOST_CONNECTIONS]
        ],
    }


def unexplained(entry: Json) -> int:
    """Time of the windows that is neither covered nor in a gap."""
    gaps = sum(int(sums["ns"]) for sums in entry["gaps_by_cause"].values())
    return int(entry["window_ns"]) - int(entry["covered_ns"]) - gaps
