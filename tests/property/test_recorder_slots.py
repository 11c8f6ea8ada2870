"""The whole recorder through arbitrary trouble: no slot of a session is ever silent."""

import asyncio
import shutil
import tempfile
from datetime import date
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from tests.examples import examples
from tests.recorder.bench import GOOD, Behaviour, Bench, JournalView, hand_over, running
from tests.recorder.fakes import SYMBOLS, FakeClock, make_calendar, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns

DAY = date(2026, 8, 5)
OPEN_NS = midnight_ns(DAY) + 10 * 3600 * NS_PER_SECOND
SECONDS = 40
WINDOW = (OPEN_NS, OPEN_NS + SECONDS * NS_PER_SECOND)

pauses = st.floats(0.01, 15, allow_nan=False).map(lambda seconds: round(seconds, 3))
events = st.one_of(
    st.tuples(st.just("run"), pauses),
    st.tuples(st.just("freeze"), pauses),
    st.tuples(st.sampled_from(("stop", "kill")), pauses),
)
steps = st.tuples(st.just("step"), st.floats(-30, 30, allow_nan=False).filter(lambda size: abs(size) > 0.2))
causes = st.sampled_from(("timeout", "disconnect", "server_error", "bad_response", "rate_limited", "token_refused"))
troubles = st.dictionaries(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(0, SECONDS - 1)), st.tuples(causes, st.floats(0, 3)), max_size=20
)


@examples(30)
@given(st.integers(-10, SECONDS - 10), st.lists(events, max_size=8), troubles)
@example(0, [("run", 0.5), ("stop", 0.5)], {})  # back before the slot that it gave up
@example(0, [("run", 25.0), ("stop", 15.0), ("stop", 1.0)], {})  # two starts after the close
@example(-5, [("freeze", 15.0)] * 4, {})  # came to itself after the close
@example(0, [("run", 39.5), ("stop", 0.25), ("stop", 1.0)], {(SYMBOLS[0], 39): ("timeout", 0.0)})  # told twice
def test_every_slot_is_data_or_one_gap(start: int, story: list[tuple[str, float]], trouble: dict) -> None:  # type: ignore[type-arg]
    tables = play(start, story, trouble)

    for table in tables:
        assert "SILENT" not in table
        assert "CONTRADICTION" not in table


@examples(30)
@given(st.integers(-10, SECONDS - 10), st.lists(st.one_of(events, steps), max_size=8), troubles)
@example(-5, [("step", 60.0)], {})
def test_no_clock_step_makes_a_slot_silent(start: int, story: list[tuple[str, float]], trouble: dict) -> None:  # type: ignore[type-arg]
    for table in play(start, story, trouble):
        assert "SILENT" not in table


def play(start: int, story: list[tuple[str, float]], trouble: dict) -> list[list[str]]:  # type: ignore[type-arg]
    """Run recorders through the story until the window has closed: the fate of every slot, per symbol."""
    directory = Path(tempfile.mkdtemp(prefix="recorder-slots-"))
    try:
        file = make_calendar(directory / "calendar.json", DAY, {"continuous": [["10:00:00", "10:00:40"]]})
        config = make_settings(directory, calendar={"file": str(file)})
        clock = FakeClock(OPEN_NS + start * NS_PER_SECOND)
        hand_over(config, clock)

        def script(symbol: str, slot_ns: int) -> Behaviour:
            cause, seconds = trouble.get((symbol, (slot_ns - OPEN_NS) // NS_PER_SECOND), (None, 0.02))
            return Behaviour(seconds, cause, 500) if cause else GOOD

        pending = [*story, ("run", 10.0)]
        while pending:
            pending = asyncio.run(one_run(config, clock, script, pending))
        ledger = JournalView(config.journal_dir)
        return [ledger.table(symbol, WINDOW, NS_PER_SECOND) for symbol in SYMBOLS]
    finally:
        shutil.rmtree(directory)


async def one_run(config, clock, script, story):  # type: ignore[no-untyped-def]
    """One start of the recorder; returns what is left of the story when it ends."""
    async with running(config, clock, script) as bench:
        for number, (what, seconds) in enumerate(story):
            if what == "run":
                await clock.advance(seconds)
            elif what == "freeze":
                clock.freeze(seconds)
            elif what == "step":
                clock.step(seconds)
                await clock.advance(1.1)
            else:
                await end(bench, what)
                clock.freeze(seconds)
                return story[number + 1 :]
        while clock.wall_ns() < WINDOW[1] + 5 * NS_PER_SECOND:
            await clock.advance(10)
        await bench.stop()
    return []


async def end(bench: Bench, how: str) -> None:
    """A kill writes nothing more; what was written is in the kernel's hands."""
    if how == "kill":
        bench.sink.write = lambda record: None  # type: ignore[method-assign]
    await bench.stop()
