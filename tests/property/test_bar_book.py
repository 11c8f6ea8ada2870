"""Bars from any course of answers, against a list of what was said of each bar and when."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.journals import OPEN_NS

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.history import Candle, History
from harvester.decode.candles import BarBook, Place

WIDTH = 300 * NS_PER_SECOND
FINAL_AFTER = 900 * NS_PER_SECOND
CLOSES = 5
CLOSE_NS = OPEN_NS + CLOSES * WIDTH - 180 * NS_PER_SECOND
"""In the middle of the last bar, which ends with it."""
SETTLES = CLOSE_NS + 600 * NS_PER_SECOND

candle = st.tuples(st.integers(0, CLOSES), st.integers(1, 3))
answers = st.lists(st.tuples(st.integers(0, 2_400), st.lists(candle, max_size=8)), max_size=12)


def end_of(number: int) -> int:
    """When a bar ends; those after the close, which are not due, by their width."""
    return CLOSE_NS if number == CLOSES - 1 else OPEN_NS + (number + 1) * WIDTH


@given(answers)
@examples(100)
def test_each_bar_has_what_was_said_of_it_after_its_end_and_each_change(course: list[Any]) -> None:
    book = BarBook(WIDTH, {OPEN_NS + (CLOSES - 1) * WIDTH: CLOSE_NS}, FINAL_AFTER, SETTLES)
    said: dict[int, list[tuple[int, int]]] = {}
    course = sorted(course, key=lambda each: each[0])
    for seq, (second, rows) in enumerate(course):
        sent_ns = OPEN_NS + second * NS_PER_SECOND
        candles = [Candle(OPEN_NS // NS_PER_SECOND + 300 * number, price, 9, 1, price, 7) for number, price in rows]
        book.see(sent_ns, Place(sent_ns, 0, seq), History(tuple(candles), ()))
        for number, price in dict(rows).items():
            said.setdefault(number, []).append((sent_ns, price))

    expected = []
    for number in sorted(said):
        ends_ns = end_of(number)
        whole = [(sent_ns, price) for sent_ns, price in said[number] if sent_ns >= ends_ns]
        changes = [place for place, each in enumerate(whole) if place == 0 or each[1] != whole[place - 1][1]]
        for revision, first in enumerate(changes):
            following = changes[revision + 1] if revision + 1 < len(changes) else len(whole)
            latest_ns = whole[following - 1][0]
            is_final = latest_ns >= min(ends_ns + FINAL_AFTER, SETTLES)
            expected.append((OPEN_NS + number * WIDTH, whole[first][1], revision, is_final, whole[first][0]))

    found = [(row.begin_ns, row.values[0], row.revision, row.is_final, row.place.recv_ns) for row in book.rows()]
    assert found == expected
    last = max((OPEN_NS + second * NS_PER_SECOND for second, _ in course), default=0)
    for number in range(CLOSES):
        ends_ns = end_of(number)
        assert book.is_answered(ends_ns) == (last >= ends_ns)
