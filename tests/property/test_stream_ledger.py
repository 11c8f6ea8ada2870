"""The ledger of a socket feed: in a window, each moment of each symbol is covered or lies in exactly one gap."""

import pickle
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from harvester.ledger.gaps import FeedHistory
from harvester.ledger.outage import Outage
from harvester.ledger.streams import StreamLedger, Tail

SYMBOLS = ("A", "B", "C")
STREAMS = (0, 1)
OPEN, CLOSE = 1000, 2000
CAUSES: tuple[Any, ...] = ("disconnect", "mute", "refused", "no_snapshot", "disk_full")

steps = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.one_of(
            st.tuples(st.just("live"), st.sampled_from(SYMBOLS), st.sampled_from(STREAMS)),
            st.tuples(st.just("lost"), st.sampled_from(STREAMS), st.integers(0, 60), st.sampled_from(CAUSES)),
            st.tuples(st.just("cause"), st.sampled_from(SYMBOLS), st.integers(0, 60), st.sampled_from(CAUSES)),
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
        if kind == "live":
            _, symbol, stream = step
            self.connected.setdefault((symbol, stream), now)
            self.last_frame[stream] = now
            self.take(self.ledger.mark_live(symbol, stream, now))
        elif kind == "lost":
            _, stream, ago, cause = step
            last = max(self.last_frame[stream], now - ago)
            for symbol in SYMBOLS:
                since = self.connected.pop((symbol, stream), None)
                if since is not None:
                    self.seen[symbol].append((since, last))
            self.take(self.ledger.mark_lost(stream, last, Outage(cause, "")))
        else:
            _, symbol, ago, cause = step
            self.take(self.ledger.mark_cause([symbol], now - ago, Outage(cause, "")))

    def play_all(self, story: list[Any], begins: int, latest: int) -> int:
        """Each step after its pause, none later than `latest`; returns the moment of the last."""
        now = begins
        for pause, step in story:
            now = min(now + pause, latest)
            self.play(now, step)
        return now

    def finish(self) -> None:
        self.take(self.ledger.close_window(CLOSE))
        for (symbol, _), since in self.connected.items():
            self.seen[symbol].append((since, CLOSE))

    def check(self) -> None:
        """Each moment of the window was seen, or lies in exactly one gap."""
        for symbol in SYMBOLS:
            gaps = self.gaps_of(symbol)
            for moment in range(OPEN, CLOSE):
                seen = any(since <= moment < until for since, until in self.seen[symbol])
                within = sum(1 for from_ns, to_ns in gaps if from_ns <= moment < to_ns)
                assert within == (0 if seen else 1), (symbol, moment, gaps, self.seen[symbol])

    def gaps_of(self, symbol: str) -> list[tuple[int, int]]:
        found = [(gap["from_ns"], gap["to_ns"]) for gap in self.gaps.values() if gap["symbols"] == [symbol]]
        return [gap for gap in found if gap[0] < gap[1]]


@given(before=steps, during=steps)
@example(  # one stream takes over only after the other had fallen silent
    before=[],
    during=[
        (1, ("live", "A", 1)),
        (2, ("live", "A", 0)),
        (1, ("lost", 1, 2, "mute")),
    ],
)
def test_each_moment_is_covered_or_in_exactly_one_gap(before: list[Any], during: list[Any]) -> None:
    world = World()
    world.play_all(before, 0, OPEN - 1)
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.play_all(during, OPEN, CLOSE - 1)
    world.finish()

    world.check()


@given(before=steps, after=steps, first_close=st.sampled_from([CLOSE - 300, CLOSE, CLOSE + 300]))
def test_a_window_that_the_calendar_changes_is_counted_once(
    before: list[Any], after: list[Any], first_close: int
) -> None:
    world = World()
    world.take(world.ledger.open_window((OPEN, first_close)))
    now = world.play_all(before, OPEN, OPEN + 600)
    world.take(world.ledger.close_window(now))
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.play_all(after, now, CLOSE - 1)
    world.finish()

    world.check()


@given(during=steps, proven=st.lists(st.integers(OPEN, CLOSE + 50), min_size=2, max_size=2))
def test_the_end_of_a_window_is_a_gap_where_its_connections_are_not_known_to_have_brought_it(
    during: list[Any], proven: list[int]
) -> None:
    world = World()
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.play_all(during, OPEN, CLOSE - 1)
    world.take(world.ledger.close_window(CLOSE))
    for stream, until in zip(STREAMS, proven, strict=True):
        until = max(until, world.last_frame[stream])
        for symbol in SYMBOLS:
            since = world.connected.pop((symbol, stream), None)
            if since is not None:
                world.seen[symbol].append((since, until))
        tail = Tail(until, Outage("mute", ""))
        world.take(world.ledger.mark_lost(stream, CLOSE + 60, Outage("not_started", ""), tail))

    world.check()


@given(before=steps, between=steps, after=steps)
def test_a_window_that_went_by_unseen_is_one_gap_whatever_its_connections_believed(
    before: list[Any], between: list[Any], after: list[Any]
) -> None:
    unseen = (OPEN - 600, OPEN - 100)
    world = World()
    world.play_all(before, 0, unseen[0])
    world.take(world.ledger.miss_window(unseen, Outage("stall", "")))
    world.play_all(between, unseen[1], OPEN - 1)
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.play_all(after, OPEN, CLOSE - 1)
    world.finish()

    world.check()
    for symbol in SYMBOLS:
        assert [gap for gap in world.gaps_of(symbol) if gap[0] < OPEN] == [unseen]


def test_a_flapping_connection_beside_a_steady_one_leaves_nothing_behind() -> None:
    ledger = StreamLedger("run", 2, SYMBOLS)
    ledger.open_window((OPEN, CLOSE))
    ledger.mark_live("A", 0, OPEN)
    sizes = []
    for now in range(OPEN, CLOSE, 2):
        ledger.mark_live("A", 1, now)
        assert not ledger.mark_lost(1, now + 1, Outage("disconnect", ""))
        sizes.append(len(pickle.dumps(ledger)))

    assert sizes[-1] == sizes[len(sizes) // 2], "what is remembered of it does not grow"
    opened, *_ = ledger.mark_lost(0, CLOSE - 20, Outage("mute", ""))
    assert opened["from_ns"] == CLOSE - 20 + 1, "what the other one saw in the seconds of silence still counts"


def test_after_a_step_back_over_the_close_the_rest_of_the_window_is_counted_again_and_no_more() -> None:
    world = World()
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.play(OPEN + 10, ("live", "A", 0))
    world.take(world.ledger.close_window(CLOSE))
    world.take(world.ledger.mark_lost(0, CLOSE, Outage("stopped", "")))

    world.take(world.ledger.step_clock(-30, CLOSE - 25))
    world.take(world.ledger.open_window((OPEN, CLOSE)))
    world.take(world.ledger.close_window(CLOSE))

    assert world.gaps_of("A") == [(OPEN, OPEN + 10), (CLOSE - 25, CLOSE)]


@given(during=steps, covered_from=st.integers(0, 900))
def test_a_resumed_window_is_accounted_from_where_the_earlier_run_saw_it_last(
    during: list[Any], covered_from: int
) -> None:
    world = World()
    seen_until = {"A": OPEN + covered_from, "B": OPEN - 5}
    history = FeedHistory(accounted=seen_until, last_wall_ns=OPEN)
    world.take(world.ledger.resume((OPEN, CLOSE), history, OPEN + 950))
    world.play_all(during, OPEN + 950, CLOSE - 1)
    world.finish()

    for symbol in SYMBOLS:
        first = min(from_ns for from_ns, _ in world.gaps_of(symbol))
        assert first == max(OPEN, seen_until.get(symbol, 0))
        covered = [since for since, _ in world.seen[symbol]]
        assert all(to_ns <= CLOSE for _, to_ns in world.gaps_of(symbol))
        if not covered:
            total = sum(to_ns - from_ns for from_ns, to_ns in world.gaps_of(symbol))
            assert total == CLOSE - first
