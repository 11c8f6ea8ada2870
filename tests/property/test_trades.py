"""Whatever quotes and gaps there were, in whatever pieces: the trades are those of a walk in plain Python."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.trade_walk import Quote, Sight, Stretch, from_matrix, to_matrix, walk

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_REST
from harvester.lake.schema import PRINTS
from harvester.lake.tables.trades import LATE, RESETS, SHARES, Trades, Watched

END, HOUR_NS = 40, 3_600 * NS_PER_SECOND


def maybe(values: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.one_of(values, values, values, st.none())


@st.composite
def days(draw: st.DrawFn) -> list[Quote]:
    """Quotes whose volume mostly grows; clocks, last trades and volumes may go back, a run may end."""
    quotes, recv, volume, run = [], 0, 0, 0
    for number in range(draw(st.integers(0, 16))):
        recv = max(0, recv + draw(st.sampled_from([0, 1, 1, 2, 5, -3])))
        volume = max(0, volume + draw(st.sampled_from([0, 1, 2, 2, 3, 7, -1, -4, -50])))
        run += draw(st.sampled_from([0, 0, 0, 0, 0, 1]))
        quotes.append(
            Quote(
                recv,
                draw(maybe(st.just(volume))),
                draw(maybe(st.integers(97, 103))),
                draw(maybe(st.integers(-1, 4))),
                draw(maybe(st.integers(0, 9).map(lambda hours: 6 * hours * HOUR_NS))),
                *(draw(maybe(st.integers(0, 104))) for _ in ("bid", "ask")),
                draw(st.sampled_from([FYERS_HSM, FYERS_HSM, FYERS_REST])),
                run,
                number,
            )
        )
    return quotes


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    edges = sorted(draw(st.sets(st.integers(0, END), max_size=6)))
    return list(zip(edges[::2], edges[1::2], strict=False))


sights = st.builds(
    Sight, st.just([(0, END)]) | stretches(), stretches(), st.just([(0, END)]) | stretches(), stretches()
)


@examples(400)
@given(days(), sights, st.lists(st.integers(0, 16), max_size=4))
def test_trades_are_what_a_walk_gives(quotes: list[Quote], sight: Sight, cuts: list[int]) -> None:
    trades = Trades(Watched(sight.windows, sight.gaps), Watched(sight.polled, sight.missed))
    edges = [0, *sorted(cuts), len(quotes)]

    found = [trade for begin, end in pairwise(edges) for trade in from_matrix(trades.see(to_matrix(quotes[begin:end])))]

    expected, late, resets = walk(quotes, sight)
    assert found == expected
    kinds = {kind: sum(trade.kind == kind for trade in expected) for kind in PRINTS}
    assert trades.certify() == {**kinds, SHARES: sum(trade.shares for trade in expected), LATE: late, RESETS: resets}


DAY_NS = 24 * HOUR_NS


@pytest.mark.parametrize(
    ("traded", "resets"),
    [
        ((1, None, DAY_NS), 1),
        ((DAY_NS, 1, DAY_NS), 0),
        ((DAY_NS, 1, 2 * DAY_NS), 1),
        ((None, None, DAY_NS), 0),
        ((1, 2, 3 * HOUR_NS), 0),
    ],
    ids=[
        "a quote without a time before",
        "one with an earlier time before",
        "and then a later day",
        "no time before",
        "a later hour of the day",
    ],
)
def test_the_latest_trade_is_known_wherever_pieces_are_cut(traded: tuple[int | None, ...], resets: int) -> None:
    """A volume that fell begins anew only on a later day than that of all trades before."""
    volumes = (10, 12, 3)
    quotes = [Quote(at, volumes[at], 100, 1, traded[at], 99, 101, seq=at) for at in range(3)]
    sight = Sight([(0, END)], [], [(0, END)], [])
    expected, late, found_resets = walk(quotes, sight)
    assert found_resets == resets

    for cuts in (cuts for number in range(3) for cuts in combinations((1, 2), number)):
        trades = Trades(Watched(sight.windows, sight.gaps), Watched(sight.polled, sight.missed))
        pieces = [trades.see(to_matrix(quotes[begin:end])) for begin, end in pairwise([0, *cuts, 3])]
        assert [trade for piece in pieces for trade in from_matrix(piece)] == expected
        assert (trades.figures[LATE], trades.figures[RESETS]) == (late, resets)


@examples(200)
@given(days(), sights)
def test_shares_between_two_volumes_are_the_difference(quotes: list[Quote], sight: Sight) -> None:
    """Of a volume that never begins anew nothing is lost and nothing counts twice, by gaps, polls or late rows."""
    known = [quote._replace(traded=None) for quote in quotes]
    trades = Trades(Watched(sight.windows, sight.gaps), Watched(sight.polled, sight.missed))

    rows = from_matrix(trades.see(to_matrix(known)))

    used = [
        quote.volume
        for quote in known
        if None not in (quote.volume, quote.ltp) and not (quote.feed == FYERS_REST and sight.by_socket(quote.recv))
    ]
    assert sum(row.shares for row in rows) == (max(used) - used[0] if used else 0)
    assert all(later.volume - later.shares == row.volume for row, later in pairwise(rows))
