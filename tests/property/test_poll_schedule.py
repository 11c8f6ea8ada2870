"""The schedule for any window, interval and course of the clock: each slot once, none forgotten, none invented."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harvester.base.clock import NS_PER_SECOND
from harvester.config.limits import MINUTE_NS, RequestLimits, start_offsets
from harvester.ledger.polls import EARLY_NS, PollLedger, next_slot

EPOCH = 1_795_000_000 * NS_PER_SECOND
intervals = st.integers(1_000, 60_000).map(lambda milliseconds: milliseconds * 1_000_000)
lengths = st.integers(1, 500_000).map(lambda milliseconds: milliseconds * 1_000_000)


def in_window(window: tuple[int, int], interval_ns: int) -> PollLedger:
    ledger = PollLedger("run", (), interval_ns)
    ledger.open_window(window)
    return ledger


@given(intervals, lengths, st.lists(st.integers(0, 90_000_000_000), max_size=200))
def test_every_slot_is_handed_out_once_in_order_whatever_the_delays(
    interval_ns: int, length_ns: int, delays: list[int]
) -> None:
    window = (EPOCH, EPOCH + length_ns)
    ledger = in_window(window, interval_ns)
    now, handed = EPOCH - 5 * NS_PER_SECOND, []

    for delay in [*delays, length_ns + interval_ns + 10 * NS_PER_SECOND]:
        now += delay
        missed, due = ledger.take_due(now)
        handed += [*missed, *([due] if due is not None else [])]
        if due is not None:
            assert -EARLY_NS <= now - due < interval_ns

    assert handed == list(range(EPOCH, EPOCH + length_ns, interval_ns))


@given(intervals, lengths)
def test_who_wakes_at_each_slot_misses_none_and_never_drifts(interval_ns: int, length_ns: int) -> None:
    assume(length_ns // interval_ns < 2_000)
    ledger = in_window((EPOCH, EPOCH + length_ns), interval_ns)

    count = 0
    while ledger.next_ns is not None:
        expected = EPOCH + count * interval_ns
        missed, due = ledger.take_due(expected)
        assert (list(missed), due) == ([], expected)
        count += 1

    assert count == -(-length_ns // interval_ns)


@given(intervals, lengths, st.integers(-(10**11), 10**12))
def test_a_restart_at_any_moment_finds_the_same_grid(interval_ns: int, length_ns: int, moment: int) -> None:
    window = (EPOCH, EPOCH + length_ns)

    slot = next_slot(window, interval_ns, EPOCH + moment)

    if slot is None:
        assert EPOCH + moment > window[0] + (length_ns - 1) // interval_ns * interval_ns
    else:
        assert (slot - EPOCH) % interval_ns == 0
        assert EPOCH <= slot < window[1]
        assert slot >= EPOCH + moment
        assert slot == EPOCH or slot - interval_ns < EPOCH + moment


@given(intervals, lengths, st.lists(st.integers(-60, 60), min_size=1, max_size=30))
def test_after_steps_back_slots_come_again_and_none_is_left_out(
    interval_ns: int, length_ns: int, steps: list[int]
) -> None:
    window = (EPOCH, EPOCH + length_ns)
    ledger = in_window(window, interval_ns)
    now, handed = EPOCH, set()

    for step in [*steps, 10_000]:
        now = max(EPOCH, now + step * NS_PER_SECOND)
        if step < 0:
            ledger.step_clock(step * NS_PER_SECOND, now)
        missed, due = ledger.take_due(now)
        handed |= {*missed, *([due] if due is not None else [])}

    assert handed == set(range(EPOCH, EPOCH + length_ns, interval_ns))


DAY_NS = 400 * MINUTE_NS


@given(st.integers(1, 200), intervals, st.integers(1, 20), st.integers(10, 1_000), st.integers(1_000, 500_000))
def test_an_accepted_plan_never_breaks_a_limit(
    symbols: int, interval_ns: int, per_second: int, per_minute: int, per_day: int
) -> None:
    limits = RequestLimits(per_second, per_minute, per_day)
    try:
        offsets = start_offsets(symbols, interval_ns, limits, DAY_NS)
    except ValueError as refusal:
        assert "interval" in str(refusal)
        return

    slots = range(0, MINUTE_NS + 2 * interval_ns, interval_ns)
    starts = sorted(slot + offset for slot in slots for offset in offsets)
    assert len(offsets) == symbols
    assert symbols * -(-DAY_NS // interval_ns) <= per_day
    assert busiest(starts, MINUTE_NS) <= per_minute
    assert busiest(starts, NS_PER_SECOND) <= per_second


def busiest(starts: list[int], span_ns: int) -> int:
    """Most starts in any stretch of this length, both ends included."""
    most = first = 0
    for last, start in enumerate(starts):
        while starts[first] < start - span_ns:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_five_symbols_every_second_are_refused_with_the_interval_that_works() -> None:
    with pytest.raises(ValueError, match=r"shortest possible interval is 1\.6 s"):
        start_offsets(5, NS_PER_SECOND, RequestLimits(10, 200, 100_000), DAY_NS)

    paid = RequestLimits(10, 600, 200_000)
    assert start_offsets(5, NS_PER_SECOND, paid, DAY_NS) == (0,) * 5


def test_too_many_symbols_for_any_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="no interval"):
        start_offsets(10_000, 5 * NS_PER_SECOND, RequestLimits(10, 200, 100_000), DAY_NS)


def test_offsets_come_in_batches() -> None:
    offsets = start_offsets(25, 10 * NS_PER_SECOND, RequestLimits(10, 600, 200_000), DAY_NS)

    assert [offsets.count(offset) for offset in sorted(set(offsets))] == [10, 10, 5]
    assert all(later >= earlier for earlier, later in pairwise(offsets))
