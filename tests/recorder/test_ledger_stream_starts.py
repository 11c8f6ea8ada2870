"""The ledger of a streamed feed at a start in a window: a symbol is in a gap from where an earlier run saw it last."""

import pytest
from tests.recorder.gap_records import closed, left_open
from tests.recorder.stream_ledgers import WINDOW, of, opened

from harvester.ledger.gaps import FeedHistory, Gap
from harvester.ledger.outage import ENDED, LATE, Cause, Outage
from harvester.ledger.streams import NOT_YET


@pytest.mark.parametrize(
    ("accounted", "last_wall_ns", "from_ns", "outage"),
    [(1300, 1400, 1300, ENDED), (900, 1000, 1000, ENDED), (0, 999, 1000, LATE), (1999, 1999, 1999, ENDED)],
)
def test_a_start_in_a_window_continues_from_what_was_seen_last(
    accounted: int, last_wall_ns: int, from_ns: int, outage: Outage
) -> None:
    ledger = of()
    history = FeedHistory(accounted={"A": accounted}, last_wall_ns=last_wall_ns)
    assert ledger.resume(WINDOW, history, 1500) == [opened("run-2-1", "A", from_ns, outage)]
    assert ledger.window == WINDOW
    assert history.accounted == {"A": accounted}


def test_a_start_after_all_was_seen_begins_no_gap() -> None:
    history = FeedHistory(accounted={"A": 2000}, last_wall_ns=2000)
    assert of().resume(WINDOW, history, 2100) == []


def test_a_symbol_of_which_nothing_is_known_is_in_a_gap_from_the_opening() -> None:
    history = FeedHistory(accounted={"A": 1300}, last_wall_ns=1300)
    assert of("AB").resume(WINDOW, history, 1500) == [
        opened("run-2-1", "A", 1300, ENDED),
        opened("run-2-2", "B", 1000, ENDED),
    ]


@pytest.mark.parametrize(
    ("from_ns", "last_wall_ns", "seen", "ends", "goes_on"),
    [
        (1100, 1400, 0, 1400, 1400),
        (1100, 1050, 0, 1100, 1100),
        (1100, 1400, 1450, 1400, 1450),
        (1100, 2500, 0, 2000, None),
    ],
)
def test_a_gap_of_a_run_that_died_ends_where_the_run_did(
    from_ns: int, last_wall_ns: int, seen: int, ends: int, goes_on: int | None
) -> None:
    history = FeedHistory(accounted={"A": seen}, opened=left_open("A", from_ns), last_wall_ns=last_wall_ns)
    rest = [opened("run-2-1", "A", goes_on, ENDED)] if goes_on else []
    assert of().resume(WINDOW, history, 1500) == [closed("old-1", ends), *rest]
    assert history.opened == {}


def test_a_gap_of_a_run_that_died_counts_for_a_symbol_never_seen() -> None:
    history = FeedHistory(opened=left_open("A", 1100), last_wall_ns=1400)
    assert of().resume(WINDOW, history, 1500) == [closed("old-1", 1400), opened("run-2-1", "A", 1400, ENDED)]


def test_a_gap_of_a_stop_goes_on_under_its_own_name() -> None:
    ledger = of("AB")
    history = FeedHistory(opened=left_open("A", 1100, "stopped"), last_wall_ns=1200)
    assert ledger.resume(WINDOW, history, 1500) == [opened("run-2-1", "B", 1000, ENDED)]
    assert [gap.gap_id for gap in ledger.open_gaps] == ["old-1", "run-2-1"]
    assert ledger.mark_live("A", 0, 1600) == [closed("old-1", 1600)]


@pytest.mark.parametrize(("cause", "wall_ns", "ends"), [("stopped", 1500, 1500), ("mute", 1500, 1200)])
@pytest.mark.parametrize("before", [0, 1150])
def test_a_gap_of_a_symbol_that_is_recorded_no_more_is_told_to_the_next_run(
    cause: Cause, wall_ns: int, ends: int, before: int
) -> None:
    seen = {"A": 2000} | ({"X": before} if before else {})
    history = FeedHistory(accounted=seen, opened=left_open("X", 1100, cause), last_wall_ns=1200)
    assert of().resume(WINDOW, history, wall_ns) == [closed("old-1", ends)]
    assert history.accounted == {"A": 2000, "X": ends}


def test_a_gap_of_a_stop_of_a_symbol_that_is_recorded_no_more_never_ends_after_the_close() -> None:
    history = FeedHistory(accounted={"A": 2000}, opened=left_open("X", 1100, "stopped"), last_wall_ns=1200)
    assert of().resume(WINDOW, history, 2100) == [closed("old-1", 2000)]
    assert history.accounted["X"] == 2000


@pytest.mark.parametrize(("from_ns", "taken"), [(999, False), (1000, True), (1999, True), (2000, False)])
def test_a_gap_of_another_window_is_left_alone(from_ns: int, taken: bool) -> None:
    history = FeedHistory(accounted={"A": 2000}, opened=left_open("X", from_ns), last_wall_ns=1000)
    assert of().resume(WINDOW, history, 1500) == ([closed("old-1", from_ns)] if taken else [])
    assert bool(history.opened) != taken


def test_gaps_of_several_symbols_end_in_the_order_of_their_records() -> None:
    gaps = {f"old-{n}": Gap(f"old-{n}", symbol, 1100, "mute", "") for n, symbol in enumerate("BXA")}
    history = FeedHistory(accounted={"A": 2000, "B": 2000}, opened=gaps, last_wall_ns=1200)
    assert of("AB").resume(WINDOW, history, 1500) == [closed(f"old-{n}", 1200) for n in range(3)]


def test_a_window_may_begin_with_time_itself() -> None:
    ledger = of()
    assert ledger.open_window((0, 10)) == [opened("run-2-1", "A", 0, NOT_YET)]
    history = FeedHistory(opened=left_open("A", 0))
    assert of().resume((0, 10), history, 5) == [closed("old-1", 0), opened("run-2-1", "A", 0, ENDED)]
    assert of().resume((0, 10), FeedHistory(), 5) == [opened("run-2-1", "A", 0, ENDED)]
