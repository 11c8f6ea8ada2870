"""The gap ledger of a closed day: every missing slot has a cause, and data plus gaps are what was expected."""

import pytest
from tests.journals import INTERVAL_NS, OPEN_NS, SYMBOLS

from harvester.base.clock import NS_PER_SECOND
from harvester.journal import recover

SLOTS = 20
SBIN, INFY = SYMBOLS


@pytest.fixture(autouse=True)
def balanced(place):
    """Whatever a test records: the day it closed must balance."""
    yield
    for entry in place.certificate()["symbols"].values():
        assert entry["expected"] == entry["recorded_slots"] + sum(entry["gaps_by_cause"].values())
    assert place.certificate()["unexplained_slots"] == 0


def test_a_perfect_day_has_no_gaps(closed) -> None:
    assert closed.gaps() == []
    entry = closed.certificate()["symbols"][SBIN]
    assert (entry["expected"], entry["updates"], entry["coverage"]) == (20, 20, 1.0)
    assert entry["poll_deviation_ms"] == {"p50": 2.0, "p99": 2.0, "max": 2.0}
    assert entry["longest_silence_ns"] == INTERVAL_NS


def test_a_recorded_gap_keeps_its_cause_and_words(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(5))
    recorder.gap(SBIN, 5, 8, "timeout", "no answer within 4 s")
    for slot in range(5, 8):
        recorder.poll(slot, INFY)
    recorder.poll_all(*range(8, SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    (gap,) = place.gaps()
    assert (gap.from_ns, gap.to_ns) == (recorder.slot_ns(5), recorder.slot_ns(8))
    assert (gap.cause, gap.detail, gap.slots, gap.source) == ("timeout", "no answer within 4 s", 3, "recorded")
    assert place.gaps(INFY) == []


def test_a_symbol_never_polled_is_a_gap_from_open_to_close(place) -> None:
    place.record_all()
    place.close(symbols=(*SYMBOLS, "NSE:ADANIENT-EQ"))
    (gap,) = place.gaps("NSE:ADANIENT-EQ")
    assert (gap.from_ns, gap.to_ns, gap.slots) == (OPEN_NS, OPEN_NS + SLOTS * INTERVAL_NS, SLOTS)
    assert (gap.cause, gap.source) == ("not_running", "derived")


def test_a_day_on_which_nothing_ran_is_a_gap_for_every_symbol(place) -> None:
    place.close()
    assert place.causes(SBIN) == place.causes(INFY) == {"not_running": SLOTS}


def test_a_late_first_start_is_not_started(place) -> None:
    place.clock.now_ns = OPEN_NS + 4 * INTERVAL_NS + 1
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(5, SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    assert place.causes() == {"not_started": 5}


def test_a_restart_on_the_same_day_leaves_one_gap_between_the_runs(place) -> None:
    first = place.start()
    first.open_window(SLOTS)
    first.poll_all(*range(6))
    first.stop()
    place.clock.now_ns = OPEN_NS + 10 * INTERVAL_NS - NS_PER_SECOND
    second = place.start()
    second.open_window(SLOTS)
    second.poll_all(*range(10, SLOTS))
    second.close_window(SLOTS)
    second.stop()
    place.close()
    (gap,) = place.gaps()
    assert (gap.cause, gap.slots, gap.from_ns, gap.to_ns) == ("stopped", 4, first.slot_ns(6), first.slot_ns(10))
    assert [run["stopped"] for run in place.certificate()["runs"]] == [True, True]


def test_a_killed_run_is_not_running_until_the_next_one(place) -> None:
    first = place.start()
    first.open_window(SLOTS)
    first.poll_all(*range(6))
    first.poll(6, INFY)
    first.die()
    place.clock.now_ns = OPEN_NS + 10 * INTERVAL_NS - NS_PER_SECOND
    recover(place.journal, clock=place.clock)
    second = place.start()
    second.open_window(SLOTS)
    second.poll_all(*range(10, SLOTS))
    second.close_window(SLOTS)
    second.stop()
    place.close()
    assert place.causes(INFY) == {"not_running": 3}
    assert place.causes(SBIN) == {"not_running": 4}
    assert any("under way" in gap.detail for gap in place.gaps(SBIN))


def test_a_gap_open_when_the_run_died_goes_as_far_as_the_run(place) -> None:
    first = place.start()
    first.open_window(SLOTS)
    first.poll_all(*range(4))
    first.gap(SBIN, 4, None, "disconnect")
    for slot in range(4, 8):
        first.poll(slot, INFY)
    first.die()
    place.clock.now_ns = OPEN_NS + 12 * INTERVAL_NS - NS_PER_SECOND
    recover(place.journal, clock=place.clock)
    second = place.start()
    second.open_window(SLOTS)
    second.poll_all(*range(12, SLOTS))
    second.close_window(SLOTS)
    second.stop()
    place.close()
    assert place.causes() == {"disconnect": 4, "not_running": 4}


def test_a_gap_adopted_and_closed_by_the_next_run_is_one_gap(place) -> None:
    first = place.start()
    first.open_window(SLOTS)
    first.poll_all(*range(4))
    first.gap(SBIN, 4, None, "no_token")
    first.die()
    place.clock.now_ns = OPEN_NS + 12 * INTERVAL_NS
    recover(place.journal, clock=place.clock)
    second = place.start()
    second.control("gap_close", gap_id=f"{first.run.run_id}-{SBIN}-4", to_ns=first.slot_ns(12))
    second.open_window(SLOTS)
    second.poll_all(*range(12, SLOTS))
    second.close_window(SLOTS)
    second.stop()
    place.close()
    (gap,) = place.gaps()
    assert (gap.cause, gap.slots, gap.source) == ("no_token", 8, "recorded")


def test_a_second_cause_for_the_same_slot_wins(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.gap(SBIN, 0, None, "timeout")
    recorder.control(
        "gap_open", gap_id="second", symbols=[SBIN], from_ns=OPEN_NS, cause="token_refused", detail="HTTP 401"
    )
    recorder.control("gap_close", gap_id="second", to_ns=recorder.slot_ns(3))
    for slot in range(3):
        recorder.poll(slot, INFY)
    recorder.poll_all(*range(3, SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    assert place.causes() == {"token_refused": 3}


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (429, b"", "rate_limited"),
        (500, b"x", "server_error"),
        (401, b'{"s": "error", "code": -17}', "token_refused"),
        (401, b"", "refused"),
        (403, b"<html>Request blocked</html>", "refused"),
        (200, b"{}", "bad_response"),
    ],
)
def test_an_answer_that_is_no_data_explains_its_slot(place, status: int, body: bytes, cause: str) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS - 1))
    recorder.poll(SLOTS - 1, SBIN, status=status, body=body)
    recorder.poll(SLOTS - 1, INFY)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    (gap,) = place.gaps()
    assert (gap.cause, gap.source) == (cause, "derived")
    assert place.certificate()["symbols"][SBIN]["bad_records"] == 1


def test_silence_of_a_living_recorder_is_unknown_never_silent(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(5), *range(9, SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    assert place.causes() == {"unknown": 4}


def test_a_cause_nobody_agreed_on_is_unknown_with_its_words(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.gap(SBIN, 0, 2, "sunspots", "a\nflare")
    recorder.poll_all(*range(2, SLOTS))
    recorder.poll(0, INFY)
    recorder.poll(1, INFY)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    (gap,) = place.gaps()
    assert (gap.cause, gap.detail) == ("unknown", "sunspots: a flare")


def test_a_window_that_only_the_calendar_knows_counts(place) -> None:
    place.record_all()
    evening = (OPEN_NS + 8 * 3_600 * NS_PER_SECOND, OPEN_NS + 8 * 3_600 * NS_PER_SECOND + 3 * INTERVAL_NS)
    place.close(windows=((OPEN_NS, OPEN_NS + SLOTS * INTERVAL_NS), evening), now_ns=evening[1] + NS_PER_SECOND)
    (gap,) = place.gaps()
    assert (gap.from_ns, gap.to_ns, gap.slots, gap.cause) == (*evening, 3, "stopped")


def test_a_window_that_only_the_recorder_knew_counts(place) -> None:
    place.record_all()
    place.close(windows=())
    assert place.certificate()["symbols"][SBIN]["expected"] == SLOTS


def test_a_polled_symbol_is_judged_by_the_hours_of_its_segment(place) -> None:
    place.record_all()
    half = ((OPEN_NS, OPEN_NS + SLOTS // 2 * INTERVAL_NS),)
    place.close(segments={INFY: "mcx"}, segment_windows={"mcx": half})
    entries = [place.certificate()["symbols"][symbol] for symbol in (SBIN, INFY)]
    assert [(each["expected"], each["off_schedule"], each.get("segment")) for each in entries] == [
        (SLOTS, 0, None),
        (SLOTS // 2, SLOTS // 2, "mcx"),
    ]


def test_a_restart_with_another_interval_changes_the_slots_from_there_on(place) -> None:
    first = place.start()
    first.open_window(SLOTS, interval_ns=INTERVAL_NS)
    first.poll_all(*range(10))
    first.stop()
    place.clock.now_ns = OPEN_NS + 10 * INTERVAL_NS - NS_PER_SECOND // 2
    second = place.start(interval_ns=NS_PER_SECOND)
    second.open_window(SLOTS * 5, interval_ns=NS_PER_SECOND)
    second.poll_all(*range(50, 100))
    second.close_window(100)
    second.stop()
    place.close(interval_ns=NS_PER_SECOND)
    entry = place.certificate()["symbols"][SBIN]
    assert (entry["expected"], entry["coverage"], entry["off_schedule"]) == (60, 1.0, 0)


def test_data_outside_every_window_is_kept_and_flagged(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS), SLOTS + 5)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    entry = place.certificate()["symbols"][SBIN]
    assert (entry["updates"], entry["recorded_slots"], entry["off_schedule"]) == (21, 20, 1)
    assert len(place.rows()) == 42


def test_a_slot_answered_twice_is_a_duplicate_and_both_rows_stay(place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS))
    recorder.poll(7, SBIN)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    entry = place.certificate()["symbols"][SBIN]
    assert (entry["updates"], entry["duplicates"], entry["coverage"]) == (21, 1, 1.0)


def test_damage_in_a_segment_is_counted_and_its_slots_are_explained(place) -> None:
    place.record_all()
    (segment,) = [path for path in place.journal.glob("2*/*.seg") if path.stat().st_size > 5_000]
    data = bytearray(segment.read_bytes())
    data[9_000:9_010] = bytes(10)
    segment.write_bytes(data)
    place.close()
    certificate = place.certificate()
    assert certificate["journal"]["damaged_bytes"] > 0
    assert sum(sum(entry["gaps_by_cause"].values()) for entry in certificate["symbols"].values()) == 1


def test_a_segment_with_a_damaged_head_is_still_attributed(place) -> None:
    recorder = place.start(segment_bytes=8_000)
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()
    paths = sorted(place.journal.glob("2*/*.seg"))
    data = bytearray(paths[2].read_bytes())
    data[50:60] = bytes(10)
    paths[2].write_bytes(data)
    place.close()
    assert place.certificate()["symbols"][SBIN]["coverage"] == 1.0
