"""Which cause an absence has where several hold: every pair of them, of polls and of sockets, with its words."""

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import get_args

import pytest

from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.events import Events, Run
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.day.slots import build_grid
from harvester.lake.gaps.polls import GapRow, PollGaps
from harvester.lake.gaps.streams import Reception, StreamGaps
from harvester.ledger.outage import Cause, Outage

SYMBOL, OTHER = "NSE:SBIN-EQ", "NSE:INFY-EQ"
CAUSES = get_args(Cause)
SLOT, GRACE = 100, 9


def run(first: int = 0, last: int = 200, *, stopped: bool = False, symbols: tuple[str, ...] = (SYMBOL,)) -> Run:
    return Run(f"run {first}", first, last, set(symbols), "r", "b", stopped)


def known(
    begin: int,
    end: int | None,
    cause: str,
    opened_at: int,
    *,
    feed: int = FYERS_REST,
    symbol: str = SYMBOL,
    run: int = 0,
) -> KnownGap:
    words = f"{cause} was told"
    return KnownGap(str(opened_at), f"run {run}", frozenset({symbol}), begin, cause, words, opened_at, end, feed)


def polls(events: Events, bad: dict[int, Outage] | None = None, present: set[int] | None = None) -> list[GapRow]:
    """Gaps of polls every 10 in [0, 200), all missing unless present."""
    return PollGaps(build_grid([], [(0, 200)], 10), events, GRACE).rows(SYMBOL, present or set(), bad or {})


def at_slot(rows: list[GapRow]) -> GapRow:
    (row,) = [row for row in rows if row.from_ns <= SLOT < row.to_ns]
    return row


POLL_CAUSES = {
    "recorded": ("timeout", "timeout was told", "recorded"),
    "bad answer": ("rate_limited", "HTTP 429", "derived"),
    "run over": ("not_running", "the recorder wrote nothing more and no new run had begun", "derived"),
    "not configured": ("not_running", "the symbol was not in the configuration of this run", "derived"),
    "under way": (
        "not_running",
        "the recorder wrote nothing more and no new run had begun; the poll was under way",
        "derived",
    ),
    "starting": ("not_started", "the recorder was starting", "derived"),
    "nothing known": ("unknown", "the recorder was running and wrote down no cause", "derived"),
}
"""Highest first: of two that hold at a slot, the first is its cause."""


@pytest.mark.parametrize("pair", list(combinations(POLL_CAUSES, 2)), ids=" over ".join)
def test_of_two_causes_of_a_missing_poll_the_higher_is_told(pair: tuple[str, str]) -> None:
    life = run(
        95 if "starting" in pair else 0,
        99 if "run over" in pair else 105 if "under way" in pair else 200,
        symbols=() if "not configured" in pair else (SYMBOL,),
    )
    gaps = [known(SLOT, SLOT + 10, "timeout", 0)] if "recorded" in pair else []
    bad = {SLOT: Outage("rate_limited", "HTTP 429")} if "bad answer" in pair else {}

    row = at_slot(polls(Events(runs=[life], gaps=KnownGaps(gaps)), bad))

    assert (row.cause, row.detail, row.source) == POLL_CAUSES[pair[0]]


@pytest.mark.parametrize("feed", [FYERS_REST, FYERS_HSM, FYERS_TBT])
def test_of_two_recorded_gaps_the_one_opened_last_holds_whatever_their_causes(feed: int) -> None:
    assert len(CAUSES) > 10
    for one, other in permutations(CAUSES, 2):
        for begin, end in ((50, 150), (0, 200)):  # the later inside the earlier, and around it
            gaps = [known(begin, end, other, 1, feed=feed), known(50, 150, one, 0, feed=feed)]
            rows = polls(Events(runs=[run()], gaps=KnownGaps(gaps))) if feed == FYERS_REST else streams(gaps, feed=feed)

            assert (at_slot(rows).cause, at_slot(rows).detail) == (other, f"{other} was told"), (one, begin)
            assert at_slot(rows).source == "recorded"


def test_gaps_of_polls_begin_and_end_at_slots_and_split_where_the_cause_changes() -> None:
    gaps = [known(95, 125, "timeout", 0), known(125, 131, "refused", 1), known(160, 160, "stall", 2)]

    rows = polls(Events(runs=[run(0, 400)], gaps=KnownGaps(gaps)), present={0, 10, 20, 150})

    assert [(row.from_ns, row.to_ns, row.cause, row.slots) for row in rows] == [
        (30, 100, "unknown", 7),
        (100, 130, "timeout", 3),
        (130, 140, "refused", 1),
        (140, 150, "unknown", 1),
        (160, 200, "unknown", 4),
    ]
    assert {(row.symbol, row.feed) for row in rows} == {(SYMBOL, "fyers-rest")}


@pytest.mark.parametrize(
    ("first", "last", "stopped", "cause", "detail"),
    [
        (101, 300, False, "not_started", "before the first run of the day"),
        (100, 300, False, "not_started", "the recorder was starting"),
        (92, 300, False, "not_started", "the recorder was starting"),
        (91, 300, False, "unknown", "the recorder was running and wrote down no cause"),
        (0, 109, False, "unknown", "the recorder was running and wrote down no cause"),
        (0, 108, True, "stopped", "the recorder was stopped; the poll was under way"),
        (
            0,
            101,
            False,
            "not_running",
            "the recorder wrote nothing more and no new run had begun; the poll was under way",
        ),
        (0, 100, False, "not_running", "the recorder wrote nothing more and no new run had begun"),
        (0, 100, True, "stopped", "the recorder was stopped"),
    ],
)
def test_the_edges_of_a_run(first: int, last: int, stopped: bool, cause: str, detail: str) -> None:
    row = at_slot(polls(Events(runs=[run(first, last, stopped=stopped)])))

    assert (row.cause, row.detail) == (cause, detail)


def test_a_later_run_starts_late_because_none_ran_before() -> None:
    row = at_slot(polls(Events(runs=[run(0, 50, stopped=True), run(95, 300)])))

    assert (row.cause, row.detail) == ("not_running", "the recorder was starting")


def test_without_a_run_nothing_ran() -> None:
    (row,) = polls(Events())

    assert (row.from_ns, row.to_ns, row.slots) == (0, 200, 20)
    assert (row.cause, row.detail) == ("not_running", "no run of the recorder left a record on this day")
    (moment,) = streams([], runs=[])
    assert (moment.cause, moment.detail) == (row.cause, row.detail)


@pytest.mark.parametrize(
    ("present", "following", "end"),
    [
        (set(), None, 150),
        ({120}, None, 120),
        ({100}, None, 150),  # what was there when it opened does not end it
        (set(), 130, 130),
        ({120}, 130, 120),
        ({140}, 130, 130),
    ],
)
def test_a_gap_that_nothing_closed_ends_with_data_the_next_gap_or_its_run(
    present: set[int], following: int | None, end: int
) -> None:
    gaps = [known(100, None, "timeout", 0)]
    if following is not None:
        gaps.append(known(following, following + 10, "refused", 1))

    rows = polls(Events(runs=[run(0, 149)], gaps=KnownGaps(gaps)), present=present)

    told = [slot for row in rows if row.cause == "timeout" for slot in range(row.from_ns, row.to_ns, 10)]
    expected = [slot for slot in range(100, end, 10) if slot not in present]
    assert told == expected


def test_a_gap_of_a_run_that_left_no_record_is_of_its_first_moment_alone() -> None:
    rows = polls(Events(runs=[run()], gaps=KnownGaps([known(100, None, "timeout", 0, run=7)])))

    assert [(row.from_ns, row.to_ns) for row in rows if row.cause == "timeout"] == [(100, 110)]


def test_a_gap_of_another_symbol_or_feed_explains_nothing() -> None:
    gaps = [known(100, 150, "timeout", 0, symbol=OTHER), known(100, 150, "mute", 1, feed=FYERS_HSM)]

    assert at_slot(polls(Events(runs=[run(0, 400)], gaps=KnownGaps(gaps)))).cause == "unknown"
    for feed in (FYERS_HSM, FYERS_TBT):
        gaps = [known(100, 150, "mute", number, feed=number) for number in (1, 2, 3) if number != feed]
        assert streams(gaps, feed=feed, seen={0: 0}) == []


def streams(
    gaps: list[KnownGap],
    *,
    runs: list[Run] | None = None,
    made: list[Connection] | None = None,
    seen: dict[int, int] | None = None,
    breaks: list[tuple[int, int | None, str]] | None = None,
    feed: int = FYERS_HSM,
    windows: list[tuple[int, int]] | None = None,
) -> list[GapRow]:
    """Gaps of a socket in [0, 200); one connection of the whole time unless `made` says otherwise."""
    connections = Connections()
    for each in made if made is not None else [connection(0, 200)]:
        each.feed = feed
        connections.open(each)
    events = Events(runs=[run()] if runs is None else runs, gaps=KnownGaps(gaps), connections=connections)
    coverage = StreamGaps(feed, windows or [(0, 200)], events).account(SYMBOL, Reception(seen or {}, breaks or []))
    lost = sum(row.to_ns - row.from_ns for row in coverage.gaps)
    assert coverage.covered_ns + lost == sum(end - begin for begin, end in windows or [(0, 200)])
    assert all(row.slots is None and row.symbol == SYMBOL for row in coverage.gaps)
    return coverage.gaps


def connection(
    begin: int, end: int | None, cause: str = "", *, stream: int = 0, run: int = 0, last: int = 0,
    symbols: tuple[str, ...] = (SYMBOL,),
) -> Connection:  # fmt: skip
    made = Connection(FYERS_HSM, stream, f"run {run}", begin + 1, begin, frozenset(symbols))
    made.last_ns, made.to_ns, made.cause, made.detail = last, end, cause, f"{cause} of stream {stream}" if cause else ""
    return made


STREAM_CAUSES = {
    "recorded": ("timeout", "timeout was told", "recorded"),
    "sequence": ("sequence_break", "9 came after 7", "derived"),
    "covered": None,
    "run over": ("stopped", "the recorder was stopped", "derived"),
    "not served": ("not_running", "no connection of this run served the symbol", "derived"),
    "ended": ("disconnect", "disconnect of stream 0", "derived"),
    "connecting": ("not_started", "the recorder was connecting", "derived"),
    "died": ("stale", "nothing more came, and the run died before that was noticed", "derived"),
}
"""Highest first, as far as two can hold at one moment."""


def _possible() -> Iterator[tuple[str, str]]:
    never = {("covered", "run over"), ("covered", "not served"), ("covered", "ended"), ("not served", "ended")}
    never |= {("covered", "connecting"), ("covered", "died"), ("connecting", "died"), ("run over", "died")}
    yield from (pair for pair in combinations(STREAM_CAUSES, 2) if pair not in never)


@pytest.mark.parametrize("pair", list(_possible()), ids=" over ".join)
def test_of_two_causes_of_a_silent_socket_the_higher_is_told(pair: tuple[str, str]) -> None:
    life = run(0, 90 if "run over" in pair else 200, stopped="died" not in pair)
    made = connection(0, 80 if "ended" in pair else None if "died" in pair else 200, last=80 if "died" in pair else 0)
    made.cause, made.detail = ("disconnect", "disconnect of stream 0") if "ended" in pair else ("", "")
    if "not served" in pair:
        made.symbols = frozenset({OTHER})
    seen = {} if {"connecting", "not served"} & {*pair} else {0: 10}
    gaps = [known(95, 105, "timeout", 0, feed=FYERS_HSM)] if "recorded" in pair else []
    breaks: list[tuple[int, int | None, str]] = [(95, 105, "9 came after 7")] if "sequence" in pair else []

    rows = streams(gaps, runs=[life], made=[made], seen=seen, breaks=breaks)

    row = at_slot(rows)
    assert (row.cause, row.detail, row.source) == STREAM_CAUSES[pair[0]]


def test_a_moment_after_a_snapshot_of_a_run_that_stopped_and_lost_nothing_is_unknown() -> None:
    (row,) = streams([], runs=[run(stopped=True)], made=[connection(0, 150)], seen={0: 0})

    assert (row.from_ns, row.to_ns, row.cause) == (150, 200, "unknown")
    assert row.detail == "the recorder was running and wrote down no cause"


def test_of_connections_that_ended_the_last_gives_the_cause() -> None:
    made = [
        connection(0, 120, "refused", stream=0),
        connection(0, 140, "mute", stream=1),
        connection(0, 130, "disconnect", stream=2),
    ]

    rows = streams([], made=made, seen={0: 0, 1: 0, 2: 0})

    assert [(row.from_ns, row.to_ns, row.cause, row.detail) for row in rows] == [(140, 200, "mute", "mute of stream 1")]


def test_a_connection_of_another_run_or_symbol_or_that_ends_later_gives_no_cause() -> None:
    made = [
        connection(0, 50, "refused", run=0),
        connection(60, 200, "mute", run=60, stream=1),
        connection(60, 70, "slow_consumer", run=60, stream=2, symbols=(OTHER,)),
    ]

    rows = streams([], runs=[run(0, 50), run(60, 200)], made=made, seen={0: 0, 1: 100})

    assert [(row.from_ns, row.to_ns, row.cause) for row in rows] == [
        (50, 60, "not_running"),
        (60, 100, "not_running"),
    ]
    assert rows[1].detail == "the recorder was connecting"


def test_an_absence_is_split_where_a_run_begins_although_it_connects_later() -> None:
    made = [connection(70, 90, run=60), connection(160, 200, run=150)]

    rows = streams([], runs=[run(60, 100, stopped=True), run(150)], made=made, seen={0: 80, 1: 190})

    assert [(row.from_ns, row.to_ns, row.cause, row.detail) for row in rows] == [
        (0, 60, "not_started", "before the first run of the day"),
        (60, 80, "not_started", "the recorder was connecting"),
        (90, 100, "unknown", "the recorder was running and wrote down no cause"),
        (100, 150, "stopped", "the recorder was stopped"),
        (150, 190, "not_running", "the recorder was connecting"),
    ]


def test_neighbours_with_the_same_cause_are_one_row_in_each_window() -> None:
    gaps = [known(10, 30, "mute", 0, feed=FYERS_HSM), known(30, 120, "mute", 1, feed=FYERS_HSM)]

    rows = streams(gaps, seen={0: 0}, windows=[(0, 50), (60, 100), (100, 200)])

    assert [(row.from_ns, row.to_ns) for row in rows] == [(10, 50), (60, 100), (100, 120)]


@pytest.mark.parametrize(
    ("breaks", "lost"),
    [
        ([(50, 60, "a")], [(50, 60)]),
        ([(50, None, "a")], [(50, 90)]),
        ([(95, None, "a")], [(95, 180)]),
        ([(185, None, "a")], []),
        ([(60, 50, "a")], []),
        ([(50, 60, "a"), (55, 70, "a")], [(50, 70)]),
        ([(50, 60, "a"), (55, 70, "b")], [(50, 60), (60, 70)]),
    ],
)
def test_a_break_lasts_to_its_snapshot_or_to_the_end_of_its_connection(
    breaks: list[tuple[int, int | None, str]], lost: list[tuple[int, int]]
) -> None:
    made = [connection(0, 90), connection(90, 180)]

    rows = streams([], made=made, seen={0: 0, 1: 90}, breaks=breaks)

    found = [(row.from_ns, row.to_ns) for row in rows if row.cause == "sequence_break"]
    assert found == lost
    assert [(row.from_ns, row.to_ns) for row in rows if row.cause != "sequence_break"] == [(180, 200)]


@pytest.mark.parametrize(
    ("to", "last", "life", "end"),
    [(150, 0, 200, 150), (150, 0, 120, 120), (None, 130, 200, 130), (None, 0, 200, 40), (None, 130, 120, 120)],
)
def test_a_connection_counts_to_its_end_or_its_last_frame_and_never_longer_than_its_run(
    to: int | None, last: int, life: int, end: int
) -> None:
    rows = streams([], runs=[run(0, life)], made=[connection(40, to, last=last)], seen={0: 40})

    first = min(rows, key=lambda row: row.from_ns)
    assert (first.from_ns, first.to_ns) == (0, 40)
    assert min(row.from_ns for row in rows if row.from_ns >= 40) == end


def test_two_feeds_of_a_symbol_have_their_own_strips() -> None:
    """The same stream number, symbol and time on both: what one misses is covered by the other, and stays missed."""
    connections = Connections()
    for feed, end in ((FYERS_HSM, 50), (FYERS_TBT, 120)):
        made = connection(0, None)
        made.feed = feed
        connections.open(made)
        connections.close("run 0", (feed, 0), end, "mute", f"feed {feed}")
    gaps = [known(5, 15, "timeout", 0, feed=FYERS_HSM), known(10, 20, "refused", 1, feed=FYERS_TBT)]
    events = Events(runs=[run()], gaps=KnownGaps(gaps), connections=connections)

    found = {
        feed: StreamGaps(feed, [(0, 200)], events).account(SYMBOL, Reception({number: 0})).gaps
        for number, feed in enumerate((FYERS_HSM, FYERS_TBT))
    }

    assert [(row.from_ns, row.to_ns, row.cause, row.feed) for row in found[FYERS_HSM]] == [
        (5, 15, "timeout", "fyers-hsm"), (50, 200, "mute", "fyers-hsm")
    ]  # fmt: skip
    assert [(row.from_ns, row.to_ns, row.cause, row.feed) for row in found[FYERS_TBT]] == [
        (10, 20, "refused", "fyers-tbt"), (120, 200, "mute", "fyers-tbt")
    ]  # fmt: skip
