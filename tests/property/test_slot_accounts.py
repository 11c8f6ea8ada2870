"""Slot accounting for any day: data and gaps are exactly what was expected, always, whatever was recorded."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.lake.certificate.balance import check_symbol
from harvester.lake.certificate.day import certify_symbol
from harvester.lake.day.events import Events, Run
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.day.records import DEFAULT, WindowOpen
from harvester.lake.day.slots import Grid, build_grid
from harvester.lake.gaps.polls import PollGaps
from harvester.lake.tables.poll_rows import SymbolData
from harvester.ledger.outage import Cause, Outage

SYMBOL = "NSE:SBIN-EQ"
CAUSES: list[Cause] = ["timeout", "no_token", "disconnect", "stall", "unknown"]
MOMENT = st.integers(0, 400)
INTERVAL = st.integers(1, 40)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int]:
    opens = draw(MOMENT)
    return opens, opens + draw(st.integers(1, 200))


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    said = [
        WindowOpen(draw(MOMENT), *window, draw(st.one_of(st.none(), st.just(DEFAULT), INTERVAL)))
        for window in draw(st.lists(windows(), max_size=4))
    ]
    return build_grid(said, draw(st.lists(windows(), max_size=3)), draw(INTERVAL))


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        first = draw(MOMENT)
        symbols = draw(st.sampled_from([{SYMBOL}, {"NSE:INFY-EQ"}, set()]))
        found.append(Run(str(number), first, first + draw(MOMENT), symbols, "r", "b", draw(st.booleans())))
    return sorted(found, key=lambda run: run.first_ns)


@st.composite
def known_gaps(draw: st.DrawFn) -> list[KnownGap]:
    return [
        KnownGap(
            str(at),
            draw(st.sampled_from("0123")),
            draw(st.sampled_from([frozenset({SYMBOL}), frozenset()])),
            draw(MOMENT),
            draw(st.sampled_from(CAUSES)),
            "",
            at,
            draw(st.one_of(st.none(), MOMENT)),
        )
        for at in range(draw(st.integers(0, 4)))
    ]


@examples(200)
@given(grids(), runs(), known_gaps(), st.lists(st.integers(0, 600), max_size=60), st.integers(0, 60), st.data())
def test_data_and_gaps_cover_what_was_expected_exactly(
    grid: Grid, lives: list[Run], gaps: list[KnownGap], times: list[int], grace: int, data: st.DataObject
) -> None:
    polled = times + data.draw(st.lists(st.sampled_from(grid.slots), max_size=60) if grid.slots else st.just([]))
    bad = {slot: Outage("bad_response", "odd") for slot in polled[::3]}
    good = [slot for slot in polled if slot not in bad]
    rows = PollGaps(grid, Events(runs=lives, gaps=KnownGaps(gaps)), grace).rows(
        SYMBOL, set(grid.slots) & set(good), bad
    )
    entry = certify_symbol(SymbolData(recv_ns=sorted(good), sched_ns=good, bad=bad), rows, grid)
    assert entry["expected"] == entry["recorded_slots"] + sum(row.slots for row in rows)
    assert check_symbol(json.loads(json.dumps(entry)), set(grid.slots), good, rows) == []
    assert all(row.from_ns < row.to_ns and row.slots > 0 and row.cause for row in rows)
    assert all(earlier.to_ns <= later.from_ns for earlier, later in pairwise(rows))


@examples(200)
@given(
    st.lists(st.tuples(MOMENT, windows(), st.one_of(st.none(), INTERVAL)), max_size=5),
    st.lists(windows(), max_size=4),
    INTERVAL,
)
def test_every_moment_of_the_calendar_is_in_a_window_and_no_slot_is_outside(
    said: list[tuple[int, tuple[int, int], int | None]], calendar: list[tuple[int, int]], interval: int
) -> None:
    grid = build_grid([WindowOpen(at, *window, beat) for at, window, beat in said], calendar, interval)
    edges = [moment for opens, closes in calendar for moment in (opens, closes - 1)]
    assert all(any(opens <= moment < closes for opens, closes in grid.windows) for moment in (*edges, *grid.slots))
    assert list(grid.slots) == sorted(set(grid.slots))
    assert all(earlier[1] < later[0] for earlier, later in pairwise(grid.windows))
    ordered = sorted(grid.stretches)
    assert all(earlier.to_ns <= later.from_ns for earlier, later in pairwise(ordered))


@given(windows(), INTERVAL, st.lists(MOMENT, max_size=4))
def test_restarts_that_say_the_same_change_nothing(window: tuple[int, int], interval: int, moments: list[int]) -> None:
    plain = build_grid([], [window], interval)
    again = build_grid([WindowOpen(moment, *window, DEFAULT) for moment in moments], [window], interval)
    assert again.slots == plain.slots == tuple(range(window[0], window[1], interval))
    assert again.windows == plain.windows
