"""The whole recorder with sockets through arbitrary trouble: each moment of a session was seen, or lies in one gap."""

import asyncio
import shutil
import ssl
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

from hypothesis import example, given
from hypothesis import strategies as st
from tests.examples import examples
from tests.property.test_recorder_slots import DAY, OPEN_NS, SECONDS, WINDOW
from tests.recorder.bench import Bench, JournalView, hand_over, running
from tests.recorder.fakes import SYMBOLS, FakeClock, make_calendar, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.access import Access
from harvester.brokers.protocol import NOTHING, GroupPlan, SymbolTally
from harvester.capture.context import TradingState
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.feed import StreamFeed
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM
from harvester.ledger.outage import Outage
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger, Tail

STREAMS = (0, 1)
TLS = ssl.create_default_context()
MOMENTS = range(WINDOW[0] + 12_345_678, WINDOW[1], NS_PER_SECOND // 4)
"""Between any two steps of a story, which are whole milliseconds."""
Seen = dict[str, list[tuple[int, int]]]

pauses = st.floats(0.01, 15, allow_nan=False).map(lambda seconds: round(seconds, 3))
streams, symbols = st.sampled_from(STREAMS), st.sampled_from(SYMBOLS)
stories = st.lists(
    st.one_of(
        st.tuples(st.just("run"), pauses),
        st.tuples(st.just("live"), streams, symbols),
        st.tuples(st.sampled_from(("connect", "drop", "silence")), streams),
        st.tuples(st.sampled_from(("freeze", "kill", "stop")), pauses),
    ),
    max_size=30,
)


class FakeSocket:
    """What a connection asks of its socket and of its session."""

    is_over, frames, size, unknown, symbols = False, 0, 0, 0, SYMBOLS

    def __init__(self, now_ns: int) -> None:
        self.last_wall_ns = self.whole_ns = now_ns
        self.is_silent = False
        self.live: dict[str, int] = {}

    def end(self, *reason: Any) -> None:
        self.is_over = True

    def describe(self) -> dict[str, Any]:
        return {}

    def tally(self, symbol: str) -> SymbolTally:
        return NOTHING


class Sockets:
    """The connection group of one run of the recorder: all is real but the network."""

    number, symbols, stale_ns = FYERS_HSM, SYMBOLS, 60 * NS_PER_SECOND

    def __init__(self, number: int, config: Settings, clock: FakeClock, seen: Seen) -> None:
        self.clock, self.seen = clock, seen
        ledger = StreamLedger(f"run{number}", FYERS_HSM, SYMBOLS)
        unset: Any = None
        access, trading = Access(config.limits), TradingState()
        self.context = FeedContext(
            FYERS_HSM, Mock(), SegmentLedgers({"nse_cash": ledger}), access, clock, TLS, self.stale_ns, trading
        )
        self.connections = [StreamConnection(stream, SYMBOLS, self.context, unset) for stream in STREAMS]
        self.feed = StreamFeed(self.context, self)
        self.is_up = False

    async def plan(self) -> list[GroupPlan]:
        unset: Any = None
        return [GroupPlan(SYMBOLS, unset)]

    def topics(self) -> dict[str, list[str]]:
        return {}

    def recall(self, topics: dict[str, list[str]]) -> None:
        pass

    def start(self) -> None:
        self.is_up = True

    async def stop(self, outage: Outage) -> None:
        """All that was sent has come."""
        self.is_up = False
        for stream in STREAMS:
            self.end(stream, outage, self.clock.wall_ns())

    def down_for(self) -> int:
        return 0

    def tally(self, symbol: str) -> SymbolTally:
        return NOTHING

    def open(self, stream: int) -> Any:
        """The stream's connection; None when there is none."""
        return self.connections[stream].socket

    def connect(self, stream: int) -> None:
        if self.is_up and self.open(stream) is None:
            made: Any = FakeSocket(self.clock.wall_ns())
            self.connections[stream]._open(made, made)
            self.frame(stream)

    def silence(self, stream: int) -> None:
        """From now on nothing comes, and nobody has noticed."""
        if self.open(stream):
            self.open(stream).is_silent = True

    def frame(self, stream: int) -> None:
        socket = self.open(stream)
        if socket and not socket.is_silent:
            socket.last_wall_ns = socket.whole_ns = self.clock.wall_ns()
            self.connections[stream]._record(b"frame", socket.last_wall_ns, self.clock.mono_ns())

    def live(self, stream: int, symbol: str) -> None:
        self.connect(stream)
        socket = self.open(stream)
        if socket and not socket.is_silent and symbol not in socket.live:
            self.frame(stream)
            socket.live[symbol] = socket.last_wall_ns
            self.context.mark_live(symbol, stream, socket.last_wall_ns)

    def end(self, stream: int, outage: Outage, proven_ns: int | None = None) -> None:
        """The connection ends; after the close it counts up to when it is known to have brought everything."""
        socket = self.open(stream)
        if socket:
            tail_ns = socket.last_wall_ns if proven_ns is None or socket.is_silent else proven_ns
            self._remember(socket, socket.last_wall_ns if self.context.ledger.parts["nse_cash"].window else tail_ns)
            self.connections[stream]._account(socket, outage, Tail(tail_ns, outage))

    def die(self) -> None:
        """What was seen ends with the last frame in the journal."""
        for stream in STREAMS:
            if socket := self.open(stream):
                self._remember(socket, socket.last_wall_ns)

    def _remember(self, socket: FakeSocket, until_ns: int) -> None:
        for symbol, since_ns in socket.live.items():
            self.seen[symbol].append((since_ns, until_ns))
        socket.live = {}


class World:
    """Runs of the recorder through one story."""

    def __init__(self, directory: Path, start: int) -> None:
        file = make_calendar(directory / "calendar.json", DAY, {"continuous": [["10:00:00", "10:00:40"]]})
        self.config = make_settings(directory, calendar={"file": str(file)}, journal={"segment_seconds": 5})
        self.clock = FakeClock(OPEN_NS + start * NS_PER_SECOND)
        self.seen: Seen = defaultdict(list)
        self.looked_ns = 0
        """When the recorder last had a turn."""
        self.frozen_over = False
        self.doubtful = False
        """Which of two connections still served a symbol when the run was killed, its successor cannot know."""
        self.runs = 0
        hand_over(self.config, self.clock)

    async def run(self, story: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """One start of the recorder; returns what is left of the story when it ends."""
        self.runs += 1
        sockets = Sockets(self.runs, self.config, self.clock, self.seen)
        with patch("harvester.capture.streams.feed.ConnectionGroup", lambda *_: sockets):
            return await self.play_all(sockets, story)

    async def play_all(self, sockets: Sockets, story: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        async with running(self.config, self.clock, None, [sockets.feed]) as bench:
            sockets.context.sink = bench.sink
            self.looked_ns = self.clock.wall_ns()
            for number, (what, *how) in enumerate(story):
                if what != "freeze":
                    await self.take_turn(0)
                if what in ("stop", "kill"):
                    await self.end(bench, sockets, what)
                    self.clock.freeze(how[0])
                    return story[number + 1 :]
                await self.play(sockets, what, how)
            while self.clock.wall_ns() < WINDOW[1] + 5 * NS_PER_SECOND:
                await self.let_run(sockets, 5)
            await self.end(bench, sockets, "stop")
        return []

    async def play(self, sockets: Sockets, what: str, how: list[Any]) -> None:
        if what == "run":
            await self.let_run(sockets, how[0])
        elif what == "freeze":
            self.clock.freeze(how[0])
            self.frozen_over |= self.looked_ns < WINDOW[0] and WINDOW[1] <= self.clock.wall_ns()
        elif what == "drop":
            sockets.end(how[0], Outage("disconnect", ""))
        else:
            getattr(sockets, what)(*how)

    async def let_run(self, sockets: Sockets, seconds: float) -> None:
        while seconds > 0:
            await self.take_turn(min(seconds, 1))
            seconds = round(seconds - 1, 3)
            for stream in STREAMS:
                sockets.frame(stream)

    async def take_turn(self, seconds: float) -> None:
        """Time passes, and whoever is due gets to run: the recorder's loop first."""
        await self.clock.advance(seconds)
        self.looked_ns = self.clock.wall_ns()

    async def end(self, bench: Bench, sockets: Sockets, how: str) -> None:
        if how == "kill":
            self.doubtful |= all(map(sockets.open, STREAMS))
            sockets.die()
            await bench.kill()
        else:
            await bench.stop()

    def check(self) -> None:
        ledger = JournalView(self.config.journal_dir)
        for symbol in SYMBOLS:
            gaps = [gap for gap in ledger.gaps.values() if gap.get("feed") == FYERS_HSM and gap["symbols"] == [symbol]]
            for moment in MOMENTS:
                seen = any(since <= moment < until for since, until in self.seen[symbol])
                within = [gap for gap in gaps if gap["from_ns"] <= moment < (gap["to_ns"] or WINDOW[1])]
                right = (0, 1) if seen and self.doubtful else (0,) if seen and not self.frozen_over else (1,)
                at = (moment - OPEN_NS) / NS_PER_SECOND
                assert len(within) in right, f"{symbol} at {at:.2f} s: seen {seen}, in gaps {within}"


@examples(40)
@given(st.integers(-10, SECONDS - 10), stories)
@example(-5, [("run", 2.0), ("connect", 0), ("live", 0, SYMBOLS[0]), *[("freeze", 15.0)] * 4])
@example(  # the second connection comes after the first has fallen silent, which nobody notices before the end
    5,
    [("live", 0, SYMBOLS[0]), ("silence", 0), ("run", 10.0), ("live", 1, SYMBOLS[0]), ("run", 5.0), ("kill", 2.0)],
)
def test_every_moment_was_seen_or_lies_in_one_gap(start: int, story: list[tuple[Any, ...]]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="recorder-sockets-"))
    try:
        world = World(directory, start)
        left = [*story, ("run", 1.0)]
        while left:
            left = asyncio.run(world.run(left))
        world.check()
    finally:
        shutil.rmtree(directory)
