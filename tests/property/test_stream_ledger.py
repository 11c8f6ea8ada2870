"""The ledger of a socket feed: in a window, each moment of each symbol is covered or lies in exactly one gap."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from harvester.streamgaps import Reason, StreamLedger

SYMBOLS = ("A", "B", "C")
STREAMS = (0, 1)
OPEN, CLOSE = 1000, 2000
CAUSES: tuple[Any, ...] = ("disconnect", "mute", "refused", "no_snapshot", "disk_full")

steps = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.one_of(
            st.tuples(st.just("cover"), st.sampled_from(SYMBOLS), st.sampled_from(STREAMS)),
            st.tuples(st.just("lose"), st.sampled_from(STREAMS), st.integers(0, 60), st.sampled_from(CAUSES)),
            st.tuples(st.just("explain"), st.sampled_from(SYMBOLS), st.integers(0, 60), st.sampled_from(CAUSES)),
        ),
    ),
    max_size=60,
)


class World:
    """What truly happened, kept the plain way: for each symbol the stretches in which a stream delivered it."""

    def __init__(self) -> None:
        self.ledger = StreamLedger("run", 2, SYMBOLS)
        self.gaps: dict[str, dict[str, Any]] = {}
        self.connected: dict[tuple[str, int], int] = {}
        self.seen: dict[str, list[tuple[int, int]]] = {symbol: [] for symbol in SYMBOLS}
        self.last_frame = dict.fromkeys(STREAMS, 0)

    def take(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            if record["type"] == "gap_open":
                assert record["feed"] == 2
                assert record["gap_id"] not in self.gaps
                self.gaps[record["gap_id"]] = record | {"to_ns": None}
            else:
                assert self.gaps[record["gap_id"]]["to_ns"] is None
                self.gaps[record["gap_id"]]["to_ns"] = record["to_ns"]

    def play(self, now: int, step: tuple[Any, ...]) -> None:
        kind = step[0]
        if kind == "cover":
            _, symbol, stream = step
            self.connected.setdefault((symbol, stream), now)
            self.last_frame[stream] = now
            self.take(self.ledger.cover(symbol, stream, now))
        elif kind == "lose":
            _, stream, ago, cause = step
            last = max(self.last_frame[stream], now - ago)
            for symbol in SYMBOLS:
                since = self.connected.pop((symbol, stream), None)
                if since is not None:
                    self.seen[symbol].append((since, last))
            self.take(self.ledger.lose(stream, last, Reason(cause, "")))
        else:
            _, symbol, ago, cause = step
            self.take(self.ledger.explain([symbol], now - ago, Reason(cause, "")))

    def finish(self) -> None:
        self.take(self.ledger.close_window())
        for (symbol, _), since in self.connected.items():
            self.seen[symbol].append((since, CLOSE))

    def gaps_of(self, symbol: str) -> list[tuple[int, int]]:
        found = [(gap["from_ns"], gap["to_ns"]) for gap in self.gaps.values() if gap["symbols"] == [symbol]]
        return [gap for gap in found if gap[0] < gap[1]]


@given(before=steps, during=steps)
@example(  # one stream takes over only after the other had fallen silent
    before=[],
    during=[
        (1, ("cover", "A", 1)),
        (2, ("cover", "A", 0)),
        (1, ("lose", 1, 2, "mute")),
    ],
)
def test_each_moment_is_covered_or_in_exactly_one_gap(before: list[Any], during: list[Any]) -> None:
    world = World()
    now = 0
    for pause, step in before:
        now = min(now + pause, OPEN - 1)
        world.play(now, step)
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    now = OPEN
    for pause, step in during:
        now = min(now + pause, CLOSE - 1)
        world.play(now, step)
    world.finish()

    for symbol in SYMBOLS:
        gaps = world.gaps_of(symbol)
        for moment in range(OPEN, CLOSE):
            seen = any(since <= moment < until for since, until in world.seen[symbol])
            within = sum(1 for from_ns, to_ns in gaps if from_ns <= moment < to_ns)
            assert within == (0 if seen else 1), (symbol, moment, gaps, world.seen[symbol])


@given(during=steps, covered_from=st.integers(0, 900))
def test_a_resumed_window_is_accounted_from_where_the_earlier_run_saw_it_last(
    during: list[Any], covered_from: int
) -> None:
    world = World()
    seen_until = {"A": OPEN + covered_from, "B": OPEN - 5}
    now = OPEN + 950
    world.take(world.ledger.resume_window((OPEN, CLOSE), seen_until, Reason("not_running", "")))
    for pause, step in during:
        now = min(now + pause, CLOSE - 1)
        world.play(now, step)
    world.finish()

    for symbol in SYMBOLS:
        first = min(from_ns for from_ns, _ in world.gaps_of(symbol))
        assert first == max(OPEN, seen_until.get(symbol, 0))
        covered = [since for since, _ in world.seen[symbol]]
        assert all(to_ns <= CLOSE for _, to_ns in world.gaps_of(symbol))
        if not covered:
            total = sum(to_ns - from_ns for from_ns, to_ns in world.gaps_of(symbol))
            assert total == CLOSE - first
