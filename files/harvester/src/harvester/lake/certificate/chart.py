"""The certificate's entries of schwab-stream: when each symbol was subscribed, and what came of its minutes."""

from collections.abc import Mapping, Sequence

import numpy as np

from harvester.decode.candles import OFF_SESSION, TAKEN
from harvester.journal.format import SCHWAB_STREAM
from harvester.lake.certificate.shares import share_of
from harvester.lake.certificate.streams import Json, certify_feed, longest_silence, sum_causes
from harvester.lake.day.chart import ChartLog
from harvester.lake.day.events import Events
from harvester.lake.day.intervals import Interval, total
from harvester.lake.gaps.streams import Coverage
from harvester.lake.tables.origin import FeedContent


def certify_chart(
    coverage: Coverage, windows: Sequence[Interval], streamed: Mapping[str, int], received: Sequence[int]
) -> Json:
    """One symbol's entry: as of any socket, with no rows of its own, for its minutes are in the table of candles.

    `received`: when its minutes came, in wall ns, ascending.
    """
    window_ns = total(windows)
    return {
        "window_ns": window_ns,
        "covered_ns": coverage.covered_ns,
        "quiet_ns": coverage.quiet_ns,
        "coverage": share_of(coverage.covered_ns, window_ns),
        "updates": {},
        "minutes": streamed.get(TAKEN, 0),
        "rejected": {flaw: count for flaw, count in sorted(streamed.items()) if flaw not in (TAKEN, OFF_SESSION)},
        "off_session": streamed.get(OFF_SESSION, 0),
        "longest_silence_ns": longest_silence(np.array(received, np.int64), windows),
        "gaps_by_cause": sum_causes(coverage),
        "skew_ms": None,
    }


def certify_chart_feed(symbols: dict[str, Json], log: ChartLog, events: Events) -> Json:
    """The feed's section."""
    content = FeedContent(frames=log.frames)
    content.leftovers["unknown"] = log.unknown
    return certify_feed(symbols, content, SCHWAB_STREAM, events)
