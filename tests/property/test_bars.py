"""Whatever quotes there were: the bars of a minute are those of a walk over the quotes, one by one, in plain Python."""

from itertools import pairwise
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.decode.frames import ABSENT
from harvester.lake.schema import QUOTES_TABLE
from harvester.lake.tables import bars
from harvester.lake.tables.bars import MINUTE_NS, Bars


class Quote(NamedTuple):
    """A row of the table quotes, as far as bars are made of it."""

    ts_recv: int
    ltp_paise: int
    volume: int
    bid_px_paise: int
    ask_px_paise: int
    in_session: int


moments = st.tuples(st.integers(0, 3), st.integers(0, MINUTE_NS - 1)).map(lambda of: of[0] * MINUTE_NS + of[1])
numbers = st.just(ABSENT) | st.integers(0, 9)
quotes = st.builds(Quote, moments, numbers, numbers, numbers, numbers, st.sampled_from([1, 1, 1, 0]))
gaps = st.lists(st.tuples(moments, st.integers(0, 2 * MINUTE_NS)).map(lambda of: (of[0], sum(of))), max_size=3)


def matrix(found: list[Quote]) -> np.ndarray:
    rows = np.zeros((QUOTES_TABLE.height, len(found)), np.int64)
    for name in Quote._fields:
        rows[QUOTES_TABLE.at(name)] = [getattr(quote, name) for quote in found]
    return rows


def walk(found: list[Quote], lost: list[tuple[int, int]]) -> list[list[int]]:
    """One bar for each minute that has a quote: begin, open, high, low, close, volume, bid, ask, updates, ns lost."""
    made, before = [], None
    used = [quote for quote in found if quote.in_session and quote.ltp_paise != ABSENT]
    for minute in sorted({quote.ts_recv // MINUTE_NS for quote in used}):
        mine = [quote for quote in used if quote.ts_recv // MINUTE_NS == minute]
        prices, volumes = [q.ltp_paise for q in mine], [q.volume for q in mine if q.volume != ABSENT]
        if volumes and before is None:
            before = volumes[0]
        grown = volumes[-1] - before if volumes and before is not None else ABSENT
        before = volumes[-1] if volumes else before
        begin = minute * MINUTE_NS
        edges = sorted(
            {begin, begin + MINUTE_NS, *(max(begin, min(at, begin + MINUTE_NS)) for gap in lost for at in gap)}
        )
        in_gaps = sum(
            until - since
            for since, until in pairwise(edges)
            if any(opens <= since and until <= closes for opens, closes in lost)
        )
        ends = [mine[-1].bid_px_paise, mine[-1].ask_px_paise, len(mine), in_gaps]
        made.append([begin, prices[0], max(prices), min(prices), prices[-1], grown, *ends])
    return made


@examples(150)
@given(st.lists(quotes, max_size=12), gaps, st.integers(1, 13), st.integers(1, 5))
def test_bars_are_what_a_walk_gives(found: list[Quote], lost: list[tuple[int, int]], at_once: int, many: int) -> None:
    """Also where a clock was set back, however many quotes come at once, and however many wait."""
    with patch.object(bars, "_MANY", many):
        made = Bars()
        for place in range(0, len(found), at_once):
            made.see(matrix(found[place : place + at_once]))

        assert made.matrix(lost).T.tolist() == walk(found, lost)
