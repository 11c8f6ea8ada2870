"""The ledger of bars for any course of answers and failures, against a list of what each request brought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.ledger.bars import ASK_AFTER_NS, NOT_ASKED, BarLedger
from harvester.ledger.gaps import Gap
from harvester.ledger.outage import Outage

SECOND = 10**9
WIDTH, EVERY = 300 * SECOND, 300 * SECOND
FINAL_AFTER = 900 * SECOND
SYMBOLS = ("A", "B")
TIMEOUT = Outage("timeout", "no answer")

fates = st.lists(st.sampled_from(("answer", "fail", "bad", "late")), min_size=1, max_size=80)


def day(bars: int, rest: int) -> list[tuple[int, int]]:
    """Bars of two windows, `rest` bars apart."""
    begins = [10_000 * WIDTH + WIDTH * (number if number < bars // 2 else number + rest) for number in range(bars)]
    return [(begin, begin + WIDTH) for begin in begins]


def unanswered(bars: list[tuple[int, int]], sent: list[int], before_ns: int) -> list[int]:
    """By looking at each bar: the begins of those that ended by then, and that no answered request was sent after."""
    return [begin for begin, end in bars if end <= before_ns and not any(moment >= end for moment in sent)]


@given(
    st.integers(1, 20),
    st.integers(0, 6),
    st.dictionaries(st.sampled_from(SYMBOLS), fates),
    st.sampled_from((37, 60, 97, 299, 311, 700)),
)
@examples(15)
def test_a_bar_is_due_until_a_request_sent_after_its_end_is_answered(bars, rest, course, step_s):
    due = day(bars, rest)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, SYMBOLS, EVERY)
    sent: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    told: list[str] = []
    wall_ns = due[0][0] - WIDTH
    while wall_ns < settles_ns + 4 * EVERY:
        ledger.follow_day(due, settles_ns, wall_ns)
        asked = ledger.take_due(wall_ns)
        assert ledger.take_due(wall_ns) is None
        for symbol in asked.symbols if asked else ():
            assert asked and wall_ns - step_s * SECOND < asked.due_ns <= wall_ns
            open_bars = unanswered(due, sent[symbol], wall_ns)
            assert open_bars or (wall_ns >= settles_ns > max(sent[symbol], default=0))
            fate = course[symbol].pop() if course.get(symbol) else "answer"
            if fate == "answer":
                sent[symbol].append(wall_ns)
                told += [name for record in ledger.note_answer(symbol, wall_ns) for name in record["symbols"]]
            elif fate == "fail":
                (record,) = ledger.note_failure([symbol], wall_ns, TIMEOUT)
                assert (record["symbols"], record["cause"], record["at_ns"]) == ([symbol], "timeout", wall_ns)
            elif fate == "bad":
                ledger.note_bad_answer(symbol, TIMEOUT)
        for symbol in SYMBOLS:
            assert ledger.is_settled(symbol) == any(moment >= settles_ns for moment in sent[symbol])
        overdue = {gap.symbol: gap.from_ns for gap in ledger.overdue(wall_ns)}
        for symbol in SYMBOLS:
            late = unanswered(due, sent[symbol], wall_ns - 2 * EVERY)
            assert overdue.get(symbol) == (late[0] if late else None)
        wall_ns += step_s * SECOND
    assert sorted(told) == sorted(symbol for symbol in SYMBOLS if ledger.is_settled(symbol))


@given(st.integers(1, 20), st.integers(0, 3))
@examples(10)
def test_a_day_without_failures_asks_once_a_bar_and_once_when_it_settles(bars, rest):
    due = day(bars, rest)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, ["A"], EVERY)
    rounds = []
    for wall_ns in range(due[0][0], settles_ns + 5 * EVERY, SECOND * 60):
        ledger.follow_day(due, settles_ns, wall_ns)
        if found := ledger.take_due(wall_ns):
            rounds.append(found.due_ns)
            ledger.note_answer("A", wall_ns)
    assert rounds == [end + ASK_AFTER_NS for _, end in due] + [settles_ns]


@pytest.mark.parametrize(("width_s", "every_s"), [(60, 300), (900, 300), (300, 420)])
def test_rounds_are_counted_from_the_begin_of_the_first_bar(width_s: int, every_s: int) -> None:
    begin_ns = 10_000 * WIDTH
    due = [(begin_ns + n * width_s * SECOND, begin_ns + (n + 1) * width_s * SECOND) for n in range(30)]
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, ["A"], every_s * SECOND)
    rounds, answered_ns = [], 0
    for wall_ns in range(begin_ns, settles_ns, 5 * SECOND):
        ledger.follow_day(due, settles_ns, wall_ns)
        if found := ledger.take_due(wall_ns):
            rounds.append(found.due_ns)
            ledger.note_answer("A", wall_ns)

    expected = []
    for moment_ns in range(begin_ns + 5 * SECOND, settles_ns, every_s * SECOND):
        if any(answered_ns < end <= moment_ns for _, end in due):
            expected.append(moment_ns)
            answered_ns = moment_ns
    assert rounds == expected and len(rounds) > 3


def test_a_failed_round_is_no_gap_when_the_next_heals_it() -> None:
    due = day(6, 0)
    ledger = BarLedger(4, ["A"], EVERY)
    for number in range(1, 6):
        wall_ns = due[0][0] + number * EVERY + ASK_AFTER_NS
        ledger.follow_day(due, due[-1][1] + FINAL_AFTER, wall_ns)
        assert ledger.take_due(wall_ns)
        assert not ledger.overdue(wall_ns)
        if number % 2:
            ledger.note_failure(["A"], wall_ns, TIMEOUT)
        else:
            ledger.note_answer("A", wall_ns)


def test_a_start_goes_on_with_what_an_earlier_run_was_answered() -> None:
    due = day(4, 0)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, SYMBOLS, EVERY)
    ledger.recall({"A": settles_ns, "elsewhere": settles_ns})
    ledger.follow_day(due, settles_ns, settles_ns + 1)
    found = ledger.take_due(settles_ns + 1)
    assert found and found.symbols == ["B"]


def test_a_later_close_makes_a_settled_day_due_again() -> None:
    due = day(4, 0)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, ["A"], EVERY)
    ledger.follow_day(due, settles_ns, settles_ns)
    ledger.take_due(settles_ns)
    ledger.note_answer("A", settles_ns)
    more = [*due, (due[-1][1], due[-1][1] + WIDTH)]
    ledger.follow_day(more, settles_ns + WIDTH, settles_ns + WIDTH)
    found = ledger.take_due(settles_ns + WIDTH)
    assert found and found.symbols == ["A"]


def test_after_the_clock_was_set_back_what_it_said_no_longer_counts() -> None:
    due = day(8, 0)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, ["A"], EVERY)
    ahead_ns = due[5][1] + ASK_AFTER_NS
    ledger.follow_day(due, settles_ns, ahead_ns)
    assert ledger.take_due(ahead_ns)
    ledger.note_answer("A", ahead_ns)
    wall_ns = due[2][1] + ASK_AFTER_NS
    for number in range(2):
        ledger.follow_day(due, settles_ns, wall_ns + number * EVERY)
        found = ledger.take_due(wall_ns + number * EVERY)
        assert (found is not None) == (number == 1)


def test_a_round_that_failed_comes_again_at_once_when_the_clock_is_set_back_to_it() -> None:
    due = day(8, 0)
    settles_ns = due[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, ["A"], EVERY)
    moments = [due[number][1] + ASK_AFTER_NS for number in (2, 5, 2)]
    found = []
    for wall_ns in moments:
        ledger.follow_day(due, settles_ns, wall_ns)
        found.append(ledger.take_due(wall_ns))
        ledger.note_failure(["A"], wall_ns, TIMEOUT)
    assert found == [(moment_ns, ["A"]) for moment_ns in moments]


def test_what_was_never_asked_for_says_so() -> None:
    due = day(4, 0)
    ledger = BarLedger(4, ["A"], EVERY)
    ledger.follow_day(due, due[-1][1] + FINAL_AFTER, due[3][1])
    (gap,) = ledger.overdue(due[3][1])
    assert (gap.cause, gap.from_ns) == (NOT_ASKED.cause, due[0][0])


def test_what_is_said_of_answers_and_failures_is_exact() -> None:
    settles_ns = day(4, 0)[-1][1] + FINAL_AFTER
    ledger = BarLedger(4, SYMBOLS, EVERY)
    ledger.follow_day(day(4, 0), settles_ns, settles_ns)
    assert (ledger.bars, ledger.symbols) == (day(4, 0), ["A", "B"])
    assert ledger.note_failure([], 7, TIMEOUT) == []
    failed = {"type": "unanswered", "feed": 4, "symbols": ["A", "B"], "at_ns": 7}
    assert ledger.note_failure(["A", "B"], 7, TIMEOUT) == [failed | {"cause": "timeout", "detail": "no answer"}]
    assert ledger.note_answer("A", settles_ns - 1) == []
    settled = {"type": "settled", "feed": 4, "symbols": ["A"], "sent_ns": settles_ns}
    assert ledger.note_answer("A", settles_ns) == [settled]


def test_a_request_of_the_moment_in_which_a_bar_ends_brings_it() -> None:
    due = day(4, 0)
    ends_ns = due[1][1]
    ledger = BarLedger(4, SYMBOLS, EVERY)
    ledger.follow_day(due, due[-1][1] + FINAL_AFTER, ends_ns)
    ledger.note_answer("A", ends_ns)
    assert ledger.answered_bars() == 2
    assert ledger.take_due(ends_ns + ASK_AFTER_NS) == (ends_ns + ASK_AFTER_NS, ["B"])
    never = Gap("", "B", due[0][0], *NOT_ASKED)
    assert ledger.overdue(ends_ns + 2 * EVERY) == [never]
    assert ledger.overdue(due[2][1] + 2 * EVERY) == [Gap("", "A", due[2][0], *NOT_ASKED), never]
