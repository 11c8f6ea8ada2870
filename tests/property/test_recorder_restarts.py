"""Runs with other symbols, feeds, groups, intervals and calendars: no gap over data, no data uncovered, causes kept."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, example, given
from hypothesis import strategies as st
from tests.examples import examples
from tests.property.restart_groups import NAMES
from tests.property.restarts import SAME, Plan, World
from tests.property.test_recorder_slots import DAY, OPEN_NS
from tests.recorder.bench import JournalView

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, day_directory
from harvester.lake.day.events import read_events
from harvester.lake.day.intervals import intersect, union
from harvester.lake.day.segments import find_sources, read_index
from harvester.lake.day.slots import Grid, build_grid
from harvester.lake.gaps.polls import GapRow, PollGaps
from harvester.lake.gaps.streams import Reception, StreamGaps

pauses = st.floats(0.01, 12, allow_nan=False).map(lambda seconds: round(seconds, 3))
sides, symbols = st.sampled_from((0, 0, 0, 1)), st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("run"), pauses),
    st.tuples(st.sampled_from(("live", "live", "live", "drop", "silence")), sides, symbols),
    st.tuples(st.just("hold"), pauses),
)
subsets = st.lists(symbols, unique=True, max_size=3).map(tuple)
CAUSES = ("timeout", "disconnect", "server_error", "bad_response")
troubles = st.dictionaries(st.tuples(symbols, st.integers(0, 47)), st.sampled_from(CAUSES), max_size=12)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    polled, served = draw(subsets), draw(subsets)
    cut = draw(st.integers(0, len(served)))
    groups = tuple(group for group in (served[:cut], served[cut:]) if group)
    return Plan(
        polled if groups or polled else NAMES,
        groups,
        draw(st.sampled_from((1, 1, 2, 5))),
        draw(st.sampled_from((0, 0, 1, 2))),
        tuple(draw(st.lists(steps, max_size=7))),
        draw(st.sampled_from(("stop", "kill"))),
        draw(pauses),
    )


def of(served: tuple[str, ...], *between: tuple[Any, ...], end: str = "stop") -> Plan:
    """A run that polls these symbols and gets their snapshots; at its end it has recorded for 5 s more."""
    live = tuple(("live", 0, symbol) for symbol in served)
    return Plan(served, (served,), 1, 0, (*live, *between, *live, ("run", 5.0)), end, 2.0)


FULL = (("run", 5.0), ("hold", 5.0), ("run", 2.0))
UNPOLLED = [  # between two runs that poll a symbol, one has it on a socket alone
    Plan(NAMES[2:], (), 1, 0, (), "stop", 12.0),
    Plan((), (NAMES[2:],), 1, 0, (("run", 8.0),), "stop", 0.01),
    Plan(NAMES, (NAMES[1:],), 5, 0, (("run", 8.0),), "stop", 1.0),
]
KILLED_AT_ONCE = [  # the run after a stop dies before it has written anything of its symbols
    Plan(NAMES[1:2], (), 1, 0, (("run", 24.5),), "stop", 1.1),
    Plan(NAMES[1:2], (NAMES[1:2],), 2, 0, (), "kill", 12.0),
    Plan(NAMES[1:2], (), 2, 0, (), "stop", 8.7),
    Plan((), (NAMES[:1],), 1, 0, (), "stop", 0.01),
]
STOPPED_BETWEEN_WINDOWS = [Plan(NAMES, (), 1, calendar, (("run", 20.0),), "stop", 14.0) for calendar in (1, 1)]


@examples(100, phases=[Phase.explicit, Phase.generate])
@given(st.floats(-8, 20, allow_nan=False), st.lists(plans(), min_size=1, max_size=5), troubles)
@example(-5.0, [of(NAMES, *FULL), of(NAMES[:1]), of(NAMES)], {(NAMES[1], 2): "server_error"})
@example(-5.0, [of(NAMES, *FULL, end="kill"), of(NAMES[:1], end="kill"), of(NAMES)], {})
@example(1.0, UNPOLLED, {})
@example(0.02, KILLED_AT_ONCE, {})
@example(0.0, STOPPED_BETWEEN_WINDOWS, {})
def test_restarts_account_exactly(start: float, story: list[Plan], trouble: dict[tuple[str, int], str]) -> None:
    world = play(start, story, trouble)
    try:
        check(world)
    finally:
        shutil.rmtree(world.directory)


def play(start: float, story: list[Plan], trouble: dict[tuple[str, int], str]) -> World:
    world = World(Path(tempfile.mkdtemp(prefix="recorder-restarts-")), round(start, 3), trouble)
    for number, plan in enumerate(story, start=1):
        asyncio.run(world.play(plan, is_last=number == len(story)))
    return world


def check(world: World) -> None:
    """Compare what the lake makes of the journal with what happened."""
    journal = world.directory / "data" / "journal"
    events = read_events(read_index(find_sources(day_directory(journal, DAY), world.directory / "none")))
    grid = build_grid(events.windows, [], NS_PER_SECOND, events.pollings)
    for connection, socket in zip(events.connections, world.sockets, strict=True):
        connection.last_ns = socket.last_ns
    records = JournalView(journal)
    for symbol in NAMES:
        written = [
            (gap["from_ns"], gap["to_ns"] or gap["from_ns"])
            for gap in records.gaps.values()
            if gap.get("feed") == FYERS_HSM and gap["symbols"] == [symbol]
        ]
        if (
            not world.vague[symbol] and len(world.calendars) == 1
        ):  # of two sockets that a kill ended, the next run cannot know which had a snapshot
            assert intersect(union(written), union(world.seen[symbol])) == [], f"{symbol}: {written} over data"
        reception = Reception({n: seen[symbol] for n, seen in world.received.items() if symbol in seen})
        rows = StreamGaps(FYERS_HSM, grid.windows, events).account(symbol, reception).gaps
        check_stream(world, symbol, grid, rows)
        present = records.data.get(symbol, set()) & set(grid.slots)
        check_polls(world, symbol, grid, PollGaps(grid, events, 2 * NS_PER_SECOND).rows(symbol, present, {}))


def check_stream(world: World, symbol: str, grid: Grid, rows: list[GapRow]) -> None:
    for opens, closes in grid.windows:
        for moment in range(opens + 12_345_678, closes, NS_PER_SECOND // 4):
            at = f"{symbol} at {(moment - OPEN_NS) / NS_PER_SECOND:.2f} s"
            within = [row for row in rows if row.from_ns <= moment < row.to_ns]
            seen = any(since <= moment < until for since, until in world.seen[symbol])
            right = (0,) if seen else (1,) if world.is_due(moment, moment) else (0, 1)
            assert len(within) in right, f"{at}: seen {seen}, in gaps {within}"
            since_ns, fate = world.fates.at(symbol, moment)
            if within and world.knows(symbol, since_ns, moment):
                assert within[0].cause in SAME.get(fate, {fate}), f"{at}: {fate}, in gaps {within}"


def check_polls(world: World, symbol: str, grid: Grid, rows: list[GapRow]) -> None:
    for slot in grid.slots:
        at = f"{symbol}, slot at {(slot - OPEN_NS) / NS_PER_SECOND:.0f} s"
        causes = [row.cause for row in rows if row.from_ns <= slot < row.to_ns]
        assert len(causes) <= 1, f"{at}: in gaps {rows}"
        fate = world.poll_fate(symbol, slot)
        if fate is not None:
            assert (causes or ["data"])[0] in SAME.get(fate, {fate}), f"{at}: {fate}, in gaps {rows}"
