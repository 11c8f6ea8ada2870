"""Whatever rows and gaps there were: a grid's values and mask are those of a walk, row by row, in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.storage.reader.walk import Gap, Row, value

from harvester.reader.fields import Book, parse_fields
from harvester.reader.moments import Moments, Recorded, look

FEEDS = ["fyers-rest", "fyers-hsm"]
FIELDS = parse_fields(
    ["mid", "spread_bp", "microprice", "imbalance_1", "imbalance_2", "ofi_1", "ofi_2", "updates", "age_ms"]
)
OPENS, LEVELS, EVERY = 10, 2, 5

prices = st.one_of(st.none(), st.integers(1, 6))


@st.composite
def rows(draw: st.DrawFn) -> Row:
    bid, ask = (draw(st.tuples(prices, prices)) for _ in range(2))
    sizes = [[draw(st.integers(0, 9)) if price else 0 for price in side] for side in (bid, ask)]
    return Row(
        draw(st.integers(0, 60)),
        draw(st.sampled_from(FEEDS)),
        draw(st.booleans() | st.just(True)),
        bid,
        sizes[0],
        ask,
        sizes[1],
    )


@st.composite
def ledgers(draw: st.DrawFn) -> list[Gap]:
    """Gaps of each feed that do not overlap."""
    found = []
    for feed in FEEDS:
        edges = sorted(draw(st.sets(st.integers(0, 60), max_size=6)))
        found += [(feed, begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=False)]
    return found


def recorded(found: list[Row]) -> Recorded:
    sides = [
        np.array(
            [
                [
                    np.nan if level is None else level / 100 if side.endswith("px") else level
                    for level in getattr(row, side)
                ]
                for row in found
            ],
            float,
        ).reshape(-1, LEVELS)
        for side in ("bid_px", "bid_qty", "ask_px", "ask_qty")
    ]
    return Recorded(
        np.array([row.received for row in found], np.int64),
        FEEDS,
        np.array([FEEDS.index(row.feed) for row in found], np.int64),
        np.array([row.valid for row in found], np.bool_),
        {},
        Book(*sides),
    )


@examples(200)
@given(st.lists(rows(), max_size=14), ledgers())
def test_a_grid_is_what_a_walk_gives(found: list[Row], gaps: list[Gap]) -> None:
    times = np.arange(OPENS, 60, EVERY)
    by_feed = {
        feed: tuple(np.array([gap[at] for gap in gaps if gap[0] == feed], np.int64) for at in (1, 2)) for feed in FEEDS
    }

    values, known = look(recorded(found), Moments(times, np.full(len(times), OPENS), EVERY), by_feed, FIELDS)  # type: ignore[arg-type]

    for at, moment in enumerate(times.tolist()):
        wanted = [value(found, f.name, f.number, moment, EVERY, OPENS, gaps) for f in FIELDS]
        got = [None if np.isnan(each) else each for each in values[at].tolist()]
        assert got == [each if each is None else pytest.approx(each, rel=1e-9, abs=1e-12) for each in wanted]
        assert known[at] == (wanted[FIELDS.index(FIELDS[-1])] is not None)
