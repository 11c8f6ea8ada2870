"""The ledger of a socket for any day: covered time and gaps are the windows, each moment once, always."""

import json
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.certificate.balance import check_stream
from harvester.lake.certificate.streams import certify_stream, unexplained
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.events import Events, Run
from harvester.lake.day.intervals import Interval, intersect, split, subtract, total, union
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.day.records import Quiet
from harvester.lake.gaps.streams import Reception, StreamGaps
from harvester.lake.tables.symbol_rows import Receipts, Tracks
from harvester.ledger.outage import Cause

SYMBOL = "NSE:SBIN-EQ"
MOMENT = st.integers(0, 300)
CAUSES: list[Cause] = ["disconnect", "mute", "no_snapshot", "refused", "slow_consumer", "stopped"]
INTERVALS = st.lists(st.tuples(MOMENT, MOMENT).map(sorted).map(tuple), max_size=5)


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    edges = sorted(draw(st.sets(MOMENT, max_size=6)))
    lives = zip(edges[::2], edges[1::2], strict=False)
    return [Run(str(n), begin, end, set(), "r", "b", draw(st.booleans())) for n, (begin, end) in enumerate(lives)]


@st.composite
def days(draw: st.DrawFn) -> tuple[Events, Reception]:
    lives = draw(runs())
    connections = Connections()
    reception = Reception()
    for seq, run in enumerate(lives * draw(st.integers(0, 3)), start=1):
        begin = draw(st.integers(run.first_ns, run.last_ns))
        served = frozenset({SYMBOL} if draw(st.booleans()) else ())
        connection = connections.open(Connection(FYERS_HSM, draw(st.integers(0, 1)), run.run_id, seq, begin, served))
        if draw(st.booleans()):
            connections.close(
                run.run_id, (FYERS_HSM, connection.stream), draw(MOMENT), draw(st.sampled_from(CAUSES)), ""
            )
        if draw(st.booleans()):
            reception.seen[connection.number] = begin + draw(st.integers(0, 50))
    for _ in range(draw(st.integers(0, 2)) if reception.seen else 0):
        reception.breaks.append((draw(MOMENT), draw(st.one_of(st.none(), MOMENT)), "12 came after 9"))
    gaps = [
        KnownGap(
            str(at),
            draw(st.sampled_from("0123")),
            draw(st.sampled_from([frozenset({SYMBOL}), frozenset({"NSE:INFY-EQ"})])),
            draw(MOMENT),
            draw(st.sampled_from(CAUSES)),
            "",
            at,
            draw(st.one_of(st.none(), MOMENT)),
            draw(st.sampled_from([1, FYERS_HSM])),
        )
        for at in range(draw(st.integers(0, 4)))
    ]
    quiets = [
        Quiet(draw(st.sampled_from([FYERS_HSM, FYERS_TBT])), frozenset({SYMBOL}), draw(MOMENT), draw(MOMENT))
        for _ in range(draw(st.integers(0, 2)))
    ]
    return Events(runs=lives, gaps=KnownGaps(gaps), quiets=quiets, connections=connections), reception


@examples(150)
@given(INTERVALS.map(union), days())
def test_covered_time_and_gaps_are_the_windows(windows: list[Interval], day: tuple[Events, Reception]) -> None:
    events, reception = day
    coverage = StreamGaps(FYERS_HSM, windows, events).account(SYMBOL, reception)
    gaps = sorted((gap.from_ns, gap.to_ns) for gap in coverage.gaps)
    assert coverage.covered_ns + total(gaps) == total(windows)
    assert all(begin < end for begin, end in gaps)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(gaps))
    assert intersect(gaps, windows) == gaps
    entry = certify_stream(Tracks(), Receipts(*[np.empty(0, np.int64)] * 2), coverage, windows, None)
    assert unexplained(entry) == 0
    assert check_stream(json.loads(json.dumps(entry)), windows, coverage.gaps) == []


@examples(150)
@given(INTERVALS.map(union), days())
def test_nothing_is_covered_that_no_frame_shows_and_no_quiet_record_proves(
    windows: list[Interval], day: tuple[Events, Reception]
) -> None:
    events, reception = day
    coverage = StreamGaps(FYERS_HSM, windows, events).account(SYMBOL, reception)
    lives = {run.run_id: run.last_ns for run in events.runs}
    shown = [
        (
            reception.seen[connection.number],
            min(lives[connection.run_id], connection.to_ns if connection.to_ns is not None else 2**62),
        )
        for connection in events.connections
        if connection.number in reception.seen
    ]
    covered = subtract(windows, union((gap.from_ns, gap.to_ns) for gap in coverage.gaps))
    proven = union(q[2:] for q in events.quiets if q.feed == FYERS_HSM)
    assert subtract(covered, union([*shown, *proven])) == []
    assert coverage.quiet_ns == total(intersect(covered, proven))


@given(INTERVALS.map(union), INTERVALS.map(union), st.lists(MOMENT, max_size=5))
def test_intervals_are_sets_of_moments(one: list[Interval], other: list[Interval], cuts: list[int]) -> None:
    def moments(intervals: list[Interval]) -> set[int]:
        return {moment for begin, end in intervals for moment in range(begin, end)}

    assert moments(subtract(one, other)) == moments(one) - moments(other)
    assert moments(intersect(one, other)) == moments(one) & moments(other)
    assert moments(split(one, cuts)) == moments(one)
    assert moments(union([*one, *other])) == moments(one) | moments(other)
    assert not any(begin < cut < end for begin, end in split(one, cuts) for cut in cuts)
