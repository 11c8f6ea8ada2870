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


def book(received: int) -> Row:
    return Row(received, FEEDS[1], True, (1, None), (received, 0), (2, None), (1, 0))


@pytest.mark.parametrize(
    ("gap", "updates"),
    [((5, 11), 1), ((5, 12), None), ((12, 13), None), ((19, 22), None), ((20, 22), None), ((21, 22), None),
     ((24, 25), None), ((26, 30), 1)],
)  # fmt: skip
def test_no_change_is_counted_across_a_gap(gap: tuple[int, int], updates: int | None) -> None:
    """From the book of 11, known at 20, to that of 23, known at 25: wherever the gap between them begins."""
    found, gaps = [book(11), book(23)], {FEEDS[1]: (np.array(gap[:1]), np.array(gap[1:]))}

    values, _ = look(recorded(found), Moments(np.array([25]), np.array([OPENS]), EVERY), gaps, FIELDS)

    flow = None if updates is None else 23 - 11
    wanted = {"updates": updates, "ofi_1": flow, "ofi_2": flow}
    got = dict(zip((field.text for field in FIELDS), values[0].tolist(), strict=True))
    assert {name: None if np.isnan(got[name]) else got[name] for name in wanted} == wanted


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
