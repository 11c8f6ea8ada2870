"""Which row of a symbol stands for a moment: the answer to the poll of that time, or the book as it was known then."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from harvester.base.clock import NS_PER_SECOND
from harvester.decode.frames import ABSENT, Flags, Ints
from harvester.lake.certificate.balance import parts_of, segment_of
from harvester.lake.day.intervals import Interval
from harvester.lake.day.slots import Stretch
from harvester.reader.arrays import integers

UNSCHEDULED_NS = 5 * NS_PER_SECOND
"""From one time to the next where no polls are scheduled: the interval of the old harvester."""


class Moments(NamedTuple):
    """The times that get a line, ascending, wall ns; and for each where the window before its own closed."""

    times: Ints
    since: Ints


def moments_of(certificate: Mapping[str, Any], every_ns: int | None = None) -> dict[str, Moments]:
    """Of each symbol: scheduled times, every 5 s where none are polled; or every `every_ns` from each opening on.

    Raises KeyError, TypeError or ValueError for what is no certificate.
    """
    of_segment = {segment: _moments_in(part, every_ns) for segment, part in parts_of(dict(certificate)).items()}
    sections = [certificate["symbols"], *(each["symbols"] for each in certificate.get("streams", {}).values())]
    return {symbol: of_segment[segment_of(entry)] for section in sections for symbol, entry in section.items()}


def _moments_in(part: Mapping[str, Any], every_ns: int | None) -> Moments:
    """The times of a segment, by its windows and schedule."""
    windows: list[Interval] = sorted((int(opens), int(closes)) for opens, closes in part["windows"])
    if every_ns is None:
        stretches = [Stretch(**entry) for entry in part["schedule"]]
        ranges = [each._replace(interval_ns=each.interval_ns or UNSCHEDULED_NS).slots() for each in stretches]
    else:
        ranges = [range(opens, closes, every_ns) for opens, closes in windows]
    times = np.unique(np.concatenate([np.zeros(0, np.int64), *(np.arange(r.start, r.stop, r.step) for r in ranges)]))
    closes = np.array([0, *(closes for _, closes in windows)], np.int64)
    return Moments(times, closes[np.searchsorted(closes[1:], times)])


def choose_rows(moments: Moments, rows: pa.Table, gaps: Mapping[str, tuple[Ints, Ints]]) -> Ints:
    """The place in `rows` of the row that stands for each moment, -1 where nothing was known.

    `rows`: ts_recv, ts_sched and feed of one symbol by time of receipt. `gaps`: of each feed the begins and ends of
    the symbol's, ascending. A row ends to be known when its feed has a gap, and when its window has closed.
    """
    times = moments.times
    recv = integers(rows.column("ts_recv"))
    latest = np.searchsorted(recv, times, side="right") - 1
    received = np.append(recv, ABSENT)[latest]  # -1, no row yet, is the last
    known = received > moments.since
    feeds = np.array([*rows.column("feed").to_pylist(), ""])[latest]
    for feed, (begins, ends) in gaps.items():
        known &= ~((feeds == feed) & _are_lost(times, received, begins, ends))
    return _prefer_polls(times, rows, np.where(known, latest, -1))


def _are_lost(times: Ints, received: Ints, begins: Ints, ends: Ints) -> Flags:
    """Whether a gap holds the moment, or lies between the receipt of the row and the moment."""
    begins, ends = np.append(ABSENT, begins), np.append(ABSENT, ends)
    last = np.searchsorted(begins, times, side="right") - 1
    lost: Flags = (times < ends[last]) | (begins[last] >= received)
    return lost


def _prefer_polls(times: Ints, rows: pa.Table, chosen: Ints) -> Ints:
    sched = integers(rows.column("ts_sched").cast(pa.int64()).fill_null(ABSENT))
    slots, first = np.unique(sched, return_index=True)
    if len(slots):
        place = np.minimum(np.searchsorted(slots, times), len(slots) - 1)
        chosen = np.where(slots[place] == times, first[place], chosen)
    return chosen
