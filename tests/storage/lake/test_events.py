"""A day's control records, interpreted: every kind, every way of being malformed, and what has no end of its own."""

from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT, SCHWAB_STREAM
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.controls import ControlRecord
from harvester.lake.day.events import Events, read_events
from harvester.lake.day.model import Expectation, read_day
from harvester.lake.day.records import DAY_NS, DEFAULT, Polling, WindowOpen
from harvester.lake.day.segments import DayIndex, Source, find_sources
from harvester.lake.layout import Partition

SECOND, TENTH = NS_PER_SECOND, NS_PER_SECOND // 10


def source(run_id: str = "a", **fields: Any) -> Source:
    head = {"run_id": run_id, "release": f"release {run_id}", "boot_id": f"boot {run_id}", "streams": {}}
    return Source(f"1-{run_id}", Path(f"1-{run_id}.seg"), header={**head, **fields.pop("head", {})}, **fields)


def events_of(*controls: tuple[int, dict[str, Any]], sources: list[Source] | None = None, of: int = 0) -> Events:
    """The events of (wall ns, control record) pairs, all of source number `of`."""
    made = [ControlRecord(of, seq, wall, wall, value) for seq, (wall, value) in enumerate(controls, start=1)]
    return read_events(DayIndex(sources or [source()], controls=made))


WINDOW = {"type": "window_open", "open_ns": OPEN_NS, "close_ns": OPEN_NS + 100 * SECOND}
GAP = {"type": "gap_open", "gap_id": "g", "symbols": ["S"], "from_ns": 5, "cause": "timeout", "detail": "no answer"}
CONNECT = {"type": "connect", "feed": FYERS_HSM, "stream": 3, "symbols": ["S", "T"], "topics": {"sf|nse_cm|1": "S"}}
DISCONNECT = {"type": "disconnect", "feed": FYERS_HSM, "stream": 3, "cause": "mute", "detail": "nothing for 10 s"}
POLLING = {"type": "polling", "from_ns": 10, "interval_ns": 5 * SECOND}
GOOD = [
    WINDOW, GAP, {"type": "gap_close", "gap_id": "g", "to_ns": 9}, POLLING, {"type": "polling_end", "to_ns": 20},
    CONNECT, DISCONNECT, {"type": "clock_step", "delta_ns": -5}, {"type": "damage", "bytes": 7},
]  # fmt: skip
NUMBERS = {"open_ns", "close_ns", "from_ns", "to_ns", "stream", "delta_ns", "bytes"}
ODD = [None, "5", 5.0, True, 2**63, -(2**63), [], {}]


def test_records_in_order_are_what_they_say() -> None:
    events = events_of(*((100 + at, value) for at, value in enumerate(GOOD)))

    assert events.malformed == 0
    assert events.windows == [WindowOpen(100, OPEN_NS, OPEN_NS + 100 * SECOND, DEFAULT)]
    assert events.pollings == [Polling(10, 20, 5 * SECOND)]
    (gap,) = events.gaps
    assert (gap.run_id, gap.symbols, gap.from_ns, gap.to_ns) == ("a", frozenset("S"), 5, 9)
    assert (gap.cause, gap.detail, gap.opened_at, gap.feed) == ("timeout", "no answer", 1, FYERS_REST)
    (connection,) = events.connections
    assert (connection.feed, connection.stream, connection.run_id, connection.seq) == (FYERS_HSM, 3, "a", 6)
    assert (connection.from_ns, connection.to_ns, connection.number, connection.last_ns) == (105, 106, 0, 0)
    assert (connection.cause, connection.detail) == ("stale", "nothing for 10 s")
    assert connection.symbols == {"S", "T"} and connection.topics == {"sf|nse_cm|1": "S"}
    assert (events.clock_steps_ns, events.torn_bytes) == ([-5], 7)


@pytest.mark.parametrize("at", range(len(GOOD)), ids=[str(value["type"]) for value in GOOD])
def test_a_record_that_lacks_something_or_has_an_odd_number_is_counted_and_changes_nothing(at: int) -> None:
    value = GOOD[at]
    needed = set(value) - {"type", "detail", "topics"}
    odd = [{key: each for key, each in value.items() if key != name} for name in needed]
    odd += [{**value, name: number} for name in needed & NUMBERS for number in ODD]
    before, after = [*enumerate(GOOD[:at], start=100)], [*enumerate(GOOD[at + 1 :], start=200)]

    plain = events_of(*before, *after)
    for each in odd:
        spoiled = events_of(*before, (150, each), *after)
        assert spoiled.malformed == plain.malformed + 1, each
        for name in ("windows", "pollings", "clock_steps_ns", "torn_bytes", "messages"):
            assert getattr(spoiled, name) == getattr(plain, name), each
        assert [(gap.from_ns, gap.to_ns) for gap in spoiled.gaps] == [(gap.from_ns, gap.to_ns) for gap in plain.gaps]
        assert [one.to_ns for one in spoiled.connections] == [one.to_ns for one in plain.connections]


@pytest.mark.parametrize(("length", "fits"), [(0, False), (-1, False), (1, True), (DAY_NS, True), (DAY_NS + 1, False)])
def test_a_window_lasts_up_to_a_day(length: int, fits: bool) -> None:
    events = events_of((1, {**WINDOW, "close_ns": OPEN_NS + length}))

    assert (len(events.windows), events.malformed) == ((1, 0) if fits else (0, 1))
    assert DAY_NS == 86_400 * SECOND


@pytest.mark.parametrize(
    ("interval", "fits"),
    [
        (None, True),
        (TENTH, True),
        (TENTH - 1, False),
        (DEFAULT, True),
        (-5, False),
        ("5", False),
        (5.0, False),
        (SECOND, True),
    ],
)
def test_an_interval_lasts_a_tenth_of_a_second_at_least(interval: Any, fits: bool) -> None:
    events = events_of((1, {**WINDOW, "interval_ns": interval}))
    assert [window.interval_ns for window in events.windows] == ([interval] if fits else [])

    events = events_of((1, {**POLLING, "interval_ns": interval}), (2, {"type": "polling_end", "to_ns": 20}))
    polled = fits and bool(interval)
    assert [polling.interval_ns for polling in events.pollings] == ([interval] if polled else [])


UNANSWERED = {"type": "unanswered", "feed": 4, "symbols": ["S"], "at_ns": 7, "cause": "timeout", "detail": "late"}


@pytest.mark.parametrize(
    ("changed", "fits"),
    [({}, True), ({"feed": 5}, False), ({"at_ns": "7"}, False), ({"symbols": None}, False), ({"cause": "odd"}, True)],
)
def test_a_request_for_candles_without_an_answer_is_read(changed: dict[str, Any], fits: bool) -> None:
    events = events_of((1, UNANSWERED | changed))

    cause = ("unknown", "odd: late") if changed.get("cause") else ("timeout", "late")
    assert events.unanswered_of("S") == ([(7, cause)] if fits else [])
    assert events.malformed == (not fits) and events.unanswered_of("T") == []


@pytest.mark.parametrize("kind", ["gap_open", "connect", "disconnect"])
@pytest.mark.parametrize("feed", [0, 5, 99, -1, "2", 2.0, True, None])
def test_a_feed_that_there_is_not_is_malformed(kind: str, feed: Any) -> None:
    value = {"gap_open": GAP, "connect": CONNECT, "disconnect": DISCONNECT}[kind]

    events = events_of((1, CONNECT), (2, {**value, "feed": feed}))

    assert events.malformed == 1 and not len(events.gaps)
    assert [each.to_ns for each in events.connections] == [None]


@pytest.mark.parametrize("feed", [FYERS_REST, FYERS_HSM, FYERS_TBT])
def test_gaps_are_of_the_feed_they_name(feed: int) -> None:
    later = {**GAP, "gap_id": "h", "feed": feed, "symbols": ["T", "S"]}

    events = events_of(
        (1, {**GAP, "feed": feed}), (2, later), (3, {**GAP, "gap_id": "i", "feed": FYERS_HSM % feed + 1})
    )

    assert [gap.opened_at for gap in events.gaps_of(feed, "S")] == [0, 1, *[2] * (FYERS_HSM % feed + 1 == feed)]
    assert [gap.opened_at for gap in events.gaps_of(feed, "T")] == [1]


@pytest.mark.parametrize(
    ("cause", "detail", "expected"),
    [
        ("mute", "plain", ("stale", "plain")),
        ("mute", None, ("stale", "")),
        ("sunspots", "flare", ("unknown", "sunspots: flare")),
        ("sunspots", None, ("unknown", "sunspots: ")),
        (None, "x", ("unknown", "None: x")),
        ("mute", "a\nb\tc\x1bd", ("stale", "a b c d")),
        ("mute", "x" * 250, ("stale", "x" * 200)),
        ("mute", 12, ("stale", "12")),
    ],
)
def test_causes_are_of_the_list_and_details_one_printable_line(
    cause: Any, detail: Any, expected: tuple[str, str]
) -> None:
    events = events_of(
        (1, CONNECT),
        (2, {**GAP, "cause": cause, "detail": detail}),
        (3, {**DISCONNECT, "cause": cause, "detail": detail}),
    )

    (gap,), (connection,) = events.gaps, events.connections
    assert (gap.cause, gap.detail) == (connection.cause, connection.detail) == expected


def test_a_gap_told_twice_is_the_later_one() -> None:
    events = events_of(
        (1, GAP), (2, {"type": "gap_close", "gap_id": "g", "to_ns": 9}), (3, {**GAP, "from_ns": 50, "cause": "refused"})
    )

    assert [(gap.from_ns, gap.to_ns, gap.cause, gap.opened_at) for gap in events.gaps] == [(50, None, "refused", 2)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([], [(10, 90)]),  # to the last record of its run
        ([(40, {"type": "polling_end", "to_ns": 30})], [(10, 30)]),
        ([(40, {"type": "polling_end", "to_ns": 10})], []),
        ([(40, {"type": "polling_end", "to_ns": 5})], []),
        ([(40, {**POLLING, "from_ns": 50})], [(10, 90), (50, 90)]),
        ([(40, {"type": "polling_end", "to_ns": 30}), (45, {"type": "polling_end", "to_ns": 60})], [(10, 30)]),
        ([(40, {"type": "polling_end", "to_ns": "x"})], [(10, 90)]),
    ],
)
def test_a_stretch_of_fallback_polls_ends_once(
    after: list[tuple[int, dict[str, Any]]], expected: list[tuple[int, int]]
) -> None:
    events = events_of((20, POLLING), *after, (90, {"type": "token"}))

    assert [(each.from_ns, each.to_ns) for each in events.pollings] == expected


def test_messages_and_notes_of_clocks_are_kept_in_their_order() -> None:
    told = [
        {"type": "text", "text": "a"}, {"type": "oversize", "bytes": 5}, {"type": "clock", "source": "chrony"},
        {"type": "clock", "source": "other"}, {"type": "unheard of"},
    ]  # fmt: skip
    events = events_of(*enumerate(told))

    assert (events.messages, events.clock_notes, events.malformed) == (told[:2], told[2:4], 0)


def test_a_run_lives_from_its_first_record_to_its_last_by_data_and_control() -> None:
    sources = [
        source("a", feeds={1}, first_ns=50, last_ns=60, head={"streams": {"0": "S"}}),
        source("b", feeds=set(), first_ns=1, last_ns=999),
        source("a", feeds={2}, first_ns=40, last_ns=55, head={"streams": {"1": "T", "x": "no"}}),
        source("c", feeds={1}, first_ns=20, last_ns=25),
        source("d"),
    ]
    index = DayIndex(sources, controls=[
        ControlRecord(0, 1, 45, 0, {"type": "start"}),
        ControlRecord(1, 1, 70, 0, {"type": "start"}),
        ControlRecord(1, 2, 80, 0, {"type": "stop"}),
        ControlRecord(2, 9, 75, 0, {"type": "window_close"}),
        ControlRecord(2, 9, 900, 0, {"type": "damage", "bytes": 3}),
        ControlRecord(2, 9, 901, 0, {"type": "gap_close", "gap_id": "?", "to_ns": 5, "recovered": True}),
    ])  # fmt: skip

    runs = read_events(index).runs

    assert [(run.run_id, run.first_ns, run.last_ns, run.stopped, run.symbols) for run in runs] == [
        ("c", 20, 25, False, set()), ("a", 40, 75, False, {"S", "T"}), ("b", 70, 80, True, set())
    ]  # fmt: skip
    assert [(run.release, run.boot_id) for run in runs] == [(f"release {name}", f"boot {name}") for name in "cab"]


def test_a_stop_that_something_follows_is_still_a_stop() -> None:
    events = events_of((1, {"type": "stop"}), (2, {"type": "token"}))

    assert events.runs[0].stopped


def connect(
    connections: Connections, begin: int, *, stream: int = 0, run: str = "a", feed: int = FYERS_HSM
) -> Connection:
    return connections.open(Connection(feed, stream, run, begin, begin))


def test_a_connection_ends_the_one_before_it_on_its_own_stream_run_and_feed_alone() -> None:
    connections = Connections()
    first = [
        connect(connections, 1), connect(connections, 2, stream=1), connect(connections, 3, run="b"),
        connect(connections, 4, feed=FYERS_TBT),
    ]  # fmt: skip

    later = connect(connections, 9)

    assert [each.to_ns for each in first] == [9, None, None, None]
    assert [each.number for each in connections] == [0, 1, 2, 3, 4] and len(connections) == 5
    assert later.to_ns is None


def test_an_end_that_was_told_is_not_told_anew() -> None:
    connections = Connections()
    first = connect(connections, 1)
    connections.close("a", (FYERS_HSM, 0), 5, "mute", "nothing")
    connections.close("a", (FYERS_HSM, 0), 7, "refused", "later")
    connect(connections, 9)

    assert (first.to_ns, first.cause, first.detail) == (5, "mute", "nothing")
    for stream in ((FYERS_HSM, 1), (FYERS_TBT, 0)):
        with pytest.raises(KeyError):
            connections.close("a", stream, 5, "mute", "")


def test_a_connection_without_a_record_ends_where_the_next_of_its_stream_begins() -> None:
    connections = Connections()
    connect(connections, 50, stream=1)
    connect(connections, 40, run="b")
    known = connect(connections, 90)
    connect(connections, 70)

    made = connections.find("a", (FYERS_HSM, 0), 0, 60)

    assert (made.feed, made.stream, made.run_id, made.seq, made.from_ns, made.to_ns) == (FYERS_HSM, 0, "a", 0, 60, 70)
    assert made.number == 4 and connections.find("a", (FYERS_HSM, 0), 0, 61) is made
    assert connections.find("a", (FYERS_HSM, 0), 90, 0) is known
    assert connections.find("a", (FYERS_HSM, 0), 1, 95).to_ns is None
    assert connections.find("a", (FYERS_HSM, 0), 2, 70).to_ns == 90, "not where one began at the same moment"


def test_topics_of_a_day_are_those_of_all_connections_the_later_word_counts() -> None:
    connections = Connections()
    for number, topics in enumerate(({"a": "A", "b": "B"}, {"b": "C"})):
        connect(connections, number).topics = topics

    assert connections.topics() == {"a": "A", "b": "C"}


@pytest.mark.parametrize(
    ("shift_ns", "mine"),
    [
        (0, True),
        (-1, False),
        (30 * 60 * SECOND, True),
        (-30 * 60 * SECOND, False),
        (5 * 3_600 * SECOND + 30 * 60 * SECOND - 1, True),  # midnight of UTC
        (5 * 3_600 * SECOND + 30 * 60 * SECOND, True),
        (DAY_NS - 1, True),
        (DAY_NS - 30 * 60 * SECOND, True),
        (DAY_NS, False),
        (2**62, False),
    ],
)
def test_a_window_is_of_the_day_of_india_in_which_it_opens(shift_ns: int, mine: bool) -> None:
    """Half an hour of zone is half an hour of a night: what opens at 00:00 or 23:30 is of its own day."""
    midnight_ns = OPEN_NS - (9 * 3_600 + 15 * 60) * SECOND
    window = {**WINDOW, "open_ns": midnight_ns + shift_ns, "close_ns": midnight_ns + shift_ns + 10 * SECOND}
    index = DayIndex([source()], controls=[ControlRecord(0, 1, midnight_ns, 0, window)])

    day = read_day(Partition(DAY, "lab1"), index, Expectation((), (), SECOND, SECOND))

    begin = midnight_ns + shift_ns
    grid = day.grids["nse_cash"]
    assert grid.windows == (((begin, begin + 10 * SECOND),) if mine else ())
    assert len(grid.slots) == (10 if mine else 0)


@pytest.mark.parametrize(("until", "segments"), [(0, ["nse_cash"]), (1, ["nse_cash", "mcx"])])
def test_of_a_day_so_far_a_window_that_has_not_opened_is_not_there(until: int, segments: list[str]) -> None:
    window = {**WINDOW, "segment": "mcx", "symbols": ["MCX:GOLD26DECFUT"]}
    index = DayIndex([source()], controls=[ControlRecord(0, 1, OPEN_NS, 0, window)])

    day = read_day(Partition(DAY, "lab1"), index, Expectation((), (), SECOND, SECOND), until_ns=OPEN_NS + until)

    assert [*day.grids] == segments


def test_symbols_of_a_day_are_expected_or_recorded_feed_by_feed() -> None:
    told = [
        {**CONNECT, "symbols": ["C"]}, {**CONNECT, "feed": FYERS_TBT, "symbols": ["D"]},
        {**GAP, "symbols": ["E"]}, {**GAP, "gap_id": "h", "symbols": ["F"], "feed": FYERS_HSM},
        {**GAP, "gap_id": "i", "symbols": ["G"], "feed": FYERS_TBT},
    ]  # fmt: skip
    controls = [ControlRecord(0, at, at, 0, value) for at, value in enumerate(told, start=1)]
    index = DayIndex([source(head={"streams": {"0": "R"}})], controls=controls)

    day = read_day(Partition(DAY, "lab1"), index, Expectation(("A",), (), SECOND, SECOND, {FYERS_HSM: ("B",)}))

    assert day.symbols == {"A", "R"}
    assert day.sockets == {FYERS_HSM: {"B", "C", "F"}, FYERS_TBT: {"D", "G"}, SCHWAB_STREAM: set()}


def test_segments_of_a_day_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    journal, archive = tmp_path / "journal", tmp_path / "raw"
    journal.mkdir()
    archive.mkdir()
    for name in ("9-a.seg", "10-a.seg", "100-b.open", "x.seg", ".5-a.seg", "notes.txt", "7-a.seg.bad"):
        (journal / name).write_bytes(b"")
    (journal / "8-a.seg").symlink_to(journal / "9-a.seg")
    (journal / "11-d.seg").mkdir()
    for name in ("9-a.seg.zst", "2-c.seg.zst", "3-c.seg.pack", "4-c.seg.gz", ".1-c.seg.zst"):
        (archive / name).write_bytes(b"")

    found = find_sources(journal, archive)

    assert [(each.name, each.path.name, each.path.parent.name) for each in found] == [
        ("x", "x.seg", "journal"), ("2-c", "2-c.seg.zst", "raw"), ("3-c", "3-c.seg.pack", "raw"),
        ("9-a", "9-a.seg", "journal"), ("10-a", "10-a.seg", "journal"), ("100-b", "100-b.open", "journal"),
    ]  # fmt: skip
    assert [each.name for each in found if each.is_open] == ["100-b"]
    assert find_sources(tmp_path / "none", tmp_path / "neither") == []
