"""What a connection knew last of a symbol, by which another one's snapshot is judged."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.wire import hsm, tbt
from harvester.brokers.fyers.hsm_scan import HsmScanner
from harvester.brokers.fyers.hsm_state import CLOCK, UNCHANGED, TopicState
from harvester.brokers.fyers.tbt_book import TbtBook
from harvester.brokers.fyers.tbt_scan import TbtScanner

SBIN = "NSE:SBIN-EQ"
value = st.one_of(st.just(UNCHANGED), st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF]), st.integers(0, 9))
values = st.lists(value, max_size=6)


def pack(numbers: list[int]) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def merged(before: list[int], update: list[int]) -> list[int]:
    """The plain way."""
    count = max(len(before), len(update))
    old, new = ([*part, *[UNCHANGED] * (count - len(part))] for part in (before, update))
    return [left if right == UNCHANGED else right for left, right in zip(old, new, strict=True)]


def state_of(numbers: list[int]) -> TopicState:
    return TopicState(pack(numbers))


@given(values, st.lists(values, max_size=4))
def test_updates_leave_what_they_do_not_give(snapshot: list[int], updates: list[list[int]]) -> None:
    state, plain = state_of(snapshot), snapshot
    for update in updates:
        state.take(pack(update))
        plain = merged(plain, update)

    assert (state.count, state.values) == (len(plain), int.from_bytes(pack(plain), "big"))


@given(values, values, st.one_of(st.none(), st.integers(0, 6)))
def test_states_agree_in_what_both_know(one: list[int], other: list[int], but: int | None) -> None:
    pairs = [pair for place, pair in enumerate(zip(one, other, strict=False)) if place != but]

    agrees = state_of(one).agrees(state_of(other), but=but)

    assert agrees == all(left == right or UNCHANGED in (left, right) for left, right in pairs)


def test_the_exchanges_clock_is_no_difference_and_a_volume_is_one() -> None:
    quote = list(range(1, 22))
    later, traded = quote.copy(), quote.copy()
    later[hsm.FIELDS["sf"].index("exch_feed_time")] += 1
    traded[hsm.FIELDS["sf"].index("vol_traded_today")] += 1

    assert hsm.FIELDS["if"].index("exch_feed_time") == CLOCK["if"]
    assert state_of(quote).agrees(state_of(later), but=CLOCK["sf"])
    assert not state_of(quote).agrees(state_of(traded), but=CLOCK["sf"])


def test_a_scanner_follows_snapshots_updates_and_lite_entries() -> None:
    scanner = HsmScanner([], lambda name, state, wall_ns: None)
    changed: list[int | None] = [None] * 21
    changed[1] = 77

    scanner.scan(hsm.feed(1, [hsm.snapshot(5, hsm.Topic("sf|nse_cm|3045"), [9] * 21)]), 1)
    scanner.scan(hsm.feed(2, [hsm.update(5, changed), hsm.lite(5, 8)]), 2)

    assert scanner.states["sf|nse_cm|3045"].values == int.from_bytes(pack([8, 77, *[9] * 19]), "big")


def book(*messages: tuple[bool, tbt.Feed]) -> TbtBook:
    """The book after these messages, each a snapshot or none."""
    scanner = TbtScanner(frozenset({SBIN}), lambda symbol, book, wall_ns: None)
    for snapshot, feed in messages:
        scanner.scan(tbt.socket_message([feed], snapshot=snapshot), 1)
    assert scanner.unknown == 0
    return scanner.books[SBIN]


def feed(sequence: int, bids: list[tbt.Level] | None = None, **more: Any) -> tbt.Feed:
    return tbt.Feed(SBIN, bids=bids or [], sequence=sequence, **more)


BEST = tbt.Level(0, 100, 5, 1)
OLD = book((True, feed(7, [BEST, tbt.Level(1, 99, 4, 1)], tbq=9)), (False, feed(8, [tbt.Level(1, None, 6, None)])))


@pytest.mark.parametrize(
    ("new", "follows"),
    [
        (feed(8, [BEST, tbt.Level(1, 99, 6, 1)], tbq=9), True),
        (feed(8, [BEST, tbt.Level(1, 99, 6, 1), tbt.Level(2, 0, 0, 0)], tbq=9), True),
        (feed(8, [BEST, tbt.Level(1, 99, 6, 1)]), True),
        (feed(8, [BEST, tbt.Level(1, 99, 6, 1)], tbq=10), False),
        (feed(9, [BEST, tbt.Level(1, 99, 6, 1)], tbq=9), False),
        (feed(8, [BEST, tbt.Level(1, 99, 4, 1)], tbq=9), False),
        (feed(8, [BEST], tbq=9), False),
        (feed(1, [BEST, tbt.Level(1, 99, 6, 1)], tbq=9), True),
        (feed(1, [BEST, tbt.Level(1, 99, 5, 1)], tbq=9), False),
        (feed(0, [BEST, tbt.Level(1, 99, 6, 1)], tbq=9), True),
    ],
    ids=["same", "an empty level more", "no total", "total", "number", "quantity", "level gone", "own numbers",
         "own numbers, other book", "no number"],
)  # fmt: skip
def test_a_book_follows_where_nothing_came_between(new: tbt.Feed, *, follows: bool) -> None:
    assert book((True, new)).follows(OLD) is follows


def test_a_snapshot_begins_a_book_anew() -> None:
    again = book((True, feed(1, [BEST, tbt.Level(1, 99, 4, 1)])), (True, feed(2, [BEST])))

    assert again.follows(book((True, feed(2, [BEST]))))


def test_what_is_malformed_leaves_a_book_as_it_was() -> None:
    scanner = TbtScanner(frozenset({SBIN}), lambda symbol, book, wall_ns: None)
    scanner.scan(tbt.socket_message([feed(7, [BEST])], snapshot=True), 1)
    good = tbt.socket_message([feed(8, [tbt.Level(0, 100, 6, 1)])])

    for cut in range(1, 12):
        scanner.scan(good[:-cut], 2)

    assert scanner.unknown > 0
    assert scanner.books[SBIN].follows(book((True, feed(7, [BEST]))))
